"""CMA-ES, replayed from the results: the state of the search is what the generations so far make of it.

The valued trials, in order of their numbers, are cut into generations; each is told to a fresh strategy, and the trial is
drawn from the distribution that comes out. States are remembered, so that a question costs one new generation at most;
a process that has forgotten them tells the generations again and comes to the same.

Hamano et al., CatCMA with Margin, GECCO (2025), for mixed spaces; Hansen and Ostermeier, Evolutionary Computation 9
(2001). With parameters that are all continuous it is CMA-ES.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import pydantic

from tuning_operator.search import candidates, targets
from tuning_operator.search.dimension import Categorical, Configuration, Dimension
from tuning_operator.search.request import Request, Result, Suggestion, stream
from tuning_operator.search.space import Space

if TYPE_CHECKING:
    import cmaes

ATTEMPTS = 30
"""Draws, where one violates the constraints or was proposed before."""

MOST_LEVELS = 256
"""Grid points up to which a parameter is told with its levels; beyond, as a continuous one."""

REMEMBERED = 64
"""States that are remembered, over all jobs."""

Generation = tuple[tuple[tuple[float, ...], float], ...]
"""Points as places in the unit interval, one for each parameter, and their ranks."""


class Settings(pydantic.BaseModel, frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True):
    """The settings of CMA-ES."""

    sigma: Annotated[float, pydantic.Field(gt=0, le=1)] = 0.25
    """The initial step size, as a share of each parameter's range."""
    population_size: Annotated[int, pydantic.Field(ge=4, le=1000)] | None = None
    """Trials of a generation. The default is 4 + 3 ln(number of parameters)."""
    restart_strategy: Literal["none"] = "none"
    """There are no restarts; accepted because Katib's manifests name it."""


@dataclasses.dataclass(frozen=True)
class CmaEs:
    """A normal distribution over the space that moves, grows, shrinks and turns towards better trials."""

    settings: type[pydantic.BaseModel] = Settings
    finite: bool = False
    needs: tuple[str, ...] = ()

    def propose(self, request: Request) -> Suggestion:
        """A draw from the distribution."""
        settings = Settings.model_validate(dict(request.settings))
        places = [slot.name for slot in request.space.slots if slot.dimension.count != 1]
        if not places:
            return candidates.settle(request, ())
        size = settings.population_size or 4 + math.floor(3 * math.log(len(places)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            strategy = _strategy(request.space, request.seed, settings.sigma, size, _generations(request, places, size))
            strategy._rng.seed(request.rng("cmaes").getrandbits(32))
            return candidates.settle(request, _draws(request.space, strategy))


def _generations(request: Request, places: Sequence[str], size: int) -> tuple[Generation, ...]:
    """Whole generations only, in order of trial numbers, with ranks as costs: nothing else of them counts."""
    results = [r for r in targets.told(request.results) if request.space.coerce(r.configuration) is not None]
    costs = targets.targets(results, request.goals, request.rng("weights"))
    generations: list[Generation] = []
    for start in range(0, len(results) // size * size, size):
        order = sorted(set(costs[start : start + size]))
        generations.append(
            tuple(
                (_point(request.space, request.seed, results[index], places), float(order.index(costs[index])))
                for index in range(start, start + size)
            )
        )
    return tuple(generations)


def _point(space: Space, seed: int, result: Result, places: Sequence[str]) -> tuple[float, ...]:
    """A parameter that the configuration does not have is put at random: it shall not look as if it had been chosen."""
    dimensions = {slot.name: slot.dimension for slot in space.slots}
    return tuple(
        dimensions[name].unit(result.configuration[name])
        if name in result.configuration
        else stream(seed, result.number, name).random()
        for name in places
    )


@dataclasses.dataclass(frozen=True)
class _Layout:
    """Which parameters the strategy sees as continuous, as levels and as choices; each list in the order of the space."""

    continuous: tuple[int, ...]
    levels: tuple[int, ...]
    choices: tuple[int, ...]


@functools.lru_cache(maxsize=32)
def _layout(space: Space) -> _Layout:
    kinds = [_kind(slot.dimension) for slot in space.slots if slot.dimension.count != 1]
    found = [tuple(i for i, kind in enumerate(kinds) if kind == wanted) for wanted in ("continuous", "level", "choice")]
    return _Layout(*found)


def _kind(dimension: Dimension) -> str:
    if isinstance(dimension, Categorical) or dimension.count == 2:
        return "choice"
    return "level" if dimension.count is not None and dimension.count <= MOST_LEVELS else "continuous"


_states: OrderedDict[int, tuple[tuple[object, ...], cmaes.CatCMAwM]] = OrderedDict()


def _strategy(space: Space, seed: int, sigma: float, size: int, generations: tuple[Generation, ...]) -> cmaes.CatCMAwM:
    """The strategy after these generations, continued from the last state of them that is remembered."""
    begin = (space, seed, sigma, size)
    known, strategy = 0, None
    for count in range(len(generations), 0, -1):
        key = (begin, generations[:count])
        if (found := _states.get(hash(key))) is not None and found[0] == key:
            known, strategy = count, copy.deepcopy(found[1])
            break
    strategy = strategy or _fresh(space, seed, sigma, size)
    for count in range(known, len(generations)):
        strategy.tell([_solution(space, point, cost) for point, cost in generations[count]])
    if generations:
        key = (begin, generations)
        _states[hash(key)] = (key, copy.deepcopy(strategy))
        while len(_states) > REMEMBERED:
            _states.popitem(last=False)
    return strategy


def _fresh(space: Space, seed: int, sigma: float, size: int) -> cmaes.CatCMAwM:
    import cmaes

    layout = _layout(space)
    dimensions = [slot.dimension for slot in space.slots if slot.dimension.count != 1]
    levels = [
        [dimensions[i].unit(dimensions[i].nth(n)) for n in range(dimensions[i].count or 0)] for i in layout.levels
    ]
    return cmaes.CatCMAwM(
        x_space=[[0.0, 1.0]] * len(layout.continuous) or None,
        z_space=levels or None,
        c_space=[dimensions[i].count or 2 for i in layout.choices] or None,
        population_size=size,
        sigma=sigma,
        seed=stream(seed, "cmaes").getrandbits(32),
    )


def _solution(space: Space, point: Sequence[float], cost: float) -> tuple[cmaes.CatCMAwM.Solution, float]:
    import cmaes
    import numpy as np

    layout = _layout(space)
    dimensions = [slot.dimension for slot in space.slots if slot.dimension.count != 1]
    x = np.array([point[i] for i in layout.continuous])
    z = np.array([point[i] for i in layout.levels])
    counts = [dimensions[i].count or 2 for i in layout.choices]
    c = np.zeros((len(counts), max(counts, default=0)), dtype=bool)
    for row, (i, count) in enumerate(zip(layout.choices, counts, strict=True)):
        c[row, min(int(point[i] * count), count - 1)] = True
    return cmaes.CatCMAwM.Solution(x, z, c, np.concatenate([x, z])), cost


def _draws(space: Space, strategy: cmaes.CatCMAwM) -> Iterator[Configuration]:
    layout = _layout(space)
    slots = [slot for slot in space.slots if slot.dimension.count != 1]
    for _ in range(ATTEMPTS):
        drawn = strategy.ask()
        units: dict[str, float] = {}
        for index, value in zip(layout.continuous, () if drawn.x is None else drawn.x, strict=False):
            units[slots[index].name] = float(value)
        for index, value in zip(layout.levels, () if drawn.z is None else drawn.z, strict=False):
            units[slots[index].name] = float(value)
        for index, row in zip(layout.choices, () if drawn.c is None else drawn.c, strict=False):
            units[slots[index].name] = (int(row.argmax()) + 0.5) / (slots[index].dimension.count or 2)
        yield candidates.placed(space, units)
