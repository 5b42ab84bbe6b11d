"""Wall-clock to a target value, by stopping rule: ``python -m benchmarks.stopping``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import random
import statistics
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.stopping import race, replay, syne, tables

WORKERS = (4, 16)
TRIALS, WHOLE, CHECKED = 500, 100, 60
"""Trials of a job that looks for the target, of one that is run whole for its best loss, and of one that is held against
the tuner's own replay."""
ASHA = {"algorithm": "asha", "maxSteps": 27}
FACTOR = 3.0
RESAMPLES = 2000
GOAL_RATIO, GOAL_GAP = 1 / 3, 0.01


def hours(task: str, workers: int, rule: str, seeds: int) -> list[float]:
    """Hours to the target, by seed; infinite where a job did not come to it."""
    jobs = [tables.load(task, TRIALS, seed) for seed in range(seeds)]
    return [race.hit(**question(job, workers), judge=race.JUDGES[rule]()) for job in jobs]


def gaps(task: str, workers: int, seeds: int) -> list[float]:
    """By which part of it the best loss under asha is worse than that of the full budget, by seed."""
    found = []
    for seed in range(seeds):
        job = tables.load(task, WHOLE, seed)
        judge = Best(race.JUDGES["asha"]())
        race.hit(**{**question(job, workers), "target": -math.inf}, judge=judge)
        found.append(judge.best / job.best - 1)
    return found


class Best:
    """Notes the best loss of all that goes by."""

    def __init__(self, judge: race.Judge) -> None:
        self._judge = judge
        self.best = math.inf

    def begin(self, number: int) -> None:
        """As the judge."""
        self._judge.begin(number)

    def goes_on(self, number: int, step: int, losses: Sequence[float]) -> bool:
        """As the judge."""
        self.best = min(self.best, *losses)
        return self._judge.goes_on(number, step, losses)

    def end(self, number: int, losses: Sequence[float]) -> None:
        """As the judge."""
        self.best = min(self.best, *losses)
        self._judge.end(number, losses)


def agrees(task: str, workers: int, seeds: int) -> list[float]:
    """Whether the tuner itself, replaying a job under asha, comes to the target in the hour that the race comes to it:
    by how many hours they differ."""
    found = []
    for seed in range(seeds):
        job = tables.load(task, CHECKED, seed)
        job = dataclasses.replace(job, target=job.best)
        raced = race.hit(**question(job, workers), judge=race.JUDGES["asha"]())
        replayed = replay.outcome(job, ASHA, workers, whole=True).target_hours
        found.append(0.0 if raced == replayed else abs(raced - replayed))
    return found


def question(job: tables.Job, workers: int) -> dict[str, Any]:
    """A job as `race.hit` takes it."""
    return {
        "curves": job.curves,
        "seconds": [job.seconds(number) for number in range(len(job.curves))],
        "start": tables.START_SECONDS,
        "workers": workers,
        "target": job.target,
    }


def syne_hours(task: str, workers: int, seeds: int) -> list[float]:
    """The same of Syne Tune's ASHA."""
    jobs = [tables.load(task, TRIALS, seed) for seed in range(seeds)]
    return syne.ask([{**question(job, workers), "reduction_factor": FACTOR, "seed": n} for n, job in enumerate(jobs)])


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """How many times as long the median job takes."""
    return statistics.median(ours) / statistics.median(theirs)


def interval(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    """The 95 % confidence interval of `ratio`, by resampling the seeds, which both share."""
    rng, seeds = random.Random(0), range(len(ours))
    found = []
    for _ in range(RESAMPLES):
        drawn = rng.choices(seeds, k=len(ours))
        found.append(ratio([ours[seed] for seed in drawn], [theirs[seed] for seed in drawn]))
    found.sort()
    return found[round(0.025 * RESAMPLES)], found[round(0.975 * RESAMPLES) - 1]


def measure(seeds: int, replays: int) -> dict[str, Any]:
    """Everything, cell by cell: a task on a number of workers."""
    missing = syne.available()
    cells: dict[str, dict[str, Any]] = {}
    for task in tables.TASKS:
        for workers in WORKERS:
            known = {name: hours(task, workers, name, seeds) for name in race.JUDGES}
            if not missing:
                known["syne_tune_asha"] = syne_hours(task, workers, seeds)
            cell = summary(known, gaps(task, workers, seeds), agrees(task, workers, replays))
            cells[f"{task}_{workers}"] = cell
            print(f"{task}, {workers} workers: {json.dumps(cell)}", file=sys.stderr, flush=True)
    return {"seeds": seeds, "trials": TRIALS, "syne_tune_missing": missing, "cells": cells, **overall(cells)}


def summary(known: dict[str, list[float]], quality: list[float], apart: list[float]) -> dict[str, Any]:
    """One cell in figures."""
    cell: dict[str, Any] = {
        "median_hours": {name: round(statistics.median(values), 3) for name, values in known.items()},
        "missed": {name: sum(map(math.isinf, values)) for name, values in known.items()},
        "asha_over_none": round(ratio(known["asha"], known["none"]), 3),
        "final_gap": round(statistics.fmean(quality), 4),
        "replay_differs_hours": round(max(apart, default=0.0), 6),
    }
    if "syne_tune_asha" in known:
        low, high = interval(known["asha"], known["syne_tune_asha"])
        cell["asha_over_syne_tune"] = round(ratio(known["asha"], known["syne_tune_asha"]), 3)
        cell["asha_over_syne_tune_95"] = [round(low, 3), round(high, 3)]
    return cell


def overall(cells: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """All cells together, as geometric means, and the goals."""

    def mean(name: str) -> float | None:
        if any(name not in cell for cell in cells.values()):
            return None
        return round(statistics.geometric_mean([cell[name] for cell in cells.values()]), 3)

    against_none, against_syne = mean("asha_over_none"), mean("asha_over_syne_tune")
    gap = round(statistics.fmean(cell["final_gap"] for cell in cells.values()), 4)
    low = [cell["asha_over_syne_tune_95"][0] for cell in cells.values() if "asha_over_syne_tune_95" in cell]
    asha = {"time_to_target_ratio": against_none, "vs_syne_tune_ratio": against_syne, "final_gap": gap}
    met = {
        "a_third_of_no_stopping": against_none is not None and against_none <= GOAL_RATIO,
        "no_worse_than_syne_tune": all(bound <= 1 for bound in low) if low else None,
        "final_quality": gap <= GOAL_GAP,
    }
    return {"asha": asha, "met": met}


def main() -> None:
    """Run the benchmark; the last line is its result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="jobs for each task, number of workers and rule")
    parser.add_argument("--replays", type=int, default=1, help="jobs in each cell that the tuner itself replays")
    options = parser.parse_args()
    print(json.dumps({"benchmark": "stopping", **measure(options.seeds, options.replays)}))


if __name__ == "__main__":
    main()
