"""How good suggestions are at equal budget, beside those of other tuners: `python -m benchmarks.quality`."""
