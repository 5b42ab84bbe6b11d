"""A suggestion by a Gaussian process: what is believed after the results, and the point that promises most under it.

Nothing is kept between suggestions but what could be computed again: the hyperparameters that were fitted last.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import itertools
import math
import statistics
from collections.abc import Sequence

import numpy as np
from scipy import optimize

from tuning_operator.api import job
from tuning_operator.search import candidates, cube, gain, process, targets
from tuning_operator.search.dimension import Configuration
from tuning_operator.search.process import Array
from tuning_operator.search.request import Request, Result

GROWTH = 1.12
"""Hyperparameters are fitted anew when the results are this many times more."""

MOST_FITTED, MOST_BELIEVED, MOST_PENDING = 150, 400, 128
"""Results that hyperparameters are fitted to, and that beliefs are made of, and pending trials that these take into
account: of more, the best and the newest. They bound the cost of a suggestion, whatever the length of the job."""

RANDOM, SHAKEN, RADII, CENTRES = 600, 40, (0.2, 0.05, 0.01, 0.002), 3
"""Candidates: so many from everywhere, and around the best trials so many for each radius."""

CONSTRAINED = 300
"""Candidates from everywhere where constraints have to be asked one by one."""

CLIMBS, STEPS, HOPS = 4, 30, 3
"""So many of the best candidates are improved along the gradient, in so many steps, and as often parameter by parameter."""

WIDE = 1e6
"""Values whose range is this many times wider than the range of their better half are no longer told as they are."""

LEAST_UNIT = 1e-290
"""Differences below it are no longer exact enough to divide by."""


class Shape(enum.StrEnum):
    """How the values of the trials are told to the model."""

    PLAIN = "as they are"
    LOGARITHM = "as logarithms of their distance from the best"
    RANKED = "the worse half by ranks"


@dataclasses.dataclass(frozen=True)
class Lesson:
    """What hyperparameters are fitted to; hashable."""

    points: tuple[tuple[float, ...], ...]
    targets: tuple[tuple[Shape, tuple[float, ...], float], ...]
    """For each shape that is possible, the targets, and the logarithm of their density relative to that of the values."""
    groups: tuple[int, ...]


def choose(request: Request, results: Sequence[Result]) -> tuple[Configuration, Shape] | None:
    """The most promising configuration that was not proposed before; None where there is none among the candidates.

    `results` are those to learn from, by trial number; at least one has values.
    """
    space = cube.Cube(request.space)
    if not space.slots:
        return None
    prior = _few(request, results[: _milestone(len(results))], MOST_FITTED)
    shape, hyperparameters = _learnt(_lesson(request, space, prior))
    believed = _few(request, results, MOST_BELIEVED)
    told = np.array(next(values for one, values, _ in _shapes(request, believed, shape) if one is shape))
    places = space.places([result.configuration for result in believed])
    belief = _Belief(space, hyperparameters, places, told)
    if waiting := sorted(request.pending, key=lambda one: one.number)[-MOST_PENDING:]:
        belief = belief.imagining(space.places([one.configuration for one in waiting]))
    rng = np.random.default_rng(request.rng("gaussian").getrandbits(64))
    best = places[np.argsort(told, kind="stable")[:CENTRES]]
    found = _search(request, belief, best, rng)
    return None if found is None else (found, shape)


class _Belief:
    def __init__(self, space: cube.Cube, hyperparameters: process.Hyperparameters, places: Array, told: Array) -> None:
        self.space, self._hyperparameters, self._places, self._told = space, hyperparameters, places, told
        self.process = process.Process(space.features(places), told, space.groups, hyperparameters)
        self.best = float(told.min())

    def imagining(self, pending: Array) -> _Belief:
        """After the pending trials have ended as expected: that leaves the mean, and takes away what they will tell."""
        expected, _ = self.process.predict(self.space.features(pending))
        told = np.concatenate([self._told, expected])
        return _Belief(self.space, self._hyperparameters, np.concatenate([self._places, pending]), told)

    def gains(self, places: Array) -> Array:
        """What trials at these places promise."""
        return gain.logarithm(*self.process.predict(self.space.features(places)), self.best)


def _search(request: Request, belief: _Belief, best: Array, rng: np.random.Generator) -> Configuration | None:
    """From candidates everywhere and near the best trials, by gradient and one parameter at a time."""
    space = belief.space
    pool = _pool(request, space, best, rng)
    gains = belief.gains(pool)
    order = np.argsort(-gains, kind="stable")
    found = [(float(gains[index]), pool[index]) for index in order[:CLIMBS]]
    if space.movable.any():
        found += [_climb(belief, place) for place in [*pool[order[:CLIMBS]], best[0]]]
    found.sort(key=lambda one: -one[0])
    for _ in range(HOPS):
        around = space.around(found[0][1])
        if not len(around):
            break
        gains = belief.gains(around)
        best_first = np.argsort(-gains, kind="stable")[:CLIMBS]
        if gains[best_first[0]] <= found[0][0]:
            break
        found = [*((float(gains[index]), around[index]) for index in best_first), *found]
    ranked = [place for _, place in found]
    for place in (*ranked, *pool[order]):
        configuration = space.configuration(place)
        if request.space.key(configuration) not in request.used and request.space.contains(configuration):
            return configuration
    return None


def _pool(request: Request, space: cube.Cube, best: Array, rng: np.random.Generator) -> Array:
    if not request.space.constraints:
        shaken = [space.shaken(rng, best, SHAKEN, radius) for radius in RADII]
        return np.concatenate([space.draw(rng, RANDOM), *shaken])
    draws = request.rng("candidates")
    configurations = candidates.everywhere(request.space, draws, CONSTRAINED)
    centres = [space.configuration(place) for place in best]
    for radius in RADII:
        configurations += candidates.nearby(request.space, draws, centres, SHAKEN, radius)
    return space.places(configurations or centres)


def _climb(belief: _Belief, place: Array) -> tuple[float, Array]:
    """The best place that is reached by moving the parameters that can be moved by small amounts, uphill."""
    space = belief.space
    free = np.flatnonzero(space.movable)
    columns = _first_columns(space)[free]
    features = space.features(place[None])[0]

    def downhill(moved: Array) -> tuple[float, Array]:
        features[columns] = moved
        value, slope = gain.ascent(belief.process, features, belief.best)
        return -value, -slope[columns]

    reached = optimize.minimize(
        downhill, place[free], jac=True, method="L-BFGS-B", bounds=[(0.0, 1.0)] * len(free), options={"maxiter": STEPS}
    )
    moved = place.copy()
    moved[free] = np.clip(reached.x, 0.0, 1.0)
    moved = space.snap(moved[None])
    return float(belief.gains(moved)[0]), moved[0]


def _lesson(request: Request, space: cube.Cube, results: Sequence[Result]) -> Lesson:
    features = space.features(space.places([result.configuration for result in results]))
    return Lesson(
        tuple(map(tuple, features.tolist())),
        tuple((shape, tuple(values), density) for shape, values, density in _shapes(request, results)),
        tuple(space.groups.tolist()),
    )


@functools.lru_cache(maxsize=64)
def _learnt(lesson: Lesson) -> tuple[Shape, process.Hyperparameters]:
    """The shape under which the values are most likely, and the hyperparameters."""
    points, groups = np.array(lesson.points), np.array(lesson.groups)
    fits = [
        (process.learn(points, np.array(values), groups), density, shape) for shape, values, density in lesson.targets
    ]
    best = min(fits, key=lambda fit: fit[0].loss - fit[1])
    return best[2], best[0]


def _shapes(
    request: Request, results: Sequence[Result], only: Shape | None = None
) -> list[tuple[Shape, list[float], float]]:
    """The targets in each shape that can be had, with mean zero and variance one."""
    ranked = targets.targets(results, request.goals, request.rng("weights"))
    found = {Shape.RANKED: ranked}
    if len(request.goals) == 1 and all(result.feasible for result in results):
        found |= _plain(request.goals[0], results)
    shapes = [(shape, _standard(found[shape])) for shape in Shape if shape in found and only in (None, shape)]
    if only is not None and not shapes:  # it can no longer be had, now that more is known
        return [(only, _standard(ranked), 0.0)]
    reference = found.get(Shape.PLAIN, ranked)
    return [(shape, values, _density(reference, values)) for shape, values in shapes]


def _plain(goal: job.Goal, results: Sequence[Result]) -> dict[Shape, list[float]]:
    """The values in units of the better half's range, and their logarithms; failed trials as the worst. Empty where the
    range of all is too wide for that half to be seen, or no number.
    """
    sign = 1.0 if goal is job.Goal.MINIMIZE else -1.0
    known = [sign * result.values[0] for result in results if targets.valued(result)]
    if not known:
        return {}
    least, most = min(known), max(known)
    unit = statistics.median(known) - least
    if not (unit > LEAST_UNIT and most - least < WIDE * unit):
        return {}
    plain = [((sign * r.values[0] if targets.valued(r) else most) - least) / unit for r in results]
    offset = max(0.1 * float(np.quantile(plain, 0.25)), 0.01)
    return {Shape.PLAIN: plain, Shape.LOGARITHM: [math.log(value + offset) for value in plain]}


def _standard(values: Sequence[float]) -> list[float]:
    middle, spread = statistics.fmean(values), statistics.pstdev(values)
    return [(value - middle) / spread if spread > 0 else 0.0 for value in values]


def _density(values: Sequence[float], told: Sequence[float]) -> float:
    """The logarithm of how much denser the told values lie than the values, summed over all of them."""
    pairs = sorted(zip(values, told, strict=True))
    steps = [(b - a, y - x) for (a, x), (b, y) in itertools.pairwise(pairs) if b > a and y > x]
    return len(values) * statistics.fmean(math.log(y) - math.log(x) for x, y in steps) if steps else 0.0


def _few(request: Request, results: Sequence[Result], most: int) -> Sequence[Result]:
    """All, or of many the best half of `most` and the newest of the others."""
    if len(results) <= most:
        return results
    costs = targets.targets(results, request.goals, request.rng("weights"))
    order = sorted(range(len(results)), key=costs.__getitem__)
    best = set(order[: most // 2])
    newest = [index for index in range(len(results) - 1, -1, -1) if index not in best][: most - len(best)]
    return [results[index] for index in sorted((*best, *newest))]


def _milestone(count: int) -> int:
    """The last count, up to this one, at which hyperparameters are fitted."""
    milestone = 1
    while (following := max(milestone + 1, int(milestone * GROWTH))) <= count:
        milestone = following
    return milestone


def _first_columns(space: cube.Cube) -> Array:
    """For each parameter the first of its columns."""
    widths = [cube.width(slot.dimension) for slot in space.slots]
    return np.cumsum([0, *widths[:-1]])
