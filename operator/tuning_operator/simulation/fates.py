"""What becomes of an attempt: a script in place of a kubelet.

An attempt's life is a function of time. There are no events to lose and no state to keep in step, so a test can look at
any moment, as often as it likes, and always sees the same.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import math
from collections.abc import Callable, Iterator, Mapping

from tuning_operator.api import trial
from tuning_operator.stopping import curve
from tuning_operator.tuner import results, state
from tuning_trial import summary

EPOCH = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
"""The moment zero of simulated time."""

ROUNDING = 1e-6
"""Room for rounding where a moment is counted in steps."""

GRACE = 30.0
"""Seconds that a stopped attempt is given to be gone."""


class Outcome(enum.StrEnum):
    """How an attempt ends when nobody stops it."""

    SUCCEEDS = "succeeds"
    FAILS = "fails"
    EVICTED = "evicted"
    """Lost to the infrastructure; its remains can be seen."""
    VANISHES = "vanishes"
    """Lost without a trace."""


@dataclasses.dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one attempt. All times are in seconds; `math.inf` is never."""

    outcome: Outcome = Outcome.SUCCEEDS
    reports: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """The one value that it reports of each metric; it may be NaN."""
    curves: Mapping[str, curve.Curve] = dataclasses.field(default_factory=dict)
    """Or else what it reports, at equal distances in time, the last at its end."""
    waits: tuple[tuple[str, float], ...] = ()
    """What it waits for before it runs, one reason after the other, and for how long."""
    runs: float = 10.0
    """How long its process takes."""
    drains: float | None = None
    """How long its sidecar takes to hand over once it is told; None for one that needs no telling."""
    lingers: float = 1.0
    """How long it takes to be gone once it is stopped."""


Script = Callable[[int, int], Fate]
"""The fate of an attempt, by number of the trial and of the attempt."""


@dataclasses.dataclass(frozen=True, slots=True)
class Life:
    """An attempt from its start on. Times are seconds since `EPOCH`."""

    number: int
    fate: Fate
    born: float
    stopped: float = math.inf
    """When somebody asked for its end."""
    told: float = math.inf
    """When its sidecar was told that the process has ended."""

    def at(self, now: float) -> state.Attempt | None:
        """The attempt as it is seen at that moment; None where nothing is left to see."""
        if now >= self._gone:
            return None
        seen = state.Attempt(
            number=self.number,
            phase=trial.AttemptPhase.RUNNING,
            node="node",
            started=moment(self.started) if now >= self.started else None,
            ended=moment(self.ended) if now >= self.ended else None,
            gone_by=moment(self.stopped + GRACE) if now >= self.stopped else None,
        )
        if now < self.started:
            return dataclasses.replace(seen, phase=trial.AttemptPhase.WAITING, reason=self._waits_for(now))
        if now < self.ended:
            return seen
        if now < self._over:
            return dataclasses.replace(seen, draining=True)
        return self._verdict(seen)

    def curves(self, now: float) -> dict[str, curve.Curve]:
        """What the attempt has reported by that moment."""
        done = min(now, self.ended, self.stopped) - self.started
        known = {name: math.floor(done / self._pace(name) + ROUNDING) for name in self.fate.curves} if done > 0 else {}
        return {name: self.fate.curves[name].first(count) for name, count in known.items() if count}

    def _pace(self, name: str) -> float:
        return self.fate.runs / len(self.fate.curves[name])

    def steps(self) -> Iterator[float]:
        """The moments at which it reports something new."""
        for name, values in self.fate.curves.items():
            if self.started < math.inf:
                yield from (self.started + self._pace(name) * step for step in range(1, len(values)))

    def turns(self) -> Iterator[float]:
        """The moments at which something else is to be seen of it than before."""
        passed = self.born
        for _, seconds in self.fate.waits:
            passed += seconds
            yield passed
        yield from (self.stopped, self.ended, self._over, self._gone)

    @property
    def started(self) -> float:
        """When the process starts; a stop before that keeps it from starting."""
        started = self.born + sum(seconds for _, seconds in self.fate.waits)
        return started if started < self.stopped else math.inf

    @property
    def ended(self) -> float:
        """When the process ends of itself; a stop before that takes its result."""
        ended = self.started + self.fate.runs
        return ended if ended < self.stopped else math.inf

    @property
    def _over(self) -> float:
        """When the result is there: a sidecar hands over when it is told, and also when it is stopped."""
        if self.fate.drains is None or self.fate.outcome is Outcome.VANISHES:
            return self.ended
        return max(self.ended, min(self.told + self.fate.drains, self.stopped))

    @property
    def _gone(self) -> float:
        vanished = self.ended if self.fate.outcome is Outcome.VANISHES else math.inf
        return min(vanished, self.stopped + self.fate.lingers)

    def _waits_for(self, now: float) -> str:
        passed = self.born
        for reason, seconds in self.fate.waits:
            passed += seconds
            if now < passed:
                return reason
        return ""

    def _verdict(self, seen: state.Attempt) -> state.Attempt:
        match self.fate.outcome:
            case Outcome.SUCCEEDS:
                reported = summary.Summary({name: _metric(value) for name, value in self.fate.reports.items()}, rows=1)
                if self.fate.curves:
                    reported = results.measured(self.curves(math.inf))
                return dataclasses.replace(seen, phase=trial.AttemptPhase.SUCCEEDED, exit_code=0, summary=reported)
            case Outcome.FAILS:
                return dataclasses.replace(
                    seen, phase=trial.AttemptPhase.FAILED, exit_code=1, reason="NonZeroExit", message="exit code 1"
                )
            case Outcome.EVICTED | Outcome.VANISHES:
                return dataclasses.replace(
                    seen, phase=trial.AttemptPhase.LOST, reason="Evicted", message="the node was low on memory"
                )


def moment(seconds: float) -> datetime.datetime:
    """Seconds of simulated time as a moment."""
    return EPOCH + datetime.timedelta(seconds=seconds)


def seconds(moment: datetime.datetime) -> float:
    """The inverse of `moment`."""
    return (moment - EPOCH).total_seconds()


def _metric(value: float) -> summary.Metric:
    if not math.isfinite(value):
        return summary.Metric(not_finite=1)
    return summary.Metric(count=1, first=value, last=value, min=value, max=value, mean=value)
