"""How a point comes to where all constraints hold, when that is so little of the space that chance does not find it.

What random draws miss, such as a thin layer or the crossing of two, has a slope that leads to it: by how much each
constraint is missed. The sum of the squares of that is brought down one coordinate, or one pair of them, after the
other, each time by a search of the whole unit interval that is then refined; it needs no derivatives and is not held up
by what is not smooth or by steps.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

SWEEPS = 40
"""Passes over all coordinates, before it is given up."""
COARSE, FINE, ZOOMS = 24, 8, 16
"""One search along a line: points on all of it, then points in between neighbours of the best one, so many times."""
LEAST_GAIN = 1e-3
"""Of what is missing, in one pass; below it the descent has come to an end elsewhere than wanted."""

Places = Sequence[float]


def descend(
    missed: Callable[[Places], Sequence[float]], start: Places, moved: Sequence[int], rng: random.Random
) -> list[float] | None:
    """Places in the unit cube at which nothing is missed; None where the descent from `start` ends without.

    `missed` says by how much each constraint is violated, 0 or less where it is not; `moved` are the coordinates that
    may change.
    """
    here = list(start)
    weights = [1 / part if 0 < part < math.inf else 1.0 for part in missed(here)]

    def height(places: Places) -> float:
        return sum(
            min(max(part, 0.0) * weight, 1e100) ** 2 for part, weight in zip(missed(places), weights, strict=True)
        )

    left = height(here)
    for _ in range(SWEEPS if moved else 0):
        if left == 0:
            return here
        before = left
        for index in rng.sample(list(moved), len(moved)):
            here, left = _along(height, here, left, {index: 1.0})
            if left == 0:
                return here
        # Two constraints make a valley that no single coordinate follows: pairs do.
        for _ in moved if len(moved) > 1 else ():
            one, other = rng.sample(list(moved), 2)
            here, left = _along(height, here, left, {one: 1.0, other: rng.choice((-1.0, 1.0))})
            if left == 0:
                return here
        if left > before * (1 - LEAST_GAIN):
            return None
    return here if left == 0 else None


def _along(
    height: Callable[[Places], float], here: list[float], left: float, direction: dict[int, float]
) -> tuple[list[float], float]:
    """The lowest point found on a line through a point, and its height: the point itself where none is lower."""
    best, reach, points = 0.0, 1.0, COARSE

    def at(step: float) -> list[float]:
        there = list(here)
        for index, sign in direction.items():
            there[index] = min(max(here[index] + sign * step, 0.0), math.nextafter(1.0, 0.0))
        return there

    for _ in range(ZOOMS):
        middle = best
        for index in range(-points, points + 1):
            step = middle + reach * index / points
            if (found := height(at(step))) < left:
                best, left = step, found
                if left == 0:
                    return at(best), left
        reach, points = reach / points, FINE
    return at(best), left
