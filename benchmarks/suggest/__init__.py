"""What a suggestion costs: `python -m benchmarks.suggest`."""
