"""Configurations that are tried several times: `trial.repeats` trials each, with neighbouring numbers.

Each of them is a trial like any other, with a fate of its own. Only here do they become one: to the search, which knows
configurations and not trials, and where the best one is looked for.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence

from tuning_operator.api import job
from tuning_operator.tuner import state


def configuration(spec: job.JobSpec, number: int) -> int:
    """The number of the configuration that a trial tries."""
    return number // spec.trial.repeats


def place(spec: job.JobSpec, number: int) -> int:
    """Which of its configuration's trials a trial is, from 0."""
    return number % spec.trial.repeats


def grouped(spec: job.JobSpec, trials: Iterable[state.Trial]) -> dict[int, list[state.Trial]]:
    """The trials of each configuration, in their order."""
    groups: dict[int, list[state.Trial]] = {}
    for item in trials:
        groups.setdefault(configuration(spec, item.number), []).append(item)
    return groups


def means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each value; halves are added up, for values near the end of the floating-point range."""
    size = len(rows)
    return {name: math.fsum(row[name] / size for row in rows) for name in rows[0]} if size > 1 else dict(*rows)


def errors(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The standard error of each mean; empty for fewer than two, and where it is beyond all numbers."""
    if len(rows) < 2:
        return {}
    found = {name: _error([row[name] for row in rows]) for name in rows[0]}
    return found if all(map(math.isfinite, found.values())) else {}


def _error(values: Sequence[float]) -> float:
    try:
        return statistics.stdev(values) / math.sqrt(len(values))
    except OverflowError:
        return math.inf
