"""Trials that print their metrics: no Pod has a sidecar, and no result is lost with an operator or a connection."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import pytest_asyncio

from tests import builders
from tests.integration import audit, client, fates, process
from tests.integration.fates import Fate
from tests.integration.kubelet import Kubelet

TRIALS = 4


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def _logs(proxy: audit.Proxy, kubelet: Kubelet) -> None:
    proxy.logs = kubelet.log


def job(kubelet: Kubelet, **fields: Any) -> client.Object:
    """A job whose trials print."""
    return builders.job(
        "job", trials=TRIALS, parallel=2, metrics={"source": "stdout"}, placement=kubelet.placement, **fields
    )


async def complete(cluster: client.Client, namespace: str) -> list[client.Object]:
    """The trials, when the job is complete."""
    await cluster.until("TuningJob", namespace, "job", lambda job: job.get("status", {}).get("phase") == "Complete", 60)
    return await cluster.list("TuningTrial", namespace)


def check(trials: list[client.Object]) -> None:
    """Each value is what the trial has printed last, whoever has read it."""
    assert len(trials) == TRIALS
    for trial in trials:
        value = fates.bowl(trial["spec"]["parameters"])
        assert trial["status"]["values"]["accuracy"] == pytest.approx(value)
        (metric,) = trial["status"]["metrics"]
        assert metric["steps"] == [1, 2, 3]


async def test_what_trials_print_is_their_result(
    operator: process.Operator, cluster: client.Client, kubelet: Kubelet, namespace: str
) -> None:
    operator.start()
    await cluster.create(job(kubelet), namespace)
    check(await complete(cluster, namespace))
    pods = await cluster.list("Pod", namespace)
    assert [[container["name"] for container in pod["spec"]["containers"]] for pod in pods] == [["trial"]] * TRIALS


async def test_no_end_of_an_operator_loses_or_doubles_a_result(
    operator: process.Operator, cluster: client.Client, kubelet: Kubelet, proxy: audit.Proxy, namespace: str
) -> None:
    """It is killed each time when it has asked for a log, before it has heard of what is in it."""
    killed: set[str] = set()

    def kill(call: audit.Call) -> audit.Fault | None:
        if not call.path.endswith("/log") or call.path in killed:
            return None
        killed.add(call.path)
        operator.kill()
        operator.start()
        return audit.Fault.DROP_AFTER

    proxy.on_call = kill
    operator.start()
    await cluster.create(job(kubelet), namespace)
    check(await complete(cluster, namespace))
    assert len(killed) == TRIALS
    assert len(await cluster.list("Pod", namespace)) == TRIALS


async def test_connections_that_break_cost_nothing(
    operator: process.Operator, cluster: client.Client, kubelet: Kubelet, proxy: audit.Proxy, namespace: str
) -> None:
    broken: dict[str, int] = {}

    def break_off(call: audit.Call) -> audit.Fault | None:
        if not call.path.endswith("/log"):
            return None
        broken[call.path] = broken.get(call.path, 0) + 1
        return audit.Fault.DROP_BEFORE if broken[call.path] <= 3 else None

    proxy.on_call = break_off
    operator.start()
    await cluster.create(job(kubelet), namespace)
    check(await complete(cluster, namespace))


def is_first(number: int, attempt: fates.Attempt) -> bool:
    """Whether it is the first attempt of that trial."""
    return (attempt.number, attempt.attempt) == (number, 1)


async def test_a_pod_that_is_deleted_before_its_log_was_read_is_started_again(
    operator: process.Operator, cluster: client.Client, kubelet: Kubelet, proxy: audit.Proxy, namespace: str
) -> None:
    deleted: set[str] = set()

    def drop(call: audit.Call) -> audit.Fault | None:
        pod = call.path.removesuffix("/log").rpartition("/")[2]
        asked_for_log = call.path.endswith("-1/log")
        return audit.Fault.DROP_BEFORE if asked_for_log and pod not in deleted else None

    proxy.on_call = drop
    operator.start()
    await cluster.create(job(kubelet), namespace)
    for number in range(TRIALS):
        first = await kubelet.arrival(functools.partial(is_first, number))
        await cluster.until("Pod", namespace, first.pod, lambda pod: pod["status"]["phase"] == "Succeeded")
        await cluster.delete("Pod", namespace, first.pod, grace=0)
        deleted.add(first.pod)
    trials = await complete(cluster, namespace)
    check(trials)
    for trial in trials:
        attempts = trial["status"]["attempts"]
        assert [(each["phase"], each.get("reason")) for each in attempts] == [
            ("Lost", "LogUnreadable"),
            ("Succeeded", None),
        ]


async def test_a_trial_that_fails_keeps_what_it_has_printed(
    operator: process.Operator, cluster: client.Client, kubelet: Kubelet, namespace: str
) -> None:
    kubelet.script = fates.always(Fate.FAILED)
    operator.start()
    await cluster.create(job(kubelet, limits={"maxFailedTrials": 0, "parallelTrials": 1}), namespace)
    await cluster.until("TuningJob", namespace, "job", lambda job: job.get("status", {}).get("phase") == "Failed", 60)
    (trial,) = await cluster.list("TuningTrial", namespace)
    assert trial["status"]["reason"] == "NonZeroExit"
    assert trial["status"]["metrics"][0]["count"] == 3
