"""Stopping rules: which running trials are hopeless, as pure functions of learning curves."""
