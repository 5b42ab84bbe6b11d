"""What a search algorithm is, and which there are: ours by name, and what other packages bring along."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import pydantic

from tuning_operator.search import auto, bayesian, evolving, grid, parzen, randomly, sequences, studies, swarm
from tuning_operator.search.request import Request, Suggestion

GROUP = "tuning_operator.samplers"
"""The group of entry points under which other packages name their samplers: each is a Sampler, or a class of one."""


@runtime_checkable
class Sampler(Protocol):
    """A search algorithm: a pure function, and the settings it knows."""

    @property
    def settings(self) -> type[pydantic.BaseModel]:
        """The model of `search.settings`: frozen, strict, closed to unknown names; each field has a default and a docstring."""

    @property
    def finite(self) -> bool:
        """Whether the algorithm needs a space without continuous parameters."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Modules that it imports and that are not installed with the operator."""

    def propose(self, request: Request) -> Suggestion:
        """The configuration to try next; one that is in `request.used` is proposed at the cost of being replaced.

        Raises Exhausted where there is none left, and Infeasible where the constraints allow none.
        """


SAMPLERS: Mapping[str, Sampler] = {
    "auto": auto.Auto(),
    "bayesian": bayesian.Bayesian(),
    "tpe": studies.Tpe(multivariate=False),
    "multivariate-tpe": studies.Tpe(multivariate=True),
    "cmaes": evolving.CmaEs(),
    "evolution": studies.Evolution(),
    "pso": swarm.Swarm(),
    "sobol": sequences.Sequence("sobol"),
    "halton": sequences.Sequence("halton"),
    "lhs": sequences.Hypercube(),
    "random": randomly.Random(),
    "grid": grid.Grid(),
    "gp": studies.Gp(),
    "hyperopt": parzen.Hyperopt(),
}
"""Our algorithms by the name that a manifest calls them."""


class Unusable(Exception):
    """An algorithm that another package names cannot be loaded; says why."""


def find(name: str) -> Sampler | None:
    """The algorithm of this name; None where there is none. Ours come first. Raises Unusable."""
    if name in SAMPLERS:
        return SAMPLERS[name]
    for entry in importlib.metadata.entry_points(group=GROUP, name=name):
        try:
            loaded = entry.load()
            made = loaded() if isinstance(loaded, type) else loaded
        except Exception as error:
            raise Unusable(f"{entry.value} cannot be loaded: {type(error).__name__}: {error}") from error
        if not isinstance(made, Sampler):
            raise Unusable(f"{entry.value} is not a sampler: it needs settings, finite, needs and propose")
        return made
    return None


def names() -> tuple[str, ...]:
    """The names of all algorithms."""
    others = sorted(entry.name for entry in importlib.metadata.entry_points(group=GROUP))
    return (*SAMPLERS, *(name for name in others if name not in SAMPLERS))


def missing(sampler: Sampler) -> tuple[str, ...]:
    """The modules that it needs and that are not installed."""
    return tuple(name for name in sampler.needs if importlib.util.find_spec(name) is None)
