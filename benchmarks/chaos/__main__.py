"""Runs rounds of jobs, breaks things at random moments, and compares what becomes of the jobs with an undisturbed run.

Real operators, really killed; a real API server; a proxy in between that loses, delays and refuses calls; and a kubelet
without containers, so that trials take a moment. The trials' own Pods are lost now and then, too. On the cluster of
tests/cluster/cluster its components are killed as well.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from tests import builders
from tests.integration import audit, client, fates, zygote
from tests.integration.fates import Fate
from tests.integration.kubelet import Kubelet, Lockstep

from benchmarks.chaos import faults
from benchmarks.latency import ground

JOBS, TRIALS, PARALLEL = 4, 10, 2
ROUND_SECONDS = 240.0
GONE_SECONDS = 90.0
PAUSE_SECONDS = (0.02, 0.5)
LOSSES = (Fate.EVICTED_WITH_STATUS, Fate.PREEMPTED, Fate.DELETED)

Outcome = dict[str, Any]


@dataclasses.dataclass
class Field:
    """Where it happens."""

    api: client.Client
    namespace: str
    kubelet: Kubelet
    proxy: audit.Proxy
    operators: zygote.Zygote


@dataclasses.dataclass
class Tally:
    """What went wrong."""

    lost: int = 0
    duplicated: int = 0
    wrong_best: int = 0
    different: int = 0
    orphans: int = 0
    stuck: int = 0


def manifest(index: int, field: Field) -> client.Object:
    """A job in which every suggestion depends on the results before it."""
    job = builders.job(
        f"chaos-{index}",
        algorithm="bayesian",
        trials=TRIALS,
        parallel=PARALLEL,
        seed=index,
        placement=field.kubelet.placement,
    )
    job["spec"]["trial"] = {"retries": 10}
    return job


async def tune(field: Field, *, calm: bool) -> dict[str, Outcome | None]:
    """Runs the jobs to their ends; what each came to, None for one that did not come to any."""
    field.kubelet.lockstep = Lockstep(PARALLEL if calm else 0, TRIALS)
    for index in range(JOBS):
        await _create(field, manifest(index, field))
    outcomes = await asyncio.gather(*(_outcome(field, f"chaos-{index}") for index in range(JOBS)))
    return {f"chaos-{index}": outcome for index, outcome in enumerate(outcomes)}


async def _outcome(field: Field, name: str) -> Outcome | None:
    deadline = time.monotonic() + ROUND_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(*OUTAGE):
            job = await field.api.find("TuningJob", field.namespace, name)
            if job is not None and (job.get("status") or {}).get("phase") in ("Complete", "Failed"):
                trials = await field.api.list("TuningTrial", field.namespace, labels=f"tuning-operator.dev/job={name}")
                return {
                    "best": _best(job["status"]),
                    "succeeded": job["status"]["trials"].get("succeeded", 0),
                    "configurations": {item["spec"]["number"]: item["spec"]["parameters"] for item in trials},
                }
        await asyncio.sleep(0.3)
    return None


def _best(status: client.Object) -> client.Object:
    best = status.get("best") or {}
    return {"values": best.get("values"), "parameters": best.get("parameters")}


OUTAGE = (aiohttp.ClientError, client.RefusedError, TimeoutError, OSError)


async def _create(field: Field, job: client.Object) -> None:
    """Creates a job, also while the API server comes and goes."""
    while True:
        try:
            await field.api.create(job, field.namespace)
        except client.RefusedError as refusal:
            if refusal.status == 409:
                return
        except OUTAGE:
            pass
        else:
            return
        await asyncio.sleep(0.2)


async def clear(field: Field) -> int:
    """Deletes the jobs; answers how many of their objects are left after a while."""
    deadline = time.monotonic() + GONE_SECONDS
    for index in range(JOBS):
        while time.monotonic() < deadline:
            with contextlib.suppress(*OUTAGE):
                await field.api.delete("TuningJob", field.namespace, f"chaos-{index}")
                break
            await asyncio.sleep(0.2)
    left = -1
    while time.monotonic() < deadline and left:
        with contextlib.suppress(*OUTAGE):
            left = sum([len(await field.api.list(kind, field.namespace)) for kind in ("TuningTrial", "Pod")])
        await asyncio.sleep(0.2)
    field.proxy.calls.clear()
    field.kubelet.reset()
    return abs(left)


def judge(field: Field, tally: Tally, expected: dict[str, Outcome | None], found: dict[str, Outcome | None]) -> None:
    """Compares a round with the undisturbed one."""
    ends = collections.Counter(
        (attempt.job, attempt.number)
        for attempt in field.kubelet.attempts
        if field.kubelet.script(attempt).fate.is_final()
    )
    tally.duplicated += sum(count - 1 for count in ends.values())
    for name, should in expected.items():
        outcome = found[name]
        assert should is not None, "a job did not end although nothing disturbed it"
        if outcome is None:
            tally.stuck += 1
            continue
        tally.lost += TRIALS - outcome["succeeded"]
        tally.wrong_best += outcome["best"] != should["best"]
        tally.different += outcome["configurations"] != should["configurations"]


def unlucky(seed: int) -> fates.Script:
    """Every seventh trial or so loses its Pod, once, in a way that is nobody's fault."""

    def script(attempt: fates.Attempt) -> fates.Course:
        usual = dataclasses.replace(fates.succeed(attempt), running=0.2)
        dice = random.Random(f"{seed}/{attempt.job}/{attempt.number}")
        if attempt.attempt == 1 and dice.random() < 1 / 7:
            return dataclasses.replace(usual, fate=dice.choice(LOSSES))
        return usual

    return script


async def campaign(seed: int, wanted: int, kubeconfig: pathlib.Path, *, components: bool) -> Outcome:
    """Rounds until so many faults were met; answers the tally."""
    dice, tally, began = random.Random(seed), Tally(), time.monotonic()
    async with _field(kubeconfig) as field:
        await field.operators.fork()
        expected = await tune(field, calm=True)
        await clear(field)
        _say(f"seed {seed}: undisturbed, {JOBS} jobs of {TRIALS} trials took {time.monotonic() - began:.0f} s")
        maker = faults.Troublemaker(field.proxy, field.operators, dice, components=components)
        rounds = pods = 0
        while len(maker.met) < wanted:
            rounds += 1
            field.kubelet.script = unlucky(seed + rounds)
            running = asyncio.create_task(tune(field, calm=False))
            while not running.done():
                await asyncio.wait([running], timeout=dice.uniform(*PAUSE_SECONDS))
                if not running.done() and len(maker.met) < wanted:
                    await maker.next()
            maker.rest()
            pods += sum(not field.kubelet.script(one).fate.is_final() for one in field.kubelet.attempts)
            judge(field, tally, expected, await running)
            tally.orphans += await clear(field)
            # One operator is left for the next round, also where a second one was started.
            field.operators.kill()
            await field.operators.fork()
            _say(f"round {rounds}: {len(maker.met)} of {wanted} faults so far, {dataclasses.asdict(tally)}")
        problems = list(field.kubelet.problems)
    kinds = collections.Counter(map(str, maker.met))
    return {
        "seed": seed,
        "faults": len(maker.met) + pods,
        **dataclasses.asdict(tally),
        "by_kind": dict(kinds.most_common()) | {"Pod lost": pods},
        "rounds": rounds,
        "trials": rounds * JOBS * TRIALS,
        "problems": problems,
        "seconds": round(time.monotonic() - began),
    }


@contextlib.asynccontextmanager
async def _field(kubeconfig: pathlib.Path) -> AsyncIterator[Field]:
    async with contextlib.AsyncExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        api = await stack.enter_async_context(await client.Client.connect(kubeconfig, "tuning-chaos"))
        await ground.install(api)
        namespace = await stack.enter_async_context(api.namespace())
        kubelet = await stack.enter_async_context(Kubelet(api, f"fake-{uuid.uuid4().hex[:8]}"))
        proxy = await stack.enter_async_context(audit.Proxy(kubeconfig))
        operators = zygote.Zygote(namespace, proxy.kubeconfig_path, folder / "operators.log")
        stack.callback(operators.close)
        yield Field(api, namespace, kubelet, proxy, operators)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--components", choices=("auto", "yes", "no"), default="auto", help="kill the cluster's own")
    given = parser.parse_args()
    named = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    if not named:
        parser.error("set KUBECONFIG to a cluster, or run: make chaos")
    home = pathlib.Path(os.environ.get("TUNING_CLUSTER_HOME") or pathlib.Path.home() / ".cache" / "tuning-cluster")
    ours = pathlib.Path(named).resolve() == (home / "admin.kubeconfig").resolve()
    components = given.components == "yes" or (given.components == "auto" and ours)
    _say(f"seed {given.seed}, components {'are killed, too' if components else 'are left alone'}")
    result = asyncio.run(campaign(given.seed, given.faults, pathlib.Path(named), components=components))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
