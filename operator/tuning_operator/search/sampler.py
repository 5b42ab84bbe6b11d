"""What a search algorithm is, and which there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import pydantic

from tuning_operator.search import bayesian, grid, randomly
from tuning_operator.search.request import Request, Suggestion


class Sampler(Protocol):
    """A search algorithm: a pure function, and the settings it knows."""

    @property
    def settings(self) -> type[pydantic.BaseModel]:
        """The model of `search.settings`: frozen, strict, closed to unknown names; each field has a default and a docstring."""

    @property
    def finite(self) -> bool:
        """Whether the algorithm needs a space without continuous parameters."""

    def propose(self, request: Request) -> Suggestion:
        """The configuration to try next; one that is in `request.used` is proposed at the cost of being replaced.

        Raises Exhausted where there is none left, and Infeasible where the constraints allow none.
        """


SAMPLERS: Mapping[str, Sampler] = {
    "bayesian": bayesian.Bayesian(),
    "random": randomly.Random(),
    "grid": grid.Grid(),
}
"""The algorithms by the name that a manifest calls them."""
