"""How well trials of many jobs are packed into a cluster, and how long it takes to decide.

Everything runs in virtual time. Nothing of it needs a cluster.
"""
