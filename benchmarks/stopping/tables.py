"""The recorded learning curves, and jobs that replay them."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Sequence
from pathlib import Path

TASKS = ("digits", "diabetes")
METRIC = "loss"
STEP_SECONDS = 60.0
"""How long a step of the usual configuration takes; others take as much more or less as when they were recorded."""
START_SECONDS = 20.0
"""How long a Pod takes to start."""
TOP = 0.01
"""The target is what this part of all recorded configurations come to."""


@dataclasses.dataclass(frozen=True)
class Job:
    """Configurations in the order in which they are tried, each with its curve and its pace."""

    curves: Sequence[Sequence[float]]
    pace: Sequence[float]
    target: float
    """The loss that is looked for."""

    @property
    def steps(self) -> int:
        """Steps of a whole trial."""
        return len(self.curves[0])

    @property
    def best(self) -> float:
        """What the whole budget finds."""
        return min(min(curve) for curve in self.curves)

    def seconds(self, number: int) -> float:
        """How long a step of a trial takes."""
        return STEP_SECONDS * self.pace[number]


def load(task: str, trials: int, seed: int) -> Job:
    """A job of so many configurations of a task, drawn without repetition."""
    table = json.loads((Path(__file__).parent / f"{task}.json").read_text())
    finals = sorted(map(min, table["curves"]))
    rows = random.Random(seed).sample(range(len(table["curves"])), trials)
    return Job(
        [table["curves"][row] for row in rows],
        [table["pace"][row] for row in rows],
        finals[round(TOP * len(finals)) - 1],
    )


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a job found: when it came to the target (infinite if never), what it took in all, and its best loss."""

    target_hours: float
    total_hours: float
    best: float


def outcome(job: Job, runs: Sequence[tuple[int, float, float]]) -> Outcome:
    """`runs` are trials as (number, when its process started, when it ended), in seconds."""
    hit, best = float("inf"), float("inf")
    for number, began, ended in runs:
        pace = job.seconds(number)
        for step, loss in enumerate(job.curves[number], 1):
            moment = began + step * pace
            if moment > ended + 1e-3:
                break
            best = min(best, loss)
            if loss <= job.target:
                hit = min(hit, moment)
    end = max(ended for _, _, ended in runs)
    return Outcome(hit / 3600, end / 3600, best)
