"""Syne Tune's ASHA on the same curves: its scheduler decides, an event loop of ours gives it the reports in time.

Run as a module by an interpreter that finds `syne_tune`; the jobs come as JSON on standard input, and the hours that each
takes to its target go as JSON to standard output.
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.stopping import race

PACKAGES = ("syne-tune==0.16.0", "dill==0.4.0", "pandas==2.3.3", "python-dateutil", "pytz", "six")
FOLDER = Path("build/syne-tune")


def available() -> str:
    """Installs Syne Tune beside the project's own packages, without those that its other parts need; why not, if not."""
    if (FOLDER / "syne_tune").exists():
        return ""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(FOLDER), *PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def ask(jobs: list[dict[str, Any]]) -> list[float]:
    """The hours to the target of each job."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.stopping.syne"],
        input=json.dumps(jobs),
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(FOLDER.resolve()), *sys.path])},
        capture_output=True,
        text=True,
        check=True,
    )
    hours: list[float] = json.loads(done.stdout.splitlines()[-1])
    return hours


class Scheduler:
    """Syne Tune's scheduler as a judge."""

    def __init__(self, trials: int, steps: int, reduction_factor: float, seed: int) -> None:
        from syne_tune.backend.trial_status import Trial
        from syne_tune.config_space import randint
        from syne_tune.optimizer.schedulers.asha import AsynchronousSuccessiveHalving

        self._trial = Trial
        self._trials: dict[int, Any] = {}
        self._asha = AsynchronousSuccessiveHalving(
            {"row": randint(0, trials)},
            metric="loss",
            do_minimize=True,
            time_attr="epoch",
            max_t=steps,
            grace_period=1,
            reduction_factor=reduction_factor,
            random_seed=seed,
        )

    def begin(self, number: int) -> None:
        """A trial is made."""
        made = datetime.datetime(2030, 1, 1)  # noqa: DTZ001 - as Syne Tune has it
        self._trials[number] = self._trial(number, {"row": number}, made)
        self._asha.on_trial_add(self._trials[number])

    def goes_on(self, number: int, step: int, losses: Sequence[float]) -> bool:
        """Whether the scheduler lets it go on."""
        decided = self._asha.on_trial_result(self._trials[number], {"loss": losses[-1], "epoch": step})
        return bool(decided == "CONTINUE")

    def end(self, number: int, losses: Sequence[float]) -> None:
        """A trial has come to its last step."""
        self._asha.on_trial_complete(self._trials[number], {"loss": losses[-1], "epoch": len(losses)})


def simulate(job: dict[str, Any]) -> float:
    """The hours to the target of one job."""
    judge = Scheduler(len(job["curves"]), len(job["curves"][0]), job.pop("reduction_factor"), job.pop("seed"))
    return race.hit(judge=judge, **job)


if __name__ == "__main__":
    sys.stdout.write(json.dumps([simulate(job) for job in json.load(sys.stdin)]) + "\n")
