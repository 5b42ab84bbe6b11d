"""The points among which a model chooses: an initial design, points from everywhere, and points near good ones.

All are made by the space itself, so that steps, conditional parameters and constraints hold without the model knowing of
them. The model sees a configuration as a row of numbers in the unit cube.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable, Mapping, Sequence

from tuning_operator.api import trial
from tuning_operator.search import randomly, targets
from tuning_operator.search.dimension import Categorical, Configuration, Dimension, Scalar
from tuning_operator.search.request import Request, Suggestion, stream
from tuning_operator.search.space import Space

ABSENT = 0.5
"""Where a conditional parameter is put, in the unit interval, in configurations that do not have it."""

ENOUGH = 2
"""After the initial points have been handed out, results are learnt from once one in so many of them has a value: waiting
for all would make a job with many parallel trials a random search."""

CLOSE, RADII = 100, (0.02, 0.1, 0.3)
"""Around a point that cannot be had: how many neighbours are looked at, and how far away."""

FEW = 12
"""Candidates that are searched for one by one where random draws miss what the constraints leave; that takes a while."""

DRAWS = 5
"""Draws for each candidate wanted; where constraints refuse most of them, the candidates become fewer, not later."""


def stratified(space: Space, seed: int, index: int, total: int) -> Configuration | None:
    """The index-th of `total` points of a Latin hypercube: each parameter's range is cut into `total` parts, all used once.

    None where that point violates the constraints. (McKay, Beckman and Conover, Technometrics 21, 1979)
    """
    chosen: dict[str, Scalar] = {}
    for slot in space.slots:
        rng = stream(seed, "design", slot.name)
        order = sorted(range(total), key=lambda _, rng=rng: rng.random())  # type: ignore[misc]
        place = (order[index] + stream(seed, index, slot.name).random()) / total
        if slot.active(chosen):
            chosen[slot.name] = slot.dimension.at(place)
    return space.coerce(chosen) if space.contains(chosen) else None


def waits(request: Request, initial: int) -> bool:
    """Whether it is too early to learn from the results, with so many initial points."""
    index = request.number - len(request.start_from)
    known = sum(map(targets.valued, request.results))
    return known < initial and (index < initial or known < max(1, initial // ENOUGH))


def initial(request: Request, total: int) -> Suggestion:
    """This trial's point of a Latin hypercube of so many points, or a random one where that is not to be had."""
    index = request.number - len(request.start_from)
    if 0 <= index < total:
        point = stratified(request.space, request.seed, index, total)
        if point is not None and request.space.key(point) not in request.used:
            return Suggestion(point, trial.Origin.INITIAL)
    return Suggestion(randomly.unused(request), trial.Origin.INITIAL)


def placed(space: Space, places: Mapping[str, float]) -> Configuration:
    """The configuration at these places in the unit interval; parameters without one are put at the first half's end."""
    chosen: dict[str, Scalar] = {}
    for slot in space.slots:
        if slot.active(chosen):
            chosen[slot.name] = slot.dimension.at(min(max(places.get(slot.name, ABSENT), 0.0), 1.0))
    return {name: chosen[name] for name in space.names if name in chosen}


def settle(request: Request, answers: Iterable[Configuration]) -> Suggestion:
    """The first of an algorithm's answers that can be had: it satisfies the constraints and was not proposed before.

    If none can, the nearest point to the first answer that can be found; without an answer, a random one.
    """
    space, wanted = request.space, None
    for answer in answers:
        if space.key(answer) not in request.used and space.contains(answer):
            return Suggestion(answer, trial.Origin.MODEL)
        wanted = wanted or answer
    if wanted is not None and (found := _nearest(request, wanted)) is not None:
        return Suggestion(found, trial.Origin.MODEL)
    return Suggestion(randomly.unused(request), trial.Origin.RANDOM)


def _nearest(request: Request, wanted: Configuration) -> Configuration | None:
    space, rng = request.space, request.rng("nearest")
    around = [one for radius in RADII for one in nearby(space, rng, [wanted], CLOSE, radius)]
    free = [one for one in around or everywhere(space, rng, CLOSE) if space.key(one) not in request.used]
    if not free:
        return None
    target, *others = rows(space, [wanted, *free])
    return min(zip(others, free, strict=True), key=lambda pair: math.dist(pair[0], target))[1]


def everywhere(space: Space, rng: random.Random, wanted: int) -> list[Configuration]:
    """All configurations of a small space; of others, up to `wanted` random ones."""
    size = space.size()
    if size is not None and size <= wanted:
        return list(space.enumerate())
    draws = (space.draw(rng) for _ in range(wanted * DRAWS))
    found = list(itertools.islice((drawn for drawn in draws if drawn is not None), wanted))
    # Where chance finds next to nothing, a model would have nothing to choose from.
    return found if len(found) >= FEW else [*found, *(space.search(rng) for _ in range(FEW - len(found)))]


def nearby(
    space: Space, rng: random.Random, centres: Iterable[Configuration], each: int, radius: float
) -> list[Configuration]:
    """Up to `each` neighbours of each centre that satisfy the constraints; `radius` is in units of a parameter's range."""
    moved = (_moved(space, rng, centre, radius) for centre in centres for _ in range(each))
    return [neighbour for neighbour in moved if all(constraint.holds(neighbour) for constraint in space.constraints)]


def _moved(space: Space, rng: random.Random, centre: Configuration, radius: float) -> Configuration:
    """At least one parameter moved, others with a chance that leaves a few of them to move at a time."""
    chance = max(0.3, 1.0 / len(space.slots)) if len(space.slots) <= 10 else 3.0 / len(space.slots)
    sure = int(rng.random() * len(space.slots))
    chosen: dict[str, Scalar] = {}
    for index, slot in enumerate(space.slots):
        if not slot.active(chosen):
            continue
        value = centre.get(slot.name)
        if value is None:
            value = slot.dimension.at(rng.random())
        elif index == sure or rng.random() < chance:
            value = _step(slot.dimension, value, rng, radius)
        chosen[slot.name] = value
    return {name: chosen[name] for name in space.names if name in chosen}


def _step(dimension: Dimension, value: Scalar, rng: random.Random, radius: float) -> Scalar:
    if isinstance(dimension, Categorical):
        return dimension.at(rng.random())
    place = dimension.unit(value) + rng.gauss(0.0, radius)
    return dimension.at(min(max(place, 0.0), 1.0))


def rows(space: Space, configurations: Sequence[Configuration]) -> tuple[tuple[float, ...], ...]:
    """Each configuration as the model sees it: a column for a number, one for each choice of a categorical parameter."""
    slots = [slot for slot in space.slots if slot.dimension.count != 1]
    return tuple(
        tuple(number for slot in slots for number in _columns(slot.dimension, configuration.get(slot.name)))
        for configuration in configurations
    )


def width(dimension: Dimension) -> int:
    """How many columns of a row are a dimension's."""
    return len(dimension.choices) if isinstance(dimension, Categorical) else 1


def _columns(dimension: Dimension, value: Scalar | None) -> Sequence[float]:
    if not isinstance(dimension, Categorical):
        return (ABSENT,) if value is None else (dimension.unit(value),)
    if value is None:
        return (ABSENT,) * len(dimension.choices)
    return [float(choice == value) for choice in dimension.choices]
