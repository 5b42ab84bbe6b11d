"""Random search, and the random choice of a configuration that was not proposed before, which other samplers fall back on.

Bergstra and Bengio, Random Search for Hyper-Parameter Optimization, JMLR 13 (2012).
"""

from __future__ import annotations

import dataclasses
import itertools

import pydantic

from tuning_operator.api import trial
from tuning_operator.search import space as spaces
from tuning_operator.search.dimension import Configuration
from tuning_operator.search.request import Exhausted, Request, Suggestion

TRIES = 100
"""Samples that may turn out to have been proposed before the remaining configurations are enumerated."""

WINDOW = 1000
"""How many of the remaining configurations one is then chosen from."""


class Settings(pydantic.BaseModel, frozen=True, extra="forbid", strict=True):
    """Random search has no settings."""


@dataclasses.dataclass(frozen=True)
class Random:
    """Independent configurations, uniform on each parameter's scale, without repetition."""

    settings: type[pydantic.BaseModel] = Settings
    finite: bool = False

    def propose(self, request: Request) -> Suggestion:
        """An unused configuration at random."""
        return Suggestion(unused(request), trial.Origin.RANDOM)


def unused(request: Request, given: Configuration | None = None) -> Configuration:
    """A random configuration that was not proposed before, with the given values.

    Raises Exhausted where none is left, Infeasible where the constraints allow none.
    """
    space, used, rng = request.space, request.used, request.rng("random")
    for _ in range(TRIES):
        sampled = space.sample(rng, given)
        if space.key(sampled) not in used:
            return sampled
    if space.finite and not given:
        left = (
            configuration for configuration in space.enumerate(spaces.PATIENCE) if space.key(configuration) not in used
        )
        if window := list(itertools.islice(left, WINDOW)):
            return window[int(rng.random() * len(window))]
    raise Exhausted(f"all configurations have been proposed, {len(used)} in number")
