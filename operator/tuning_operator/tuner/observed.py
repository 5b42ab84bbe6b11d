"""Curves of trials that still run, as their observations come in.

What one shell reads from sidecars and the other from files becomes the same curves here, of the metrics that a
decision may depend on and of no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tuning_operator.api import job
from tuning_operator.stopping import curve


def metrics(spec: job.JobSpec) -> tuple[str, ...]:
    """The metrics whose curves are needed while trials run; none where nothing is decided before their end."""
    if spec.early_stopping is None:
        return ()
    return tuple(objective.metric for objective in spec.objectives)


class Curves:
    """The curves of one attempt."""

    def __init__(self, names: Iterable[str]) -> None:
        self._recorders = {name: curve.Recorder() for name in names}
        self._made: Mapping[str, curve.Curve] = {}
        self._changed = False

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics that are followed."""
        return tuple(self._recorders)

    def take(self, step: float | None, values: Mapping[str, float]) -> bool:
        """Takes an observation in; answers whether it has a metric that is followed."""
        found = [(recorder, values[name]) for name, recorder in self._recorders.items() if name in values]
        for recorder, value in found:
            recorder.add(step, value)
        self._changed |= bool(found)
        return bool(found)

    def now(self) -> Mapping[str, curve.Curve]:
        """The curves so far; the same object as before while nothing has come."""
        if self._changed:
            self._made = {name: recorder.curve() for name, recorder in self._recorders.items()}
            self._changed = False
        return self._made
