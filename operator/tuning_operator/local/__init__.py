"""The local runtime: the same jobs, decided by the same tuner, with a process on this machine where a cluster has a Pod."""
