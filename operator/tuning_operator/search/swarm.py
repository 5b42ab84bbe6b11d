"""Particle swarm optimisation, made from what is recorded.

A particle's velocity is the step that it took last, so its trials' configurations are all of its state: trial n belongs
to particle n modulo the swarm's size. Nothing else needs to be kept, and a restart loses nothing.

Kennedy and Eberhart, Particle Swarm Optimization, ICNN (1995); weights by Clerc and Kennedy, IEEE Transactions on
Evolutionary Computation 6 (2002). Choices without an order are taken from the particle's own best trial, from the swarm's
or at random, in proportion to the same weights.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Mapping
from typing import Annotated

import pydantic

from tuning_operator.search import candidates, targets
from tuning_operator.search.dimension import Categorical, Configuration, Scalar
from tuning_operator.search.request import Pending, Request, Result, Suggestion
from tuning_operator.search.space import Slot

ATTEMPTS = 20
"""Moves with other random weights, where one violates the constraints or was proposed before."""

MUTATION = 0.1
"""The chance that a choice is made at random, so that one that died out can come back."""


class Settings(pydantic.BaseModel, frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True):
    """The settings of particle swarm optimisation."""

    particles: Annotated[int, pydantic.Field(ge=2, le=1000)] = 10
    """Size of the swarm."""
    inertia: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.7298
    """How much of its last step a particle repeats."""
    cognitive: Annotated[float, pydantic.Field(ge=0, le=4)] = 1.49618
    """How strongly a particle is drawn to its own best trial."""
    social: Annotated[float, pydantic.Field(ge=0, le=4)] = 1.49618
    """How strongly it is drawn to the best trial of all."""


@dataclasses.dataclass(frozen=True)
class Swarm:
    """A swarm that begins as a Latin hypercube."""

    settings: type[pydantic.BaseModel] = Settings
    finite: bool = False
    needs: tuple[str, ...] = ()

    def propose(self, request: Request) -> Suggestion:
        """The particle's next place."""
        settings = Settings.model_validate(dict(request.settings))
        known: list[Result | Pending] = [*request.results, *request.pending]
        trials = {one.number: one.configuration for one in known}
        path = [
            trials[n]
            for n in range(request.number % settings.particles, request.number, settings.particles)
            if n in trials
        ]
        costs = _costs(request)
        if not path or not costs:
            return candidates.initial(request, settings.particles)
        own = [n for n in costs if n % settings.particles == request.number % settings.particles]
        pull = _Pull(
            here=path[-1],
            before=path[-2] if len(path) > 1 else path[-1],
            own=trials[min(own, key=costs.__getitem__)] if own else path[-1],
            best=trials[min(costs, key=costs.__getitem__)],
        )
        rng = request.rng("swarm")
        return candidates.settle(request, (_move(request, settings, pull, rng) for _ in range(ATTEMPTS)))


@dataclasses.dataclass(frozen=True)
class _Pull:
    here: Configuration
    before: Configuration
    own: Configuration
    best: Configuration


def _costs(request: Request) -> dict[int, float]:
    results = sorted(filter(targets.valued, request.results), key=lambda result: result.number)
    costs = targets.targets(results, request.goals, request.rng("weights"))
    return {result.number: cost for result, cost in zip(results, costs, strict=True)}


def _move(request: Request, settings: Settings, pull: _Pull, rng: random.Random) -> Configuration:
    chosen: dict[str, Scalar] = {}
    for slot in request.space.slots:
        if slot.active(chosen):
            chosen[slot.name] = _value(slot, settings, pull, rng)
    return {name: chosen[name] for name in request.space.names if name in chosen}


def _value(slot: Slot, settings: Settings, pull: _Pull, rng: random.Random) -> Scalar:
    dimension = slot.dimension
    if slot.name not in pull.here or dimension.count == 1:
        return dimension.at(rng.random())
    if isinstance(dimension, Categorical):
        if rng.random() < MUTATION:
            return dimension.at(rng.random())
        weights = (settings.inertia, settings.cognitive, settings.social)
        source = rng.choices((pull.here, pull.own, pull.best), weights if any(weights) else None)[0]
        return source.get(slot.name, pull.here[slot.name])
    here, before, own, best = _units(slot, pull)
    step = settings.inertia * (here - before)
    step += settings.cognitive * rng.random() * (own - here) + settings.social * rng.random() * (best - here)
    return dimension.at(min(max(here + step, 0.0), 1.0))


def _units(slot: Slot, pull: _Pull) -> Iterator[float]:
    here = pull.here[slot.name]
    sources: tuple[Mapping[str, Scalar], ...] = (pull.here, pull.before, pull.own, pull.best)
    return (slot.dimension.unit(source.get(slot.name, here)) for source in sources)
