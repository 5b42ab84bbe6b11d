"""One metric's running statistics, in constant memory.

Trials may report millions of values, so nothing is kept but sums; and a trial that diverges reports numbers near the
end of the floating-point range just before its NaN, so the sum must neither overflow nor lose what came before.
"""

from __future__ import annotations

import math

from tuning_trial.summary import Metric

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
