"""One metric's running statistics, in constant memory.

Trials may report millions of values, so nothing is kept but sums; and a trial that diverges reports numbers near the
end of the floating-point range just before its NaN, so the sum must neither overflow nor lose what came before.
"""

from __future__ import annotations

import math

from tuning_trial.summary import MAX_POINTS, Metric, Points

SCALE_DOWN = 2.0**-64
"""What a sum that would overflow is scaled by: exact, and enough for 2**64 of the largest numbers."""


class Curve:
    """Takes one value after the other and gives a `Metric` at any time."""

    __slots__ = (
        "_correction",
        "_scale",
        "_sum",
        "count",
        "diverged",
        "first",
        "last",
        "last_step",
        "max",
        "min",
        "not_finite",
    )

    def __init__(self) -> None:
        self.count = 0
        self.not_finite = 0
        self.diverged = False
        self.first = self.last = math.nan
        self.min, self.max = math.inf, -math.inf
        self.last_step: float | None = None
        self._sum = self._correction = 0.0
        self._scale = 1.0

    def add(self, value: float, step: float | None) -> None:
        """Take the next value; one that is not finite is only counted."""
        if value - value != 0.0:
            self.not_finite += 1
            self.diverged = True
            return
        self.diverged = False
        if not self.count:
            self.first = value
        self.count += 1
        self.last = value
        self.last_step = step
        if value < self.min:  # noqa: PLR1730 (min() and max() would double the time this takes)
            self.min = value
        if value > self.max:  # noqa: PLR1730
            self.max = value
        value *= self._scale
        total = self._sum + value
        if total - total != 0.0:
            total = self._shrink(value)
            value *= SCALE_DOWN
        # Neumaier's summation: the correction collects the digits that each addition rounds away.
        if abs(self._sum) >= abs(value):
            self._correction += (self._sum - total) + value
        else:
            self._correction += (value - total) + self._sum
        self._sum = total

    def _shrink(self, value: float) -> float:
        self._scale *= SCALE_DOWN
        self._sum *= SCALE_DOWN
        self._correction *= SCALE_DOWN
        return self._sum + value * SCALE_DOWN

    def metric(self) -> Metric:
        """The statistics so far."""
        if not self.count:
            return Metric(not_finite=self.not_finite, diverged=self.diverged)
        mean = (self._sum + self._correction) / self.count / self._scale
        return Metric(
            count=self.count,
            first=self.first,
            last=self.last,
            min=self.min,
            max=self.max,
            # Rounding may put the mean of equal values next to them; it may not leave their range, nor the finite numbers.
            mean=min(max(mean, self.min), self.max),
            not_finite=self.not_finite,
            last_step=self.last_step,
            diverged=self.diverged,
        )


class Sketch:
    """A curve in at most a given number of points, whatever its length.

    A value that is not of a later step than all before it is left out; one without a step counts as the step after
    the number of reports so far. Where there would be too many points every second one is let go, the newest never.
    """

    __slots__ = ("_limit", "_newest", "_reports", "_seen", "_steps", "_stride", "_values")

    def __init__(self, limit: int = MAX_POINTS) -> None:
        self._limit = limit
        self._steps: list[float] = []
        self._values: list[float] = []
        self._newest = (-math.inf, 0.0)
        self._stride = 1
        self._seen = self._reports = 0

    def add(self, value: float, step: float | None) -> None:
        """Take the next value."""
        self._reports += 1
        at = float(self._reports) if step is None else step
        if at <= self._newest[0] or value - value != 0.0:
            return
        self._newest = (at, value)
        if self._seen % self._stride == 0:
            if len(self._steps) >= self._limit - 1:
                self._steps, self._values = self._steps[::2], self._values[::2]
                self._stride *= 2
            if self._seen % self._stride == 0:
                self._steps.append(at)
                self._values.append(value)
        self._seen += 1

    def points(self) -> Points:
        """The curve so far."""
        steps, values = tuple(self._steps), tuple(self._values)
        if self._seen and steps[-1] != self._newest[0]:
            steps, values = (*steps, self._newest[0]), (*values, self._newest[1])
        return Points(steps, values)
