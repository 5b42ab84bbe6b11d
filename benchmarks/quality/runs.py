"""Runs of tuners on problems, in virtual time, each kept as it ends so that a measurement can be gone on with later."""

from __future__ import annotations

import dataclasses
import hashlib
import heapq
import importlib.metadata
import json
import pathlib
import time
from collections.abc import Iterable, Iterator
from typing import Any

import tuning_operator.search
from benchmarks.quality import problems, tuners
from benchmarks.quality.problems import Point, Problem

TRIALS = 100
KEPT = pathlib.Path("build/benchmarks/quality.jsonl")
OURS = ("auto", "bayesian", "random")
PACKAGES = {"optuna": "optuna", "hyperopt": "hyperopt", "skopt": "scikit-optimize"}


@dataclasses.dataclass(frozen=True)
class Run:
    """One tuner on one problem with some workers and a seed."""

    tuner: str
    suite: str
    problem: str
    workers: int
    seed: int

    @property
    def key(self) -> str:
        """What makes two runs the same: also the code that ran."""
        return f"{self.tuner}@{version(self.tuner)}/{self.suite}/{self.problem}/{self.workers}/{self.seed}"


def version(tuner: str) -> str:
    """Of a peer its version, of ours a fingerprint of the search's code."""
    if tuner not in OURS:
        return importlib.metadata.version(PACKAGES[tuner.split("_", maxsplit=1)[0]])
    digest = hashlib.sha256()
    for module in sorted(pathlib.Path(str(tuning_operator.search.__file__)).parent.glob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()[:12] if tuner == "auto" else "1"


def perform(run: Run) -> dict[str, Any]:
    """The run's score, and the processor time that the tuner took."""
    problem = _problem(run)
    begin = time.process_time()
    best = _best(tuners.TUNERS[run.tuner](problem, run.seed), problem, run.workers)
    return {"key": run.key, "score": problem.score(best), "cpu_s": round(time.process_time() - begin, 2)}


def _problem(run: Run) -> Problem:
    if run.suite == "tabular":
        return problems.table(run.problem)
    function, dimension, instance = run.problem.removeprefix("f").split("-")
    return problems.bbob(int(function), int(dimension.removesuffix("d")), int(instance))


def _best(tuner: tuners.Tuner, problem: Problem, workers: int) -> float:
    """The best value of all trials. A worker that is free asks at once and waits for nobody."""
    running: list[tuple[float, int, Any, Point]] = []
    now, asked, best = 0.0, 0, float("inf")
    while asked < TRIALS or running:
        while asked < TRIALS and len(running) < workers:
            token, point = tuner.ask()
            heapq.heappush(running, (now + problem.seconds(point), asked, token, point))
            asked += 1
        now, _, token, point = heapq.heappop(running)
        value = problem.value(point)
        best = min(best, value)
        tuner.tell(token, value)
    return best


def kept() -> dict[str, dict[str, Any]]:
    """What earlier measurements found, by the runs' keys."""
    if not KEPT.exists():
        return {}
    return {line["key"]: line for line in map(json.loads, KEPT.read_text().splitlines())}


def keep(found: dict[str, Any]) -> None:
    """Adds one run to those kept."""
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    with KEPT.open("a") as file:
        file.write(json.dumps(found) + "\n")


def plan(
    seeds: int, slow_seeds: int, names: Iterable[str], suites: Iterable[str], slow: Iterable[str]
) -> Iterator[Run]:
    """All runs, seed by seed, so that what is done when time is up compares the same seeds."""
    for seed in range(seeds):
        for name in names:
            if name in slow and seed >= slow_seeds:
                continue
            if "bbob" in suites:
                for function in problems.FUNCTIONS:
                    for dimension in problems.DIMENSIONS:
                        instance = problems.INSTANCES[seed % len(problems.INSTANCES)]
                        yield Run(name, "bbob", f"f{function}-{dimension}d-{instance}", 1, seed)
            if "tabular" in suites and name not in tuners.CONTINUOUS:
                for table in problems.TABLES:
                    for workers in (1, 8):
                        yield Run(name, "tabular", table, workers, seed)
