"""Who proposes: this project's algorithms, and others' own tuners as they come, behind the same two calls."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from benchmarks.quality.problems import Point, Problem
from tuning_operator.api import job
from tuning_operator.search import suggest
from tuning_operator.search.space import Space


class Tuner(Protocol):
    """One run of a tuner."""

    def ask(self) -> tuple[Any, Point]:
        """A point to try, and a token to tell its value by."""

    def tell(self, token: Any, value: float) -> None:
        """The value of an asked point."""


class Ours:
    """An algorithm of this project, asked exactly as the operator asks it."""

    def __init__(self, problem: Problem, seed: int, algorithm: str) -> None:
        self._names = [f"p{index}" for index in range(len(problem.levels))]
        kinds = zip(self._names, problem.levels, problem.unordered, strict=True)
        spec = job.JobSpec.model_validate(
            {
                "objectives": [{"metric": "value", "goal": "minimize"}],
                "parameters": [_parameter(*kind) for kind in kinds],
                "template": {},
            }
        )
        self._request = suggest.Request(Space.from_spec(spec), (job.Goal.MINIMIZE,), algorithm, {}, seed, 0)
        self._pending: dict[int, suggest.Pending] = {}

    def ask(self) -> tuple[Any, Point]:
        """The next trial's configuration."""
        number = self._request.number
        request = dataclasses.replace(self._request, pending=tuple(self._pending.values()))
        configuration = suggest.suggest(request).configuration
        self._pending[number] = suggest.Pending(number, configuration)
        self._request = dataclasses.replace(self._request, number=number + 1)
        return number, tuple(float(configuration[name]) for name in self._names)

    def tell(self, token: Any, value: float) -> None:
        """One more result."""
        configuration = self._pending.pop(token).configuration
        result = suggest.Result(token, configuration, suggest.Outcome.SUCCEEDED, (value,))
        self._request = dataclasses.replace(self._request, results=(*self._request.results, result))


def _parameter(name: str, levels: int, unordered: bool) -> dict[str, Any]:
    if not levels:
        return {"name": name, "type": "float", "min": 0, "max": 1}
    if unordered:
        return {"name": name, "type": "categorical", "values": list(range(levels))}
    return {"name": name, "type": "int", "min": 0, "max": levels - 1}


class Optuna:
    """A sampler of Optuna, with its defaults."""

    def __init__(self, problem: Problem, seed: int, sampler: str, **options: Any) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore")
        self._problem = problem
        self._study = optuna.create_study(sampler=getattr(optuna.samplers, sampler)(seed=seed, **options))

    def ask(self) -> tuple[Any, Point]:
        """A trial of the study."""
        trial = self._study.ask()
        point: list[float] = []
        for index, (levels, unordered) in enumerate(zip(self._problem.levels, self._problem.unordered, strict=True)):
            name = f"p{index}"
            if not levels:
                point.append(trial.suggest_float(name, 0, 1))
            elif unordered:
                point.append(trial.suggest_categorical(name, list(range(levels))))
            else:
                point.append(trial.suggest_int(name, 0, levels - 1))
        return trial, tuple(point)

    def tell(self, token: Any, value: float) -> None:
        """The trial's value."""
        self._study.tell(token, value)


class Skopt:
    """scikit-optimize's optimizer, with its defaults."""

    def __init__(self, problem: Problem, seed: int) -> None:
        import skopt

        warnings.simplefilter("ignore")
        dimensions = [
            (0.0, 1.0) if not levels else list(range(levels)) if unordered else (0, levels - 1)
            for levels, unordered in zip(problem.levels, problem.unordered, strict=True)
        ]
        self._optimizer = skopt.Optimizer(dimensions, random_state=seed, n_initial_points=10)

    def ask(self) -> tuple[Any, Point]:
        """The optimizer's point."""
        point = self._optimizer.ask()
        return point, tuple(map(float, point))

    def tell(self, token: Any, value: float) -> None:
        """The point's value."""
        self._optimizer.tell(token, value)


class Hyperopt:
    """Hyperopt's TPE, with its defaults; pending trials are in its list and have no value."""

    def __init__(self, problem: Problem, seed: int) -> None:
        import hyperopt
        import numpy as np
        from hyperopt import hp

        warnings.simplefilter("ignore")
        self._hyperopt, self._rng, self._problem = hyperopt, np.random.default_rng(seed), problem
        space = {}
        for index, (levels, unordered) in enumerate(zip(problem.levels, problem.unordered, strict=True)):
            name = f"p{index}"
            if not levels:
                space[name] = hp.uniform(name, 0, 1)
            elif unordered:
                space[name] = hp.randint(name, levels)
            else:
                space[name] = hp.quniform(name, -0.499, levels - 0.501, 1)
        self._domain = hyperopt.Domain(lambda _: 0.0, space)
        self._trials = hyperopt.Trials()

    def ask(self) -> tuple[Any, Point]:
        """A document of the trials' list."""
        [document] = self._hyperopt.tpe.suggest(
            self._trials.new_trial_ids(1), self._domain, self._trials, int(self._rng.integers(2**31 - 1)), verbose=False
        )
        self._trials.insert_trial_docs([document])
        self._trials.refresh()
        values = document["misc"]["vals"]
        point = tuple(abs(float(values[f"p{index}"][0])) for index in range(len(self._problem.levels)))
        return document["tid"], point

    def tell(self, token: Any, value: float) -> None:
        """The document's loss."""
        [document] = [one for one in self._trials._dynamic_trials if one["tid"] == token]
        document["state"] = self._hyperopt.JOB_STATE_DONE
        document["result"] = {"status": self._hyperopt.STATUS_OK, "loss": value}
        self._trials.refresh()


Make = Callable[[Problem, int], Tuner]

TUNERS: Mapping[str, Make] = {
    "auto": lambda problem, seed: Ours(problem, seed, "auto"),
    "random": lambda problem, seed: Ours(problem, seed, "random"),
    "optuna_tpe": lambda problem, seed: Optuna(problem, seed, "TPESampler"),
    "bayesian": lambda problem, seed: Ours(problem, seed, "bayesian"),
    "optuna_cmaes": lambda problem, seed: Optuna(problem, seed, "CmaEsSampler"),
    "hyperopt_tpe": Hyperopt,
    "optuna_gp": lambda problem, seed: Optuna(problem, seed, "GPSampler"),
    "skopt": Skopt,
}
"""By the name that the figures call them, the cheap ones first; `bayesian` is this project's own."""

NEEDS: Mapping[str, str] = {"optuna_gp": "torch", "hyperopt_tpe": "hyperopt"}
"""Modules that may be missing."""

CONTINUOUS = ("optuna_cmaes",)
"""Those that are not asked about tables."""
