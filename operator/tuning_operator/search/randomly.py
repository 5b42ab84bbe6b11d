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

DRAWS = 1000
"""Random configurations that may violate the constraints or have been proposed before, until one is searched for."""

WINDOW = 1000
"""How many of the remaining configurations one is then chosen from."""


class Settings(pydantic.BaseModel, frozen=True, extra="forbid", strict=True):
    """Random search has no settings."""


@dataclasses.dataclass(frozen=True)
class Random:
    """Independent configurations, uniform on each parameter's scale, without repetition."""

    settings: type[pydantic.BaseModel] = Settings
    finite: bool = False
    needs: tuple[str, ...] = ()

    def propose(self, request: Request) -> Suggestion:
        """An unused configuration at random."""
        return Suggestion(unused(request), trial.Origin.RANDOM)


def unused(request: Request, given: Configuration | None = None) -> Configuration:
    """A random configuration that was not proposed before, with the given values.

    Raises Exhausted where none is left, Infeasible where the constraints allow none.
    """
    space, used, rng = request.space, request.used, request.rng("random")
    for _ in range(DRAWS):
        drawn = space.draw(rng, given)
        if drawn is not None and space.key(drawn) not in used:
            return drawn
    if used and space.finite and not given:
        left = (one for one in space.enumerate(spaces.PATIENCE) if space.key(one) not in used)
        if window := list(itertools.islice(left, WINDOW)):
            return window[int(rng.random() * len(window))]
    else:
        found = space.search(rng, given)
        if space.key(found) not in used:
            return found
    raise Exhausted(f"no configuration is left; {len(used)} have been proposed")
