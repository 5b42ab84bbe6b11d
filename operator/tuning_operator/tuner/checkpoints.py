"""Whose checkpoints are still needed. Each trial's folder is named by its number."""

from __future__ import annotations

from collections.abc import Sequence

from tuning_operator.api import job
from tuning_operator.tuner import standing, state


def disposable(spec: job.JobSpec, trials: Sequence[state.Trial]) -> frozenset[int]:
    """The trials that have ended and are not among the best ones whose checkpoints are kept."""
    if spec.checkpoints is None:
        return frozenset()
    ranked = standing.ranked(standing.candidates(spec, trials))
    kept = {one.trial.number for one in ranked[: spec.checkpoints.keep]}
    return frozenset(item.number for item in trials if item.is_finished() and item.number not in kept)
