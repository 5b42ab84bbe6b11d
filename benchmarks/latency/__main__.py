"""Runs jobs one after the other, then lets one stand still, and prints the figures."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import datetime
import functools
import json
import os
import pathlib
import random
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

from tests import builders
from tests.integration import fates

from benchmarks.latency import figures, ground, timeline
from benchmarks.latency.timeline import Stage

TARGETS = {
    "apply_to_first_pod_s": 1.0,
    "refill_s": 0.5,
    "writes_per_trial": 8.0,
    "steady_writes_per_minute": 0.0,
    "operator_rss_mib": 200.0,
}
"""Bounds for each figure, or for its median: at most so much."""

KATIB_SECONDS = (11, 24)
KATIB_SOURCE = "reports of Katib's users, quoted in this project's issue 'The ground'; Katib was not run here"
TRIAL_SECONDS = (1.0, 3.0)
JOB_SECONDS = 300.0
QUIET_SECONDS = 3.0
STANDING = "standing"


@dataclasses.dataclass(frozen=True)
class Size:
    """How much is measured."""

    jobs: int
    trials: int
    parallel: int
    steady_seconds: float


def course(attempt: fates.Attempt) -> fates.Course:
    """What becomes of a trial: it takes one to three seconds, or for ever in the job that stands still."""
    if attempt.job == STANDING:
        return dataclasses.replace(fates.succeed(attempt), fate=fates.Fate.HELD)
    running = random.Random(f"{attempt.job}/{attempt.number}").uniform(*TRIAL_SECONDS)
    return dataclasses.replace(fates.succeed(attempt), running=running)


async def measure(size: Size, kubeconfig: pathlib.Path) -> figures.Figures:
    """All figures."""
    async with ground.prepared(kubeconfig) as here:
        here.kubelet.script = course
        try:
            async with _watched(here):
                begin = time.monotonic()
                here.operator.start()
                await here.operator.ready()
                start = time.monotonic() - begin
                _say(f"operator ready after {start:.1f} s")
                busy = await _tune(here, size)
                calm = await _stand(here, size)
                result = {**busy, **calm, "operator_start_s": round(start, 2), **await _surroundings(here)}
        except BaseException:
            _say(f"the operator's log ends with:\n{here.operator.log()[-3000:]}")
            raise
    return {**result, "met": {name: _value(result[name]) <= bound for name, bound in TARGETS.items()}}


@contextlib.asynccontextmanager
async def _watched(here: ground.Ground) -> AsyncIterator[None]:
    """With the watches and samplers at work; ends with an error when one of them does."""
    async with asyncio.TaskGroup() as tasks:
        observers = [
            tasks.create_task(observer) for observer in (here.timeline.watch(), here.sample_memory(), here.sample_lag())
        ]
        yield
        for observer in observers:
            observer.cancel()


async def _tune(here: ground.Ground, size: Size) -> figures.Figures:
    """Jobs from their submission to their end, one after the other."""
    for index in range(size.jobs):
        job = builders.job(
            f"latency-{index}",
            algorithm="bayesian",
            trials=size.trials,
            parallel=size.parallel,
            seed=index,
            placement=here.kubelet.placement,
        )
        await here.timeline.submit(job)
        async with asyncio.timeout(JOB_SECONDS):
            await here.timeline.reached(Stage.COMPLETE, job["metadata"]["name"])
        _say(f"job {index + 1} of {size.jobs} is complete")
    await here.settled(QUIET_SECONDS)
    _check(here, size)
    moments = {**here.timeline.moments, **timeline.calls(here.proxy.calls)}
    pairs = figures.refills(moments, here.timeline.trials, size.parallel)
    writes, count = here.proxy.writes(), len(here.timeline.trials)
    applied = figures.summary(figures.first_pods(moments, here.timeline.trials))
    return {
        "apply_to_first_pod_s": applied,
        "refill_s": figures.summary(figures.between(moments, pairs, Stage.ENDED, Stage.STARTED)),
        "refill_steps_s": figures.breakdown(moments, pairs),
        "process_end_to_next_pod_s": figures.summary(
            figures.between(moments, pairs, Stage.PROCESS_ENDED, Stage.STARTED)
        ),
        "writes_per_trial": round(len(writes) / count, 2),
        "writes_by_kind": figures.by_kind(writes),
        "trials": count,
        "katib_apply_to_first_trial_s": {
            "reported": list(KATIB_SECONDS),
            "source": KATIB_SOURCE,
            "ratio_to_lower": round(KATIB_SECONDS[0] / applied["median"], 1),
        },
    }


def _check(here: ground.Ground, size: Size) -> None:
    """Fails where the figures would not mean what they say."""
    assert not here.kubelet.problems, here.kubelet.problems
    refused = [str(call) for call in here.proxy.writes() if call.verb == "create" and call.status == 409]
    assert not refused, f"another operator works on the same jobs; stop it for the measurement: {refused[:3]}"
    trials = here.timeline.trials
    assert len(trials) == size.jobs * size.trials, f"{len(trials)} trials instead of {size.jobs * size.trials}"
    again = [attempt.pod for attempt in here.kubelet.attempts if attempt.attempt > 1]
    assert not again, f"trials were started twice: {again}"


async def _stand(here: ground.Ground, size: Size) -> figures.Figures:
    """A job whose trials do nothing, beside the jobs that are complete."""
    job = builders.job(
        STANDING,
        algorithm="bayesian",
        trials=2 * size.parallel,
        parallel=size.parallel,
        placement=here.kubelet.placement,
    )
    await here.timeline.submit(job)
    for number in range(size.parallel):
        arrived = await here.kubelet.arrival(functools.partial(_is, STANDING, number))
        await here.kubelet.runs(arrived.pod)
    await here.settled(QUIET_SECONDS)
    _say(f"all is quiet; counting calls for {size.steady_seconds:.0f} s")
    before, cpu = len(here.proxy.calls), here.cpu_seconds()
    await asyncio.sleep(size.steady_seconds)
    calls = here.proxy.calls[before:]
    writes, minutes = [call for call in calls if call.writes], size.steady_seconds / 60
    memory = here.memory()
    return {
        "steady_writes_per_minute": round(len(writes) / minutes, 2),
        "steady_writes_by_kind": figures.by_kind(writes),
        "steady_reads_by_kind": figures.by_kind(call for call in calls if not call.writes),
        "steady_cpu_seconds_per_minute": round((here.cpu_seconds() - cpu) / minutes, 2),
        "operator_rss_mib": round(here.peak_rss / 2**20, 1),
        "operator_pss_mib": round(sum(one["pss"] for one in memory), 1),
        "operator_processes": memory,
    }


def _is(job: str, number: int, attempt: fates.Attempt) -> bool:
    return (attempt.job, attempt.number) == (job, number)


async def _surroundings(here: ground.Ground) -> figures.Figures:
    return {
        "ground": {
            "proxy_adds_s_per_call": round(await here.proxy_seconds(), 4),
            "clock_late_s": figures.summary(here.lags),
            "kubelet": "fake",
            "sidecars": "classic, answered by the fake kubelet through the proxy",
        },
        "machine": await ground.machine(here.api),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _value(figure: Any) -> float:
    return float(figure["median"] if isinstance(figure, dict) else figure)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--jobs", type=int, default=6)
    parser.add_argument("--trials", type=int, default=30, help="of each job")
    parser.add_argument("--parallel", type=int, default=4)
    parser.add_argument("--steady-seconds", type=float, default=60)
    size = Size(**vars(parser.parse_args()))
    named = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    if not named:
        parser.error("set KUBECONFIG to a cluster, or run it with: tests/cluster/use python -m benchmarks.latency")
    print(json.dumps(asyncio.run(measure(size, pathlib.Path(named)))))


if __name__ == "__main__":
    main()
