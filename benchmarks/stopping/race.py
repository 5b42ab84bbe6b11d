"""Stopping rules on the same curves: an event loop, and whoever decides.

It does what the tuner does where nothing is lost: as many trials at a time as there are workers, and the next one as soon
as one has ended. So everybody's rules, ours, Katib's and Syne Tune's, meet the same moments in the same order. That the
tuner itself comes to the same hour is checked for some of the jobs (see `replay`).
"""

from __future__ import annotations

import functools
import heapq
import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Protocol

from tuning_operator.stopping import case, curve, rule


class Judge(Protocol):
    """Decides about trials."""

    def begin(self, number: int) -> None:
        """A trial is made."""

    def goes_on(self, number: int, step: int, losses: Sequence[float]) -> bool:
        """Whether a trial that has reported these losses goes on; not asked after its last step."""

    def end(self, number: int, losses: Sequence[float]) -> None:
        """A trial has come to its last step."""


def hit(
    curves: Sequence[Sequence[float]],
    seconds: Sequence[float],
    start: float,
    workers: int,
    target: float,
    judge: Judge,
) -> float:
    """The hours until some trial reports a loss as low as the target; infinite if none does.

    `seconds` are how long a step of each trial takes, `start` how long a trial takes before its first step.
    """
    events: list[tuple[float, int, int]] = []
    made = 0

    def begin(now: float) -> None:
        nonlocal made
        if made < len(curves):
            judge.begin(made)
            heapq.heappush(events, (now + start + seconds[made], made, 1))
            made += 1

    for _ in range(workers):
        begin(0.0)
    while events:
        now, number, step = heapq.heappop(events)
        losses = curves[number][:step]
        if losses[-1] <= target:
            return now / 3600
        if step == len(curves[number]):
            judge.end(number, losses)
        elif judge.goes_on(number, step, losses):
            heapq.heappush(events, (now + seconds[number], number, step + 1))
            continue
        begin(now)
    return float("inf")


class Nobody:
    """No stopping."""

    def begin(self, _: int) -> None:
        """Nothing is to be known."""

    def goes_on(self, _number: int, _step: int, _losses: Sequence[float]) -> bool:
        """Always."""
        return True

    def end(self, _number: int, _losses: Sequence[float]) -> None:
        """Nothing is to be learned."""


class Katib:
    """Katib 0.19's medianstop with its default settings.

    When a trial is created, the mean (not the median) of what the trials that have succeeded by then had on average in
    their first `START_STEP` reports becomes its bound, for good; without `MIN_TRIALS` of them it has none and is never
    stopped. From report `START_STEP` on it ends as soon as its best value so far is worse than its bound.
    (pkg/earlystopping/v1beta1/medianstop/service.py and the file metrics collector.)
    """

    MIN_TRIALS = 3
    START_STEP = 4

    def __init__(self) -> None:
        self._averages: list[float] = []
        self._bounds: dict[int, float] = {}

    def begin(self, number: int) -> None:
        """Gives the trial its bound."""
        if len(self._averages) >= self.MIN_TRIALS:
            self._bounds[number] = statistics.fmean(self._averages)

    def goes_on(self, number: int, step: int, losses: Sequence[float]) -> bool:
        """Whether it keeps its bound."""
        return step < self.START_STEP or number not in self._bounds or min(losses) <= self._bounds[number]

    def end(self, _: int, losses: Sequence[float]) -> None:
        """Its average counts for later trials."""
        self._averages.append(statistics.fmean(losses[: self.START_STEP]))


class Ours:
    """A rule of ours, with the record that the tuner keeps of it."""

    def __init__(self, algorithm: str, max_steps: float) -> None:
        self._rule = rule.RULES[algorithm]
        self._settings = self._rule.settings()
        self._max_steps = max_steps
        self._arrivals: defaultdict[tuple[float, int], list[float]] = defaultdict(list)
        self._entries: defaultdict[int, tuple[case.Entry, ...]] = defaultdict(tuple)
        self._ended: list[curve.Curve] = []

    def losses(self, rung: float, bracket: int) -> Sequence[float]:
        """What came to a rung of a bracket so far."""
        return self._arrivals[rung, bracket]

    def finished(self) -> Sequence[curve.Curve]:
        """The curves of the trials that have ended."""
        return self._ended

    def begin(self, _: int) -> None:
        """Nothing is to be known."""

    def goes_on(self, number: int, _: int, losses: Sequence[float]) -> bool:
        """Whether the rule lets it go on."""
        seen = curve.Curve.of(*losses)
        trial = case.Contender(number, seen, self._entries[number])
        verdict = self._rule.judge(case.Case(trial, self, max_steps=self._max_steps, settings=self._settings))
        self._entries[number] += verdict.entries
        for entry in verdict.entries:
            self._arrivals[entry.rung, entry.bracket].append(entry.loss)
        if verdict.stop is not None:
            self._ended.append(seen)
        return verdict.stop is None

    def end(self, _: int, losses: Sequence[float]) -> None:
        """Its curve counts for later trials."""
        self._ended.append(curve.Curve.of(*losses))


JUDGES: dict[str, Callable[[], Judge]] = {
    "none": Nobody,
    "katib_medianstop": Katib,
    **{name: functools.partial(Ours, name, 27.0) for name in ("median", "asha", "hyperband")},
}
