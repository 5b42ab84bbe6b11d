"""How long people wait for the operator, and what it costs the API server and the machine.

Run it with `python -m benchmarks.latency`; docs/benchmarks.md says what the figures mean.
"""
