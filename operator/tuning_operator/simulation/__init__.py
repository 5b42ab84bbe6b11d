"""A world in virtual time: the same decisions as on a cluster, carried out by a script in microseconds.

It stands beside the cluster and the local runtime as a third shell around the tuner. Tests use it to meet every order
of events and a crash at every step; benchmarks use it to run days of tuning in seconds.
"""
