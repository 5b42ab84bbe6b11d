"""What fits where, and whose turn it is: pure decisions over a model of the cluster, each with its reason."""
