"""Specs, spaces, requests and whole searches for the tests of the search layer."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tuning_operator.api import job
from tuning_operator.search import request, suggest
from tuning_operator.search.dimension import Configuration
from tuning_operator.search.request import Outcome, Pending, Request, Result
from tuning_operator.search.space import Space

Objective = Callable[[Configuration], tuple[float, ...]]


def real(name: str, low: float = 0.0, high: float = 1.0, **more: Any) -> dict[str, Any]:
    """A float parameter."""
    return {"name": name, "type": "float", "min": low, "max": high, **more}


def whole(name: str, low: int = 1, high: int = 8, **more: Any) -> dict[str, Any]:
    """An int parameter."""
    return {"name": name, "type": "int", "min": low, "max": high, **more}


def choice(name: str, *values: int | str, **more: Any) -> dict[str, Any]:
    """A categorical parameter."""
    return {"name": name, "type": "categorical", "values": list(values), **more}


def ordinal(name: str, *values: int | str, **more: Any) -> dict[str, Any]:
    """An ordinal parameter."""
    return {**choice(name, *values, **more), "type": "ordinal"}


def spec(*parameters: Mapping[str, Any], constraints: Sequence[str] = (), **search: Any) -> job.JobSpec:
    """A job over these parameters."""
    return job.JobSpec.model_validate(
        {
            "objectives": [{"metric": "loss", "goal": "minimize"}],
            "parameters": list(parameters),
            "constraints": list(constraints),
            "search": search,
            "template": {},
        }
    )


def space(*parameters: Mapping[str, Any], constraints: Sequence[str] = ()) -> Space:
    """The space of these parameters."""
    return Space.from_spec(spec(*parameters, constraints=constraints))


def ask(of: Space, algorithm: str = "random", **more: Any) -> Request:
    """The request for the first trial."""
    given: dict[str, Any] = {"goals": (job.Goal.MINIMIZE,), "settings": {}, "seed": 7, "number": 0, **more}
    return Request(space=of, algorithm=algorithm, **given)


def done(number: int, configuration: Configuration, *values: float) -> Result:
    """A trial that succeeded with these values, or failed where there are none."""
    return Result(number, configuration, Outcome.SUCCEEDED if values else Outcome.FAILED, tuple(values))


def bowl(configuration: Configuration) -> tuple[float, ...]:
    """An objective that any configuration has."""
    return (sum(_depth(value) for value in configuration.values()),)


def _depth(value: int | float | str) -> float:
    return math.atan(abs(value - 0.3)) if isinstance(value, float) else float(len(str(value)))


def search(first: Request, trials: int, objective: Objective = bowl, parallel: int = 1) -> Iterator[request.Suggestion]:
    """The suggestions of a whole job; its trials end in the order in which they began, `parallel` of them at a time."""
    results: tuple[Result, ...] = ()
    pending: tuple[Pending, ...] = ()
    for number in range(trials):
        if len(pending) == parallel:
            ended, *left = pending
            results, pending = (
                (*results, done(ended.number, ended.configuration, *objective(ended.configuration))),
                tuple(left),
            )
        suggestion = suggest.suggest(dataclasses.replace(first, number=number, results=results, pending=pending))
        yield suggestion
        pending = (*pending, Pending(number, suggestion.configuration))
