"""Measures what a trial costs after 100 and after 10,000 others, a restart among these, and many jobs at once.

The past is written as the operator would have left it, since to run it would take hours: what is measured is the
operator that finds it. The API server is real, the kubelet has no containers.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import pathlib
import socket
import sys
import time
from typing import Any

import aiohttp
from prometheus_client import parser
from tests import builders
from tests.integration import audit, client, fates

from benchmarks.latency import ground
from benchmarks.scale import history

TARGETS = {
    "operator_rss_mib": 400.0,
    "loop_lag_ms_p99": 100.0,
    "restart_s": 10.0,
    "cost_growth_100_to_10000": 1.5,
    "status_bytes": 64 * 1024,
}
"""Bounds: at most so much."""
SECONDS = 900.0
SPARE = 12
"""Trials that are left to do for the operator that is started anew."""
QUIET_SECONDS = 3.0
LAG = "tuning_operator_event_loop_lag_seconds_bucket"


@dataclasses.dataclass(frozen=True)
class Size:
    """How much is measured."""

    few: int
    many: int
    more: int
    idle: int
    jobs: int


def _manifest(here: ground.Ground, name: str, trials: int, parallel: int = 4) -> client.Object:
    job = builders.job(name, algorithm="random", trials=trials, parallel=parallel, placement=here.kubelet.placement)
    job["spec"]["parameters"] = [builders.real("x")]
    return job


async def measure(size: Size, kubeconfig: pathlib.Path) -> dict[str, Any]:
    """All figures."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with ground.prepared(kubeconfig, "--port", str(port)) as here:
        here.kubelet.script = lambda attempt: dataclasses.replace(fates.succeed(attempt), running=0.2)
        watching = asyncio.create_task(here.sample_memory())
        try:
            began = time.monotonic()
            await history.finished(here.api, here.namespace, size.idle, here.kubelet.placement)
            await history.job(here.api, here.namespace, _manifest(here, "few", size.few + size.more + SPARE), size.few)
            await history.job(
                here.api, here.namespace, _manifest(here, "many", size.many + size.more + SPARE), size.many
            )
            _say(f"the past was written in {time.monotonic() - began:.0f} s")
            here.operator.start()
            await here.operator.ready(120)
            await here.settled(QUIET_SECONDS)
            few = await _cost(here, "few", size.few, size)
            await _complete(here, "few")
            many = await _cost(here, "many", size.many, size)
            lag = await _lag(port)
            restart = await _restart(here)
            await _complete(here, "many")
            burst = await _burst(here, size)
            lag = max(lag, await _lag(port))
            result = {
                "operator_rss_mib": round(here.peak_rss / 2**20, 1),
                "loop_lag_ms_p99": round(1000 * lag, 1),
                "restart_s": round(restart, 2),
                **_figures(few, many, size),
                "burst_trials_per_s": round(burst, 1),
                "machine": await ground.machine(here.api),
            }
            return {**result, "met": {name: result[name] <= bound for name, bound in TARGETS.items()}}
        except BaseException:
            _say(f"the operator's log ends with:\n{here.operator.log()[-3000:]}")
            raise
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching


def _figures(few: dict[str, float], many: dict[str, float], size: Size) -> dict[str, Any]:
    return {
        "cost_growth_100_to_10000": round(many["cpu_s"] / few["cpu_s"], 2),
        "calls_growth_100_to_10000": round(many["calls"] / few["calls"], 2),
        "per_trial": {str(size.few): few, str(size.many): many},
        "status_bytes": many["status_bytes"],
        "size": dataclasses.asdict(size),
    }


async def _cost(here: ground.Ground, name: str, first: int, size: Size) -> dict[str, float]:
    """Lets a job with `first` trials go on; processor time and calls for each trial that it starts then."""
    calls, cpu = len(here.proxy.calls), here.cpu_seconds()
    await here.api.patch("TuningJob", here.namespace, name, {"spec": {"suspend": False}})
    await _finished(here, name, first + size.more)
    spent, made = here.cpu_seconds() - cpu, here.proxy.calls[calls:]
    started = sum(call.verb == "create" and call.path.endswith("/pods") and call.status == 201 for call in made)
    job = await here.api.get("TuningJob", here.namespace, name)
    _say(f"{name}: {spent / started:.3f} s and {len(made) / started:.1f} calls for each of {started} trials")
    return {
        "cpu_s": round(spent / started, 4),
        "calls": round(len(made) / started, 2),
        "trials": started,
        "status_bytes": len(json.dumps(job["status"])),
    }


async def _restart(here: ground.Ground) -> float:
    """Kills the operator and starts it anew; seconds until it has written something."""
    here.operator.kill()
    written, began = asyncio.Event(), time.monotonic()

    def note(call: audit.Call) -> None:
        if call.writes:
            written.set()

    here.proxy.on_call = note
    here.operator.start()
    async with asyncio.timeout(SECONDS):
        await written.wait()
    here.proxy.on_call = None
    return time.monotonic() - began


async def _burst(here: ground.Ground, size: Size) -> float:
    """Many jobs at once; trials a second."""
    if not size.jobs:
        return 0.0
    began = time.monotonic()
    for index in range(size.jobs):
        await here.api.create(_manifest(here, f"burst-{index}", 10, parallel=5), here.namespace)
    for index in range(size.jobs):
        await _complete(here, f"burst-{index}")
    return 10 * size.jobs / (time.monotonic() - began)


async def _finished(here: ground.Ground, name: str, trials: int) -> None:
    def enough(job: client.Object) -> bool:
        return bool(((job.get("status") or {}).get("trials") or {}).get("succeeded", 0) >= trials)

    await here.api.until("TuningJob", here.namespace, name, enough, SECONDS)


async def _complete(here: ground.Ground, name: str) -> None:
    def over(job: client.Object) -> bool:
        return bool((job.get("status") or {}).get("phase") in ("Complete", "Failed"))

    await here.api.until("TuningJob", here.namespace, name, over, SECONDS)


async def _lag(port: int) -> float:
    """The bucket's bound below which 99 of 100 measurements of the operator's own event loop lie, in seconds."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        told = await answer.text()
    buckets = sorted(
        (float(sample.labels["le"]), sample.value)
        for family in parser.text_string_to_metric_families(told)
        for sample in family.samples
        if sample.name == LAG
    )
    total = buckets[-1][1]
    return next(bound for bound, count in buckets if count >= 0.99 * total)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Entry point."""
    parsed = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parsed.add_argument("--few", type=int, default=100, help="trials that the small job has had")
    parsed.add_argument("--many", type=int, default=10_000, help="trials that the large job has had")
    parsed.add_argument("--more", type=int, default=40, help="trials that each of the two has still to do")
    parsed.add_argument("--idle", type=int, default=1000, help="jobs that have ended")
    parsed.add_argument("--jobs", type=int, default=20, help="jobs of ten trials at once")
    size = Size(**vars(parsed.parse_args()))
    named = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    if not named:
        parsed.error("set KUBECONFIG to a cluster, or run it with: tests/cluster/use python -m benchmarks.scale")
    print(json.dumps(asyncio.run(measure(size, pathlib.Path(named)))))


if __name__ == "__main__":
    main()
