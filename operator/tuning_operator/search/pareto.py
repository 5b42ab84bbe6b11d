"""Several objectives: which points no other one beats, a few of them that stand for all, and what they are worth.

A point is a tuple of costs, all of them to be minimised. Nothing but the standard library is used: the operator's own
process asks for the front with every result, and numpy would double its memory.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Iterator, Sequence

Point = tuple[float, ...]


def dominates(one: Point, other: Point) -> bool:
    """Whether one point is at least as good in all objectives, and better in one."""
    return one != other and all(map(operator.le, one, other))


def front(points: Sequence[Point]) -> list[int]:
    """The indices of the points that no other one dominates, ascending; of equal points the first.

    In lexicographic order a point can be dominated by earlier ones only, and then by one of the front so far.
    (Kung, Luccio and Preparata, On Finding the Maxima of a Set of Vectors, JACM 22, 1975)
    """
    order = sorted(range(len(points)), key=lambda index: (points[index], index))
    found: list[int] = []
    kept: list[Point] = []
    for index in order:
        point = points[index]
        # With two objectives the newest member has the least second cost, so it alone need be looked at.
        rivals = kept[-1:] if len(point) <= 2 else kept
        if not any(all(map(operator.le, rival, point)) for rival in rivals):
            found.append(index)
            kept.append(point)
    return sorted(found)


def thin(points: Sequence[Point], most: int) -> list[int]:
    """The indices of at most `most` points of a front that represent it, ascending.

    The best of each objective, as far as there is room, then always the point that lies farthest from those chosen,
    with each objective scaled to its range. (Gonzalez, Theoretical Computer Science 38, 1985)
    """
    if len(points) <= most:
        return list(range(len(points)))
    scaled = scale(points)
    extremes = [min(range(len(points)), key=lambda i, o=o: (points[i][o], i)) for o in range(len(points[0]))]  # type: ignore[misc]
    chosen = list(dict.fromkeys(extremes))[:most]
    away = [min(math.dist(point, scaled[index]) for index in chosen) for point in scaled]
    while len(chosen) < most:
        newest = max(range(len(points)), key=lambda i: (away[i], -i))
        chosen.append(newest)
        away = [min(far, math.dist(point, scaled[newest])) for far, point in zip(away, scaled, strict=True)]
    return sorted(chosen)


def knee(points: Sequence[Point]) -> int:
    """The index of the point of a front that gives up least: whose worst objective, scaled to its range, is the best.

    The first one where several are equal. (The minimax compromise of Yu, Management Science 19, 1973)
    """
    scaled = scale(points)
    return min(range(len(points)), key=lambda i: (max(scaled[i]), sum(scaled[i]), i))


def scale(points: Sequence[Point]) -> list[Point]:
    """The points with each objective mapped to [0, 1], from its best to its worst value; halved first, for huge ranges."""
    lows, highs = list(map(min, zip(*points, strict=True))), list(map(max, zip(*points, strict=True)))
    return [
        tuple(
            (cost / 2 - low / 2) / (high / 2 - low / 2) if high / 2 > low / 2 else 0.0
            for cost, low, high in zip(point, lows, highs, strict=True)
        )
        for point in points
    ]


@functools.lru_cache(maxsize=64)
def hypervolume(points: tuple[Point, ...], reference: Point) -> float:
    """The volume of what the points dominate, up to the reference point; points beyond it add nothing.

    Exact, by exclusive volumes (While, Bradstreet and Barone, A Fast Way of Calculating Exact Hypervolumes, IEEE
    Transactions on Evolutionary Computation 16, 2012). The time grows steeply with the number of objectives.
    """
    inside = [point for point in points if all(map(operator.lt, point, reference))]
    return math.fsum(_exclusive(sorted(inside[i] for i in front(inside)), reference))


def _exclusive(points: Sequence[Point], reference: Point) -> Iterator[float]:
    """What each point of a sorted front adds to those after it."""
    if len(reference) == 2:
        # Sorted by the first objective: each point adds a box of its own up to the one before it.
        for before, point in zip([(0.0, reference[1]), *points], points, strict=False):
            yield (reference[0] - point[0]) * (before[1] - point[1])
        return
    for index, point in enumerate(points):
        volume = math.prod(map(operator.sub, reference, point))
        limited = [tuple(map(max, point, other)) for other in points[index + 1 :]]
        yield volume - math.fsum(_exclusive(sorted(limited[i] for i in front(limited)), reference))
