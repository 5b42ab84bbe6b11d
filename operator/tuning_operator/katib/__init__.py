"""From Katib: an Experiment becomes a TuningJob of the same meaning, and whatever has none is named. Pure."""
