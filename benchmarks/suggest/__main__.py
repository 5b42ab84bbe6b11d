"""What a suggestion costs: processor time of the search's process, as jobs get long and wide.

Each question goes through a real worker process, as the operator's do, and is
timed there; peers answer the same questions from a history of the same length.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import datetime
import json
import math
import platform
import random
import statistics
import sys
import time
import warnings
from typing import Any

from benchmarks.suggest import work
from tuning_operator.search import suggest, worker
from tuning_operator.search.space import Key

TARGETS = {"p95_ms_500": 250.0, "p95_ms_10000": 500.0, "cpu_s_100_trials": 6.0, "duplicates": 0}
"""At most so much."""

PENDING = 64
WARM = 2
"""Questions before those that count: the modules are imported, and the hyperparameters fitted, ahead of need."""


async def questions(algorithm: str, count: int, pending: int, asked: int) -> dict[str, Any]:
    """As many questions in a row, each with one more result and another pending trial than the one before."""
    search = worker.Worker()
    request = work.history(algorithm, count, pending, 1)
    used, times = set(request.used), list[float]()
    memory, duplicates = 0.0, 0
    try:
        for index in range(WARM + asked):
            suggestion, seconds, memory = await search.run(work.timed, request)
            key = request.space.key(suggestion.configuration)
            duplicates += key in used
            used.add(key)
            if index >= WARM:
                times.append(1000 * seconds)
            request = _further(request, suggestion)
    finally:
        search.close()
    return {
        "p50_ms": round(statistics.median(times), 1),
        "p95_ms": round(_p95(times), 1),
        "max_ms": round(max(times), 1),
        "rss_mib": round(memory),
        "duplicates": duplicates,
    }


def _further(request: suggest.Request, suggestion: suggest.Suggestion) -> suggest.Request:
    """The oldest pending trial has ended, and the suggested one is pending."""
    ended, *waiting = [*request.pending, suggest.Pending(request.number, suggestion.configuration)]
    result = suggest.Result(
        ended.number, ended.configuration, suggest.Outcome.SUCCEEDED, (work.loss(ended.configuration),)
    )
    return dataclasses.replace(
        request, number=request.number + 1, results=(*request.results, result), pending=tuple(waiting)
    )


def _p95(times: list[float]) -> float:
    return sorted(times)[math.ceil(0.95 * len(times)) - 1]


async def whole_job(algorithm: str, trials: int, parallel: int) -> dict[str, Any]:
    """A job from its first trial to its last: all processor time of the search's process but for its start."""
    search = worker.Worker()
    request = dataclasses.replace(work.history(algorithm, 0, 0, 1), number=0)
    used: set[Key] = set()
    cpu, duplicates = 0.0, 0
    try:
        await search.run(work.timed, work.history(algorithm, 12, 0, 2))  # the modules are imported
        for _ in range(trials):
            suggestion, seconds, _ = await search.run(work.timed, request)
            cpu += seconds
            key = request.space.key(suggestion.configuration)
            duplicates += key in used
            used.add(key)
            if len(request.pending) >= parallel - 1:
                request = _further(request, suggestion)
            else:
                pending = (*request.pending, suggest.Pending(request.number, suggestion.configuration))
                request = dataclasses.replace(request, number=request.number + 1, pending=pending)
    finally:
        search.close()
    return {"cpu_s": round(cpu, 2), "duplicates": duplicates}


def optuna_tpe(count: int, pending: int, asked: int) -> float:
    """p95 of Optuna's multivariate TPE with a constant liar, which keeps its study in memory between questions."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    sampler = optuna.samplers.TPESampler(seed=1, multivariate=True, constant_liar=True)
    study, names = optuna.create_study(sampler=sampler), [f"x{index}" for index in range(8)]
    distributions: dict[str, Any] = dict.fromkeys(names, optuna.distributions.FloatDistribution(0, 1))
    rng = random.Random(1)
    for _ in range(count):
        point = {name: rng.random() for name in names}
        study.add_trial(optuna.create_trial(params=point, distributions=distributions, value=sum(point.values())))
    for _ in range(pending):
        study.ask(distributions)
    times: list[float] = []
    for _ in range(asked):
        begin = time.process_time()
        trial = study.ask(distributions)
        times.append(1000 * (time.process_time() - begin))
        study.tell(trial, sum(trial.params.values()))
    return round(_p95(times), 1)


async def measure(algorithm: str, asked: int) -> dict[str, Any]:
    """All figures."""
    found: dict[str, Any] = {}
    duplicates = 0
    for count in (100, 500, 1000, 10_000):
        found[f"n_{count}"] = await questions(
            algorithm, count, PENDING, asked if count < 10_000 else max(20, asked // 2)
        )
        duplicates += found[f"n_{count}"]["duplicates"]
        print(f"n={count}: {found[f'n_{count}']}", file=sys.stderr, flush=True)
    for parallel in (1, 8):
        found[f"job_{parallel}"] = await whole_job(algorithm, 100, parallel)
        duplicates += found[f"job_{parallel}"]["duplicates"]
        print(f"a job, {parallel} at a time: {found[f'job_{parallel}']}", file=sys.stderr, flush=True)
    figures: dict[str, Any] = {
        "p95_ms_500": found["n_500"]["p95_ms"],
        "p95_ms_10000": found["n_10000"]["p95_ms"],
        "cpu_s_100_trials": max(found["job_1"]["cpu_s"], found["job_8"]["cpu_s"]),
        "duplicates": duplicates,
    }
    return {
        **figures,
        "met": {name: figures[name] <= bound for name, bound in TARGETS.items()},
        "algorithm": algorithm,
        "pending": PENDING,
        "questions": asked,
        **found,
        "peers": {"optuna_multivariate_tpe": {f"p95_ms_{n}": optuna_tpe(n, PENDING, 20) for n in (500, 10_000)}},
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.suggest", description=__doc__)
    parser.add_argument("--algorithm", default="auto")
    parser.add_argument("--questions", type=int, default=100, help="for each length of the history")
    parser.add_argument("--quick", action="store_true", help="20 questions")
    given = parser.parse_args()
    print(json.dumps(asyncio.run(measure(given.algorithm, 20 if given.quick else given.questions))))


if __name__ == "__main__":
    main()
