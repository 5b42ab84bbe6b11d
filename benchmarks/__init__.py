"""What is measured rather than tested. Each is `python -m benchmarks.NAME` and ends with one line of JSON."""
