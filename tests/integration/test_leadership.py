"""Two operators and one Lease: one works, the other takes over, and whoever was asleep writes nothing any more."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import pathlib
import signal
import time
from collections.abc import AsyncIterator

import pytest_asyncio

from tests import builders
from tests.integration import audit, client, process
from tests.integration.kubelet import Kubelet

TAKEOVER_SECONDS = 15.0
LEASES = "/leases"


class Replica:
    """An operator with a proxy of its own, so that its calls can be told from the other's."""

    def __init__(self, name: str, namespace: str, proxy: audit.Proxy, folder: pathlib.Path) -> None:
        self.name = name
        self.proxy = proxy
        lease = ("--lease", f"{namespace}/tuning-operator", "--identity", name)
        self.process = process.Operator(namespace, proxy.kubeconfig_path, folder / f"{name}.log", *lease)

    def work(self, since: datetime.datetime) -> list[str]:
        """Its writes from then on, those of the Lease apart."""
        return [str(call) for call in self.proxy.writes() if LEASES not in call.path and call.time >= since]

    def stop_all(self, number: signal.Signals) -> None:
        """The signal to all its processes."""
        for one in self.process.family():
            one.send_signal(number)


@pytest_asyncio.fixture(loop_scope="session")
async def replicas(
    crds: None, namespace: str, kubeconfig: pathlib.Path, tmp_path: pathlib.Path
) -> AsyncIterator[tuple[Replica, Replica]]:
    async with contextlib.AsyncExitStack() as stack:
        made = []
        for name in ("one", "two"):
            replica = Replica(name, namespace, await stack.enter_async_context(audit.Proxy(kubeconfig)), tmp_path)
            stack.callback(replica.process.kill)
            made.append(replica)
        yield made[0], made[1]


async def started(one: Replica, two: Replica) -> None:
    """The first leads, and the second waits with its caches full."""
    one.process.start()
    await one.process.said("leading")
    two.process.start()
    await one.process.ready()
    await two.process.ready()


async def until_it_works(replica: Replica, since: datetime.datetime, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not replica.work(since):
            await asyncio.sleep(0.02)


async def test_a_paused_leader_is_replaced_within_15_seconds_and_writes_nothing_when_it_wakes_up(
    cluster: client.Client, kubelet: Kubelet, namespace: str, replicas: tuple[Replica, Replica]
) -> None:
    one, two = replicas
    await started(one, two)
    job = builders.job("job", algorithm="random", trials=40, parallel=2, placement=kubelet.placement)
    begin = _now()
    await cluster.create(job, namespace)
    await kubelet.arrival(lambda attempt: attempt.number == 4)
    assert two.work(begin) == []
    one.stop_all(signal.SIGSTOP)
    paused, stopwatch = _now(), time.monotonic()
    await until_it_works(two, paused, TAKEOVER_SECONDS)
    assert time.monotonic() - stopwatch <= TAKEOVER_SECONDS
    await asyncio.sleep(0.2)  # what was on its way from the first has arrived
    woken = _now()
    one.stop_all(signal.SIGCONT)
    await one.process.said("the lease is lost")
    await cluster.until("TuningJob", namespace, "job", _is_complete, 120)
    assert one.work(woken) == []
    pods = [attempt.pod for attempt in kubelet.attempts]
    assert len(pods) == len(set(pods)) == 40
    assert len(await cluster.list("TuningTrial", namespace)) == 40


async def test_a_leader_that_stops_hands_over_at_once(
    cluster: client.Client, kubelet: Kubelet, namespace: str, replicas: tuple[Replica, Replica]
) -> None:
    one, two = replicas
    await started(one, two)
    begin = _now()
    assert await one.process.stop(seconds=4) == 0
    await cluster.create(builders.job("job", trials=2, placement=kubelet.placement), namespace)
    await until_it_works(two, begin, seconds=5)
    await cluster.until("TuningJob", namespace, "job", _is_complete)
    lease = await cluster.get("Lease", namespace, "tuning-operator")
    assert lease["spec"]["holderIdentity"] == "two"


async def test_a_killed_leader_that_starts_again_waits_for_nobody(replicas: tuple[Replica, Replica]) -> None:
    one, _ = replicas
    one.process.start()
    await one.process.said("leading")
    one.process.kill()
    one.process.start()
    begin = time.monotonic()
    await one.process.ready()
    while one.process.log().count("leading") < 2:
        assert time.monotonic() - begin < 5
        await asyncio.sleep(0.02)


async def test_a_cut_off_leader_steps_down_and_goes_on_afterwards(
    cluster: client.Client, kubelet: Kubelet, namespace: str, replicas: tuple[Replica, Replica]
) -> None:
    """It stays one process: an outage of the API server is no reason to start anew."""
    one, _ = replicas
    one.process.start()
    await one.process.said("leading")
    await one.process.ready()
    one.proxy.on_call = lambda call: audit.Fault.DROP_BEFORE
    await one.process.said("the lease is lost")
    assert one.process.runs()
    one.proxy.on_call = None
    await cluster.create(builders.job("job", trials=2, placement=kubelet.placement), namespace)
    await cluster.until("TuningJob", namespace, "job", _is_complete)


def _is_complete(job: client.Object) -> bool:
    return bool(job.get("status", {}).get("phase") == "Complete")


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
