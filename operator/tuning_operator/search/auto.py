"""The default: chooses how to search, trial by trial, by the space, what is pending and what was seen, and says why.

A Gaussian process (`gaussian`) is the best there is for the few dozen to few hundred trials of most jobs, and costs the
same however long the job gets. Where there are more parameters than its results can tell apart, trees of densities
(multivariate TPE) are asked instead. `benchmarks.quality` and `benchmarks.suggest` are where these choices are measured.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Annotated

import pydantic

from tuning_operator.api import trial
from tuning_operator.search import candidates, randomly, studies, targets
from tuning_operator.search.request import Request, Result, Suggestion

MOST_PARAMETERS = 60
"""Parameters, choices of categorical ones included, beyond which a Gaussian process learns too little from its results."""


class Settings(pydantic.BaseModel, frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True):
    """The settings of the automatic choice."""

    n_initial_points: Annotated[int, pydantic.Field(ge=1, le=1000)] | None = None
    """Points of the initial design, before anything is learnt from. The default is the number of parameters plus 3, from 5 to 20."""

    def initial(self, parameters: int) -> int:
        """Points of the initial design."""
        return self.n_initial_points or min(max(5, parameters + 3), 20)


@dataclasses.dataclass(frozen=True)
class Auto:
    """A Latin hypercube, then a model that fits the space."""

    settings: type[pydantic.BaseModel] = Settings
    finite: bool = False
    needs: tuple[str, ...] = ()

    def propose(self, request: Request) -> Suggestion:
        """What the chosen algorithm proposes, with its name and the reason for it."""
        settings = Settings.model_validate(dict(request.settings))
        free = [slot for slot in request.space.slots if slot.dimension.count != 1]
        initial = settings.initial(len(free))
        if candidates.waits(request, initial):
            begun = candidates.initial(request, initial)
            return dataclasses.replace(begun, algorithm="lhs", why=f"the first {initial} trials cover the space evenly")
        results = [one for one in targets.told(request.results) if request.space.coerce(one.configuration) is not None]
        columns = sum(candidates.width(slot.dimension) for slot in free)
        if columns > MOST_PARAMETERS:
            return _dense(request, columns)
        return _gaussian(request, results, len(free))


def _dense(request: Request, columns: int) -> Suggestion:
    plain = dataclasses.replace(request, settings={})
    why = f"{columns} parameters and choices are more than a Gaussian process can learn from so few results"
    answer = studies.Tpe(multivariate=True).propose(plain)
    return dataclasses.replace(answer, algorithm="multivariate-tpe", why=why)


def _gaussian(request: Request, results: Sequence[Result], parameters: int) -> Suggestion:
    from tuning_operator.search import gaussian

    found = gaussian.choose(request, results) if any(map(targets.valued, results)) else None
    if found is None:
        left = "no candidate is left that was not tried" if results else "no trial has a value to learn from"
        return Suggestion(randomly.unused(request), trial.Origin.RANDOM, "random", left)
    configuration, shape = found
    why = f"{parameters} parameter(s), {_about(len(results))} results, told {shape}"
    return Suggestion(configuration, trial.Origin.MODEL, "gaussian-process", why)


def _about(count: int) -> str:
    """The count, rounded down to one digit and a half, so that what is said does not change with each trial."""
    if count < 10:
        return f"{count}"
    step = 5 * 10 ** (int(math.log10(count)) - 1)
    return f"{count // step * step} or more"
