"""From runs to figures: means, and paired differences with what chance may have done to them."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.quality.runs import Run

RESAMPLES = 10_000
TARGETS = {"bbob.auto": -1.45, "tabular.auto_1": 0.060, "tabular.auto_8": 0.065}
"""At most so much."""

Scores = Mapping[Run, float]


def figures(scores: Scores) -> dict[str, Any]:
    """Everything but the surroundings."""
    relative = _relative(scores)
    names = {
        (run.suite, run.tuner, run.workers): f"{run.tuner}_{run.workers}" if run.suite == "tabular" else run.tuner
        for run in relative
    }
    result: dict[str, Any] = {"bbob": {}, "tabular": {}, "runs": {}, "auto_minus": {}}
    for (suite, tuner, workers), name in sorted(names.items()):
        own = {
            run: score
            for run, score in relative.items()
            if (run.suite, run.tuner, run.workers) == (suite, tuner, workers)
        }
        result[suite][name] = round(_mean(own), 4)
        result["runs"][f"{suite}.{name}"] = len(own)
        if tuner != "auto" and (pairs := _pairs(relative, own)):
            result["auto_minus"][f"{suite}.{name}"] = _interval(pairs)
    result["met"] = {
        name: found <= bound
        for name, bound in TARGETS.items()
        if (found := result[name.split(".")[0]].get(name.split(".")[1])) is not None
    }
    return result


def _relative(scores: Scores) -> dict[Run, float]:
    """Regrets on BBOB relative to those of random search on the same problem: differences, as they are logarithms."""
    chance: dict[str, list[float]] = collections.defaultdict(list)
    for run, score in scores.items():
        if (run.suite, run.tuner) == ("bbob", "random"):
            chance[run.problem].append(score)
    return {
        run: score - float(np.mean(chance[run.problem])) if run.suite == "bbob" else score
        for run, score in scores.items()
        if run.suite != "bbob" or run.problem in chance
    }


def _mean(own: Scores) -> float:
    """The mean over problems of the mean over seeds."""
    problems: dict[str, list[float]] = collections.defaultdict(list)
    for run, score in own.items():
        problems[run.problem].append(score)
    return float(np.mean([np.mean(found) for found in problems.values()]))


def _pairs(scores: Scores, own: Scores) -> dict[str, list[float]]:
    """Differences to `auto` with the same seed, by problem."""
    pairs: dict[str, list[float]] = collections.defaultdict(list)
    for run, score in own.items():
        ours = scores.get(Run("auto", run.suite, run.problem, run.workers, run.seed))
        if ours is not None:
            pairs[run.problem].append(ours - score)
    return pairs


def _interval(pairs: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """The mean difference, and 95 % of what resampling the seeds of each problem makes of it."""
    rng = np.random.default_rng(0)
    columns = [np.array(found) for found in pairs.values()]
    draws = np.mean([one[rng.integers(0, len(one), (RESAMPLES, len(one)))].mean(1) for one in columns], axis=0)
    low, high = np.quantile(draws, [0.025, 0.975])
    mean = float(np.mean([one.mean() for one in columns]))
    return {
        "mean": round(mean, 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "n": sum(map(len, columns)),
    }
