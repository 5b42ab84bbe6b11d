"""Trials start only when there is room: against a real API server with its real scheduler and quota controller."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
from typing import Any

import pytest

from tests import builders
from tests.integration import client, fates, process
from tests.integration.fates import Fate
from tests.integration.kubelet import Kubelet

GPU = "nvidia.com/gpu"
"""The fake node has 8 of them."""

pytestmark = pytest.mark.usefixtures("crds")


def asking(kubelet: Kubelet, **limits: int) -> client.Object:
    """Fields of a job whose trials take so much each."""
    (container,) = builders.template()["spec"]["containers"]
    container["resources"] = {"limits": {GPU if name == "gpu" else name: str(value) for name, value in limits.items()}}
    return {"placement": {**kubelet.placement, "containers": [container]}}


def waiting(job: client.Object) -> client.Object:
    """The condition that tells of a shortage; empty where there is none."""
    conditions = (job.get("status") or {}).get("conditions") or []
    return next((one for one in conditions if one["type"] == "WaitingForResources" and one["status"] == "True"), {})


def is_short(job: client.Object) -> bool:
    return bool(waiting(job))


def is_complete(job: client.Object) -> bool:
    return bool((job.get("status") or {}).get("phase") == "Complete")


class Watch:
    """Looks for Pods that are in the way: those that wait for a node."""

    def __init__(self, cluster: client.Client, namespace: str) -> None:
        self.oldest = 0.0
        self._cluster = cluster
        self._namespace = namespace

    async def __aenter__(self) -> Watch:
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            for pod in await self._cluster.list("Pod", self._namespace, fields="spec.nodeName=,status.phase=Pending"):
                made = datetime.datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
                age = (datetime.datetime.now(datetime.UTC) - made).total_seconds()
                # Times of creation are whole seconds.
                self.oldest = max(self.oldest, age - 1)
            await asyncio.sleep(0.2)


async def test_two_jobs_share_the_gpus_and_no_pod_stands_in_the_way(
    operator: process.Operator, cluster: client.Client, kubelet: Kubelet, namespace: str
) -> None:
    kubelet.script = lambda attempt: dataclasses.replace(fates.succeed(attempt), running=0.3)
    operator.start()
    async with Watch(cluster, namespace) as watch:
        for name in ("one", "other"):
            job = builders.job(name, trials=8, parallel=8, **asking(kubelet, gpu=2))
            await cluster.create(job, namespace)
        await asyncio.gather(*(cluster.until("TuningJob", namespace, name, is_complete) for name in ("one", "other")))
    assert watch.oldest < 5
    trials = await cluster.list("TuningTrial", namespace)
    assert [len(trial["status"]["attempts"]) for trial in trials] == [1] * 16


async def test_a_trial_that_fits_nowhere_is_told_at_once_and_ends_the_job_in_time(
    operator: process.Operator, cluster: client.Client, kubelet: Kubelet, namespace: str
) -> None:
    operator.start()
    job = builders.job("huge", trials=1, limits={"maxUnfit": "3s"}, **asking(kubelet, gpu=9))
    await cluster.create(job, namespace)
    told = await cluster.until("TuningJob", namespace, "huge", is_short)
    assert waiting(told)["reason"] == "FitsNoNode"
    assert "needs 9 nvidia.com/gpu; no node that is open to it has more than 8" in waiting(told)["message"]
    over = await cluster.until("TuningJob", namespace, "huge", lambda job: job["status"]["phase"] == "Failed")
    assert "for limits.maxUnfit (3s) no trial could have run" in over["status"]["message"]
    assert await cluster.list("Pod", namespace) == []


async def test_the_next_profile_is_used_where_there_is_no_room_for_the_first(
    operator: process.Operator, cluster: client.Client, kubelet: Kubelet, namespace: str
) -> None:
    kubelet.script = fates.always(Fate.HELD)
    operator.start()
    profiles = [
        {"name": "gpu", "resources": {"limits": {GPU: 4}}},
        {"name": "cpu", "resources": {"requests": {"cpu": 1}}},
    ]
    job = builders.job("mixed", trials=3, parallel=3, profiles=profiles, placement=kubelet.placement)
    await cluster.create(job, namespace)
    for number in range(3):
        await kubelet.arrival(lambda one, number=number: one.number == number)  # type: ignore[misc]
    pods = await cluster.list("Pod", namespace)
    found = [
        (
            pod["metadata"]["annotations"]["tuning-operator.dev/profile"],
            {item["name"]: item.get("value") for item in pod["spec"]["containers"][0]["env"]}["TUNING_PROFILE"],
            pod["spec"]["containers"][0]["resources"].get("limits", {}),
        )
        for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"]))
    ]
    assert sorted(found, key=str) == [("cpu", "cpu", {}), ("gpu", "gpu", {GPU: "4"}), ("gpu", "gpu", {GPU: "4"})]


async def test_room_that_others_take_and_give_back_is_seen(
    operator: process.Operator, cluster: client.Client, kubelet: Kubelet, namespace: str
) -> None:
    kubelet.script = fates.always(Fate.HELD)
    theirs = builders.trial_pod("theirs", placement=kubelet.placement)
    theirs["spec"]["containers"][0]["resources"] = {"limits": {GPU: "8"}}
    await cluster.create(theirs, namespace)
    await cluster.until("Pod", namespace, "theirs", lambda pod: "nodeName" in pod["spec"])
    operator.start()
    await cluster.create(builders.job("ours", trials=1, **asking(kubelet, gpu=1)), namespace)
    told = await cluster.until("TuningJob", namespace, "ours", is_short)
    assert "needs 1 nvidia.com/gpu; 0 of 8 free on 1 node" in waiting(told)["message"]
    assert waiting(told)["reason"] == "NodesFull"
    await cluster.delete("Pod", namespace, "theirs", grace=0)
    await kubelet.arrival(lambda one: one.number == 0)
    await cluster.until("TuningJob", namespace, "ours", lambda job: not waiting(job))


async def test_a_cordoned_node_is_named_and_used_again_afterwards(
    operator: process.Operator, cluster: client.Client, kubelet: Kubelet, namespace: str
) -> None:
    await cluster.patch("Node", "", kubelet.node.name, {"spec": {"unschedulable": True}})
    try:
        operator.start()
        await cluster.create(builders.job("job", trials=1, placement=kubelet.placement), namespace)
        told = await cluster.until("TuningJob", namespace, "job", is_short)
        assert "1 node is cordoned" in waiting(told)["message"] or "1 more node is cordoned" in waiting(told)["message"]
    finally:
        await cluster.patch("Node", "", kubelet.node.name, {"spec": {"unschedulable": None}})
    await cluster.until("TuningJob", namespace, "job", is_complete)


async def test_a_quota_that_is_raised_lets_trials_start(
    operator: process.Operator, cluster: client.Client, kubelet: Kubelet, namespace: str
) -> None:
    hard: dict[str, Any] = {f"requests.{GPU}": "1"}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "gpus"}, "spec": {"hard": hard}}
    await cluster.create(quota, namespace)
    await cluster.until("ResourceQuota", namespace, "gpus", lambda quota: "hard" in quota.get("status", {}))
    operator.start()
    await cluster.create(builders.job("job", trials=1, **asking(kubelet, gpu=2)), namespace)
    told = await cluster.until("TuningJob", namespace, "job", is_short)
    assert waiting(told)["reason"] == "QuotaTooSmall"
    assert "needs of the quota gpus: 2 requests.nvidia.com/gpu, 1 of 1 left" in waiting(told)["message"]
    hard[f"requests.{GPU}"] = "2"
    await cluster.patch("ResourceQuota", namespace, "gpus", {"spec": {"hard": hard}})
    await cluster.until("TuningJob", namespace, "job", is_complete)


async def test_a_pod_that_finds_no_node_for_another_reason_is_withdrawn_within_seconds(
    operator: process.Operator, cluster: client.Client, kubelet: Kubelet, namespace: str
) -> None:
    """The scheduler keeps Pods with this anti-affinity apart, which the operator does not count."""
    kubelet.script = fates.always(Fate.HELD)
    apart = {"labelSelector": {"matchLabels": {"kept": "apart"}}, "topologyKey": "kubernetes.io/hostname"}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}}
    job = builders.job("apart", trials=2, parallel=2, placement={**kubelet.placement, "affinity": affinity})
    job["spec"]["template"]["metadata"] = {"labels": {"kept": "apart"}}
    operator.start()
    async with Watch(cluster, namespace) as watch:
        await cluster.create(job, namespace)
        told = await cluster.until("TuningJob", namespace, "apart", is_short)
        assert waiting(told)["reason"] == "Unschedulable"

        def withdrawn(trial: client.Object) -> bool:
            attempts = (trial.get("status") or {}).get("attempts") or []
            return any(attempt.get("reason") == "Withdrawn" for attempt in attempts)

        async with asyncio.timeout(20):
            while not any(map(withdrawn, await cluster.list("TuningTrial", namespace))):
                await asyncio.sleep(0.2)
        assert [trial["status"].get("losses", 0) for trial in await cluster.list("TuningTrial", namespace)] == [0, 0]
        await asyncio.sleep(2)
    assert watch.oldest < 5
