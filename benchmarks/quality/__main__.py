"""Runs what is not kept yet, until time is up, and prints the figures of all that is."""

from __future__ import annotations

import argparse
import concurrent.futures
import datetime
import importlib.util
import json
import os
import platform
import sys
import time
from typing import Any

import threadpoolctl  # type: ignore[import-untyped]

from benchmarks.quality import figures, runs, tuners

SLOW = ("skopt", "optuna_gp", "bayesian")
"""Tuners of minutes a run: fewer seeds."""


def measure(wanted: list[runs.Run], minutes: float, jobs: int) -> None:
    """Performs the runs that are not kept, and keeps them."""
    known = runs.kept()
    left = [run for run in wanted if run.key not in known]
    _say(f"{len(wanted) - len(left)} runs are kept; {len(left)} are left, for {minutes:g} minutes")
    deadline = time.monotonic() + 60 * minutes
    with concurrent.futures.ProcessPoolExecutor(
        jobs, initializer=threadpoolctl.threadpool_limits, initargs=(1,)
    ) as pool:
        queue = iter(left)
        waiting: set[concurrent.futures.Future[dict[str, Any]]] = set()
        while time.monotonic() < deadline:
            while len(waiting) < jobs and (run := next(queue, None)) is not None:
                waiting.add(pool.submit(runs.perform, run))
            if not waiting:
                break
            ended, waiting = concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in ended:
                runs.keep(future.result())
                _say(f"{future.result()['key']} {future.result()['score']:.4g} in {future.result()['cpu_s']} s")
        for future in waiting:
            runs.keep(future.result())


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Entry point."""
    available = [name for name in tuners.TUNERS if importlib.util.find_spec(tuners.NEEDS.get(name, "optuna"))]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--slow-seeds", type=int, default=1, help=f"of {', '.join(SLOW)}")
    parser.add_argument("--minutes", type=float, default=30, help="when to begin no more runs")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="processes")
    parser.add_argument("--tuners", nargs="+", default=available, choices=available)
    parser.add_argument("--suites", nargs="+", default=["tabular", "bbob"], choices=["tabular", "bbob"])
    parser.add_argument("--quick", action="store_true", help="one seed, and the quick tuners only")
    given = parser.parse_args()
    names = [name for name in given.tuners if not (given.quick and name in SLOW)]
    wanted = list(runs.plan(1 if given.quick else given.seeds, given.slow_seeds, names, given.suites, SLOW))
    measure(wanted, given.minutes, given.jobs)
    known = runs.kept()
    found = figures.figures({run: known[run.key]["score"] for run in wanted if run.key in known})
    spent: dict[str, list[float]] = {}
    for run in wanted:
        if run.key in known:
            spent.setdefault(run.tuner, []).append(known[run.key]["cpu_s"])
    surroundings = {
        "cpu_s_per_run": {name: round(sum(times) / len(times), 2) for name, times in spent.items()},
        "missing": [name for name in tuners.TUNERS if name not in available],
        "versions": {name: runs.version(name) for name in spent},
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    print(json.dumps({**found, **surroundings}))


if __name__ == "__main__":
    main()
