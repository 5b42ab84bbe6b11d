"""A learning curve as the rules see it: what one metric of one trial was after how many steps.

A rule compares trials with each other, so a curve is cleaned where it is made: steps only grow, every value is finite,
and its size is bounded whatever a trial reports. What is left out on the way, no rule can see.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator

MAX_POINTS = 512
"""The most points that `Recorder` keeps of one curve."""


@dataclasses.dataclass(frozen=True, slots=True)
class Curve:
    """One metric of one trial: `values[i]` was reported at `steps[i]`. Steps grow strictly and all numbers are finite.

    Raises ValueError for anything else.
    """

    steps: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    diverged_at: float | None = None
    """The step from which on all values were NaN or infinite, where that is so."""

    def __post_init__(self) -> None:
        if len(self.steps) != len(self.values):
            raise ValueError(f"{len(self.steps)} steps, but {len(self.values)} values")
        if not all(map(math.isfinite, itertools.chain(self.steps, self.values))):
            raise ValueError("a curve holds finite numbers only")
        if any(later <= earlier for earlier, later in itertools.pairwise(self.steps)):
            raise ValueError("the steps of a curve grow")

    @classmethod
    def of(cls, *values: float) -> Curve:
        """A curve whose steps are 1, 2, 3 and so on."""
        return cls(tuple(float(step) for step in range(1, len(values) + 1)), values)

    def first(self, count: int) -> Curve:
        """The first so many points."""
        return self if count >= len(self) else Curve(self.steps[:count], self.values[:count])

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[tuple[float, float]]:
        return zip(self.steps, self.values, strict=True)

    @property
    def reached(self) -> float:
        """The step that the trial has come to; 0 before its first report."""
        last = self.steps[-1] if self.steps else 0.0
        return last if self.diverged_at is None else max(last, self.diverged_at)


class Recorder:
    """Makes a curve of reports as they come, in bounded memory.

    A report that is not of a later step than all before is left out. Where there would be too many points, every
    second one is let go, the newest never.
    """

    def __init__(self, limit: int = MAX_POINTS) -> None:
        """`limit` is the most points that are kept, at least 4."""
        self._limit = max(4, limit)
        self._steps: list[float] = []
        self._values: list[float] = []
        self._newest: tuple[float, float] | None = None
        self._diverged_at: float | None = None
        self._stride, self._seen, self._reports = 1, 0, 0

    def extend(self, reports: Iterable[tuple[float | None, float]]) -> None:
        """Takes reports in order."""
        for step, value in reports:
            self.add(step, value)

    def add(self, step: float | None, value: float) -> None:
        """Takes a report; one without a step is of the step after the number of reports so far."""
        self._reports += 1
        at = float(self._reports) if step is None else float(step)
        if not math.isfinite(at) or at <= self._reached():
            return
        if not math.isfinite(value):
            self._diverged_at = at if self._diverged_at is None else self._diverged_at
            return
        self._diverged_at = None
        self._newest = (at, value)
        if self._seen % self._stride == 0:
            self._steps.append(at)
            self._values.append(value)
            if len(self._steps) >= self._limit:
                self._steps, self._values, self._stride = self._steps[::2], self._values[::2], self._stride * 2
        self._seen += 1

    def _reached(self) -> float:
        return self._newest[0] if self._newest is not None else -math.inf

    def curve(self) -> Curve:
        """The curve so far."""
        steps, values = tuple(self._steps), tuple(self._values)
        if self._newest is not None and (not steps or steps[-1] != self._newest[0]):
            steps, values = (*steps, self._newest[0]), (*values, self._newest[1])
        return Curve(steps, values, self._diverged_at)
