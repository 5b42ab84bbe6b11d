"""Hyperparameter tuning for Kubernetes and for one machine, from the same manifest."""

__version__ = "0.1.0"
