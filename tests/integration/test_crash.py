"""Crash exactness: whatever dies and whenever, the trials are those that would have run anyway, each once.

In the run that nothing disturbs, the fake kubelet ends a trial only when the job has refilled after the one before.
In the others trials end as soon as they can, in the same order, so that an operator that comes back finds several at
once. The operators are real processes and really killed.
"""

from __future__ import annotations

import asyncio
import dataclasses
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests import builders
from tests.integration import audit, client, zygote
from tests.integration.kubelet import Kubelet, Lockstep

Configurations = dict[int, dict[str, Any]]

SECONDS = 280.0


@dataclasses.dataclass
class Ground:
    """A namespace with operators behind a proxy, and jobs on the fake node."""

    api: client.Client
    namespace: str
    kubelet: Kubelet
    proxy: audit.Proxy
    operators: zygote.Zygote

    async def submit(self, trials: int, parallel: int, *, calm: bool = False) -> None:
        """Applies the one job; `calm` is for trials that wait for the job to refill before they end."""
        self.kubelet.lockstep = Lockstep(parallel if calm else 0, trials)
        job = builders.job(
            "job", algorithm="bayesian", trials=trials, parallel=parallel, placement=self.kubelet.placement
        )
        await self.api.create(job, self.namespace)

    async def complete(self) -> Configurations:
        """The configurations by trial number, when the job is complete."""
        await self.api.until(
            "TuningJob", self.namespace, "job", lambda job: job.get("status", {}).get("phase") == "Complete", SECONDS
        )
        trials = await self.api.list("TuningTrial", self.namespace)
        return {trial["spec"]["number"]: trial["spec"]["parameters"] for trial in trials}

    async def made(self, plural: str) -> list[str]:
        """Names of the objects that the API server has created, one for each success, dry runs apart."""
        return [
            call.object()["metadata"]["name"]
            for call in self.proxy.calls
            if call.verb == "create"
            and call.path.endswith(f"/{plural}")
            and call.status == 201
            and "dryRun" not in call.query
        ]

    async def clear(self) -> None:
        """Deletes the job and waits until nothing of it is left."""
        await self.api.delete("TuningJob", self.namespace, "job")
        async with asyncio.timeout(60):
            while await self.api.list("TuningTrial", self.namespace) or await self.api.list("Pod", self.namespace):
                await asyncio.sleep(0.1)
        self.proxy.calls.clear()


@pytest_asyncio.fixture(loop_scope="session")
async def ground(
    crds: None, cluster: client.Client, namespace: str, kubelet: Kubelet, proxy: audit.Proxy, tmp_path: pathlib.Path
) -> AsyncIterator[Ground]:
    operators = zygote.Zygote(namespace, proxy.kubeconfig_path, tmp_path / "operators.log")
    yield Ground(cluster, namespace, kubelet, proxy, operators)
    operators.close()


async def undisturbed(ground: Ground, trials: int, parallel: int) -> Configurations:
    """What the job comes to when nothing happens to its operator."""
    await ground.operators.fork()
    await ground.submit(trials, parallel, calm=True)
    found = await ground.complete()
    ground.operators.kill()
    await ground.clear()
    return found


class Reaper:
    """Kills the operator at every call that it makes: before the API server sees it, and at the next one after the
    API server has carried it out and before the operator hears of it, in turn.

    The next operator makes the call again, or finds that it need not; it is killed at the first call after that.
    """

    def __init__(self, operators: zygote.Zygote) -> None:
        self._operators = operators
        self._met: set[tuple[str, ...]] = set()
        self._before = True
        self.killed = asyncio.Event()
        self.kills = 0

    def __call__(self, call: audit.Call) -> audit.Fault | None:
        """The proxy asks this before each call."""
        if self.killed.is_set():
            return audit.Fault.DROP_BEFORE
        key = _identity(call)
        if key in self._met:
            return None
        self._met.add(key)
        self._before = not self._before
        fault = audit.Fault.DROP_BEFORE if self._before else audit.Fault.DROP_AFTER
        self._operators.kill()
        self.kills += 1
        self.killed.set()
        return fault


def _identity(call: audit.Call) -> tuple[str, ...]:
    """What makes a call the same when the next operator makes it again: not the times in its body."""
    body = call.object() if call.writes else {}
    match body:
        case {"metadata": {"name": name}}:
            return call.verb, call.path, call.query.get("dryRun", ""), name
        case [{"path": "/metadata/resourceVersion", "value": version}, *_]:
            return call.verb, call.path, version
        case _:
            return call.verb, call.path


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("trials", "parallel"), [(20, 1), (9, 3)], ids=["20 trials", "9 trials, 3 parallel"])
async def test_an_operator_killed_at_every_call_changes_nothing(ground: Ground, trials: int, parallel: int) -> None:
    expected = await undisturbed(ground, trials, parallel)
    reaper = Reaper(ground.operators)
    ground.proxy.on_call = reaper
    await ground.submit(trials, parallel)
    finished = asyncio.create_task(ground.complete())
    while not finished.done():
        reaper.killed.clear()
        await ground.operators.fork()
        killed = asyncio.create_task(reaper.killed.wait())
        await asyncio.wait([killed, finished], return_when=asyncio.FIRST_COMPLETED)
        killed.cancel()
    ground.proxy.on_call = None
    assert await finished == expected
    assert len(expected) == trials
    pods = await ground.made("pods")
    assert len(pods) == len(set(pods)) == trials
    made = await ground.made("tuningtrials")
    assert len(made) == len(set(made)) == trials
    assert reaper.kills > 4 * trials


async def test_two_operators_at_once_do_what_one_does(ground: Ground) -> None:
    expected = await undisturbed(ground, trials=12, parallel=3)
    await ground.operators.fork()
    await ground.operators.fork()
    await ground.submit(trials=12, parallel=3)
    assert await ground.complete() == expected
    pods = await ground.made("pods")
    assert len(pods) == len(set(pods)) == len(expected)


async def test_a_job_deleted_while_the_operator_is_down_leaves_nothing_behind(ground: Ground) -> None:
    await ground.operators.fork()
    await ground.submit(trials=20, parallel=2)
    async with asyncio.timeout(60):
        while len(await ground.api.list("Pod", ground.namespace)) < 3:
            await asyncio.sleep(0.05)
    ground.operators.kill()
    await ground.clear()
    assert await ground.api.find("TuningJob", ground.namespace, "job") is None
