"""The tuner decides: `plan(snapshot)` says what is to be done next and why, and never does it.

The cluster, the local runtime and the simulation observe, call `plan.plan` and carry out what it says. That is all
they share, and it is enough: whatever is not decided here is not decided anywhere.
"""
