"""What a stopping decision is a function of, and what it says: plain immutable values.

A decision at a rung depends on who came there before. So each arrival is an entry, kept in the trial's status with what
was decided, and an entry that is there is never decided again: not after a crash, and not by a second operator.
"""

from __future__ import annotations

import bisect
import dataclasses
import math
from collections.abc import Sequence
from typing import Protocol

from tuning_operator.api import job
from tuning_operator.stopping.curve import Curve


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A trial's arrival at a rung. A lower `loss` is better; a trial that diverged has an infinite one."""

    rung: float
    loss: float
    bracket: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Contender:
    """A running trial as a rule sees it. `curve` holds losses: whatever the goal, lower is better."""

    number: int
    curve: Curve = dataclasses.field(default_factory=Curve)
    entries: tuple[Entry, ...] = ()
    """In order of rungs."""


class Record(Protocol):
    """What is recorded of a job's trials. Rules ask for what they need, as a job may have very many."""

    def losses(self, rung: float, bracket: int) -> Sequence[float]:
        """What came to a rung of a bracket so far."""

    def finished(self) -> Sequence[Curve]:
        """The curves of the trials that have ended, as losses."""


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """One running trial, to be judged among what is recorded of all trials of its job."""

    trial: Contender
    record: Record
    max_steps: float | None = None
    """The step at which a trial is done; None where that is not known."""
    counts: job.From = job.From.BEST
    """What a trial's value at a step is made of: its best one by then, its last or worst one, or the mean."""
    settings: object = None
    """What the rule's model of settings made of the manifest's."""
    sign: float = 1.0
    """What a value is multiplied with to make a loss: -1 where the metric is maximized."""


@dataclasses.dataclass(frozen=True, slots=True)
class Stop:
    """A trial is hopeless: `loss` by `step` is above the `bound`. `why` ends the sentence "it was stopped as …"."""

    step: float
    loss: float
    bound: float
    why: str


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the trial's progress: arrivals at rungs, the last of which may be its end."""

    entries: tuple[Entry, ...] = ()
    stop: Stop | None = None


GO_ON = Verdict()


def best(curve: Curve, step: float) -> float:
    """The lowest loss by that step; infinite before the first report."""
    return min(curve.values[: bisect.bisect_right(curve.steps, step)], default=math.inf)


def mean(curve: Curve, step: float) -> float:
    """The running average of the losses by that step; infinite before the first report."""
    upto = curve.values[: bisect.bisect_right(curve.steps, step)]
    return math.fsum(upto) / len(upto) if upto else math.inf


def value(curve: Curve, step: float, counts: job.From) -> float:
    """The loss that counts at that step; infinite for a trial that has diverged by then, or not reported yet."""
    if curve.diverged_at is not None and curve.diverged_at <= step:
        return math.inf
    match counts:
        case job.From.BEST:
            return best(curve, step)
        case job.From.MEAN:
            return mean(curve, step)
        case job.From.LAST:
            known = bisect.bisect_right(curve.steps, step)
            return curve.values[known - 1] if known else math.inf
        case job.From.WORST:
            return max(curve.values[: bisect.bisect_right(curve.steps, step)], default=math.inf)


def arrived(curve: Curve, rung: float) -> float | None:
    """The first step at or after the rung that the trial reported; None before that."""
    index = bisect.bisect_left(curve.steps, rung)
    if index < len(curve.steps):
        return curve.steps[index]
    return curve.diverged_at if curve.diverged_at is not None and curve.diverged_at >= rung else None
