"""From values to places along an axis, with ticks where people expect them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence

from tuning_operator.report import wording

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
LARGEST = 1e300
"""Beyond this, differences of floats overflow, and below its inverse they vanish; values there stand at the edge."""
TIMES = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)
"""Distances between ticks of a time axis, in seconds."""


@dataclasses.dataclass(frozen=True, slots=True)
class Tick:
    """A place that bears a label."""

    place: float
    label: str


@dataclasses.dataclass(frozen=True, slots=True)
class Scale:
    """An axis: `place` gives where a value stands, kept between the ends."""

    place: Callable[[float], float]
    ticks: tuple[Tick, ...]
    start: float
    end: float


def linear(low: float, high: float, start: float, end: float, count: int = 5) -> Scale:
    """An even axis from `low` at `start` to `high` at `end`; a range of one point gets some room."""
    low, high = _roomy(low, high)

    def place(value: float) -> float:
        return start + (end - start) * ((min(max(value, low), high) - low) / (high - low))

    step = _step((high - low) / max(1, count))
    first = math.ceil(low / step - 1e-9)
    values = [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]
    digits = max(3, math.ceil(math.log10(max(abs(low), abs(high), step) / step)) + 1)
    return Scale(place, tuple(Tick(place(v), wording.figure(v, digits)) for v in values), start, end)


def log(low: float, high: float, start: float, end: float, count: int = 6) -> Scale:
    """A logarithmic axis; both ends are above zero."""
    if low <= 0 or high <= low:
        return linear(low, high, start, end)
    bottom, top = math.log10(low), math.log10(high)

    def place(value: float) -> float:
        inside = math.log10(min(max(value, low), high))
        return start + (end - start) * (inside - bottom) / (top - bottom)

    decades = range(math.ceil(bottom - 1e-9), math.floor(top + 1e-9) + 1)
    if len(decades) < 2:
        even = linear(low, high, start, end, count)
        values = [low + (high - low) * (tick.place - start) / (end - start) for tick in even.ticks]
        return Scale(place, tuple(Tick(place(v), t.label) for v, t in zip(values, even.ticks, strict=True)), start, end)
    every = math.ceil(len(decades) / count)
    ticks = tuple(Tick(place(10.0**power), _power(power)) for power in decades[::every])
    return Scale(place, ticks, start, end)


def category(labels: Sequence[str], start: float, end: float) -> Scale:
    """An axis of choices; a value is the index of its choice."""
    width = (end - start) / max(1, len(labels))

    def place(value: float) -> float:
        return start + width * (value + 0.5)

    every = math.ceil(len(labels) / 12)
    ticks = tuple(Tick(place(index), _short(label)) for index, label in enumerate(labels) if index % every == 0)
    return Scale(place, ticks, start, end)


def time(seconds: float, start: float, end: float, count: int = 6) -> Scale:
    """An axis of time from 0."""
    longest = max(seconds, 1e-3)
    if longest < count:
        even = linear(0.0, longest, start, end, count)
        return dataclasses.replace(even, ticks=tuple(Tick(t.place, f"{t.label} s") for t in even.ticks))

    def place(value: float) -> float:
        return start + (end - start) * (min(max(value, 0.0), longest) / longest)

    step = next((step for step in TIMES if longest / step <= count), 604800 * math.ceil(longest / 604800 / count))
    values = [index * step for index in range(int(longest // step) + 1)]
    return Scale(place, tuple(Tick(place(v), wording.elapsed(v) if v else "0") for v in values), start, end)


def bounds(values: Iterable[float], *, better: int = 0) -> tuple[float, float]:
    """The range to draw. Far outliers on the worse side are cut off, so that the others can be told apart.

    `better` is 1 where more is better, -1 where less is, 0 where neither; the fence is Tukey's, at three times the
    distance between the quartiles.
    """
    ordered = sorted(value for value in values if math.isfinite(value))
    if not ordered:
        return 0.0, 1.0
    low, high = ordered[0], ordered[-1]
    if better and len(ordered) >= 8:
        first, third = ordered[len(ordered) // 4], ordered[(3 * len(ordered)) // 4]
        spread = 3.0 * (third - first)
        if spread > 0 and better > 0:
            low = max(low, first - spread)
        elif spread > 0:
            high = min(high, third + spread)
    return low, high


def padded(low: float, high: float, share: float = 0.05) -> tuple[float, float]:
    """The range with some room at both ends."""
    room = (high - low) * share
    return low - room, high + room


def _roomy(low: float, high: float) -> tuple[float, float]:
    """The ends as floats can tell them apart and take their difference."""
    low, high = (min(max(end, -LARGEST), LARGEST) for end in (low, high))
    size = max(abs(low), abs(high))
    if high - low > max(1e-12 * size, 1 / LARGEST):
        return low, high
    middle, room = (low + high) / 2, 0.1 * size if size > 1 / LARGEST else 0.5
    return middle - room, middle + room


def _step(rough: float) -> float:
    size = 10.0 ** math.floor(math.log10(rough))
    return next(size * step for step in STEPS if size * step >= rough * 0.999)


def _power(power: int) -> str:
    return wording.figure(10.0**power) if -4 <= power <= 5 else f"1e{power}"


def _short(label: str, longest: int = 14) -> str:
    return label if len(label) <= longest else f"{label[: longest - 1]}…"
