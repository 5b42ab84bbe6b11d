"""What lies beside the common path: names that are taken, objects that users delete, Pods that are gone at once."""

from __future__ import annotations

import asyncio

import pytest

from tests import builders
from tests.integration import audit, client, fates, process
from tests.integration.fates import Fate
from tests.integration.kubelet import Kubelet
from tuning_operator.kube import names


def is_complete(job: client.Object) -> bool:
    return bool(job.get("status", {}).get("phase") == "Complete")


async def test_a_pod_of_somebody_else_with_the_name_that_is_needed_is_told_and_left_alone(
    operator: process.Operator, cluster: client.Client, kubelet: Kubelet, namespace: str
) -> None:
    operator.start()
    manifest = builders.job("job", trials=1, placement=kubelet.placement, suspend=True)
    uid = (await cluster.create(manifest, namespace))["metadata"]["uid"]
    name = names.pod(names.trial("job", uid, 0), 1)
    theirs = builders.trial_pod(name, placement={"nodeSelector": {"no-node": "has-this"}})
    await cluster.create(theirs, namespace)
    await cluster.patch("TuningJob", namespace, "job", {"spec": {"suspend": False}})
    job = await cluster.until(
        "TuningJob", namespace, "job", lambda job: name in job.get("status", {}).get("message", "")
    )
    assert "belongs to somebody else" in job["status"]["message"]
    events = await cluster.list("Event", namespace, fields="involvedObject.name=job,type=Warning")
    assert any(name in event["message"] for event in events)
    assert "deletionTimestamp" not in (await cluster.get("Pod", namespace, name))["metadata"]
    await cluster.delete("Pod", namespace, name, grace=0)
    await cluster.until("TuningJob", namespace, "job", is_complete)


async def test_a_job_recreated_under_its_name_has_nothing_to_do_with_the_old_one(
    operator: process.Operator, cluster: client.Client, kubelet: Kubelet, namespace: str
) -> None:
    """Although the Pods of the old one take a while to go."""
    kubelet.script = fates.always(Fate.HELD, leaving=2)
    operator.start()
    manifest = builders.job("job", trials=2, parallel=2, placement=kubelet.placement)
    old = (await cluster.create(manifest, namespace))["metadata"]["uid"]
    pods = [(await kubelet.arrival(lambda a, n=n: a.number == n)).pod for n in (0, 1)]  # type: ignore[misc]
    for pod in pods:
        await kubelet.runs(pod)
    kubelet.script = fates.succeed
    await cluster.delete("TuningJob", namespace, "job")
    new = (await cluster.create(manifest, namespace))["metadata"]["uid"]
    job = await cluster.until("TuningJob", namespace, "job", is_complete)
    assert (job["metadata"]["uid"], job["status"]["trials"]["succeeded"]) == (new, 2)
    assert [attempt.number for attempt in kubelet.attempts if attempt.job_uid == new] == [0, 1]
    assert [attempt.pod for attempt in kubelet.attempts if attempt.job_uid == old] == pods


async def test_a_trial_that_a_user_deletes_is_made_anew_and_the_job_goes_on(
    operator: process.Operator, cluster: client.Client, kubelet: Kubelet, namespace: str
) -> None:
    kubelet.script = lambda attempt: (fates.always(Fate.HELD) if attempt.number == 1 else fates.succeed)(attempt)
    operator.start()
    await cluster.create(builders.job("job", trials=3, placement=kubelet.placement), namespace)
    held = await kubelet.arrival(lambda attempt: attempt.number == 1)
    await kubelet.runs(held.pod)
    kubelet.script = fates.succeed
    await cluster.delete("TuningTrial", namespace, held.trial)
    job = await cluster.until("TuningJob", namespace, "job", is_complete)
    assert job["status"]["trials"]["succeeded"] == 3
    assert [attempt.number for attempt in kubelet.attempts] == [0, 1, 1, 2]


async def test_a_trial_written_by_hand_is_left_alone(
    operator: process.Operator, cluster: client.Client, kubelet: Kubelet, namespace: str
) -> None:
    operator.start()
    manifest = builders.job("job", trials=2, placement=kubelet.placement, suspend=True)
    uid = (await cluster.create(manifest, namespace))["metadata"]["uid"]
    owner = {"apiVersion": builders.API_VERSION, "kind": "TuningJob", "name": "job", "uid": uid, "controller": True}
    by_hand = {
        "apiVersion": builders.API_VERSION,
        "kind": "TuningTrial",
        "metadata": {"name": "by-hand", "ownerReferences": [owner]},
        "spec": {"job": {"name": "job", "uid": uid}, "number": 0, "parameters": {"x": 0.5}, "origin": "random"},
    }
    await cluster.create(by_hand, namespace)
    await cluster.patch("TuningJob", namespace, "job", {"spec": {"suspend": False}})
    job = await cluster.until("TuningJob", namespace, "job", is_complete)
    assert job["status"]["trials"]["succeeded"] == 2
    assert "status" not in await cluster.get("TuningTrial", namespace, "by-hand")


@pytest.mark.parametrize(
    ("fate", "reason"),
    [(Fate.PREEMPTED, "PreemptionByScheduler"), (Fate.DELETED, "PodDeleted"), (Fate.SUCCEEDED, "")],
)
async def test_a_pod_that_is_gone_before_anybody_looks_leaves_its_reason_behind(
    operator: process.Operator,
    cluster: client.Client,
    kubelet: Kubelet,
    namespace: str,
    proxy: audit.Proxy,
    fate: Fate,
    reason: str,
) -> None:
    kubelet.script = fates.first(fate, leaving=0)
    operator.start()
    await operator.ready()
    looking = asyncio.Event()

    async def hold(call: audit.Call) -> audit.Fault | None:
        """Holds the operator where it records that the trial runs."""
        if call.path.endswith("/status") and "/tuningtrials/" in call.path:
            await looking.wait()
        return None

    proxy.on_call = hold
    await cluster.create(builders.job("job", trials=1, placement=kubelet.placement), namespace)
    first = await kubelet.arrival(lambda attempt: True)
    if fate is Fate.SUCCEEDED:
        await kubelet.runs(first.pod)
        kubelet.finish(first.pod)
        await cluster.until("Pod", namespace, first.pod, lambda pod: pod["status"]["phase"] == "Succeeded")
        await cluster.delete("Pod", namespace, first.pod, grace=0)
    await cluster.gone("Pod", namespace, first.pod)
    looking.set()
    job = await cluster.until("TuningJob", namespace, "job", is_complete)
    assert job["status"]["trials"]["succeeded"] == 1
    trial = await cluster.get("TuningTrial", namespace, first.trial)
    assert trial["status"]["attempts"][0].get("reason", "") == reason
    assert len(kubelet.attempts) == (1 if fate is Fate.SUCCEEDED else 2)


async def test_short_resources_again_and_again_make_one_event_with_a_count(
    operator: process.Operator, cluster: client.Client, kubelet: Kubelet, namespace: str
) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    await cluster.create(quota, namespace)
    await cluster.until("ResourceQuota", namespace, "none", lambda quota: "hard" in quota.get("status", {}))
    kubelet.script = fates.always(Fate.HELD)
    operator.start()
    await cluster.create(builders.job("job", trials=2, placement=kubelet.placement), namespace)

    def waits(job: client.Object) -> bool:
        conditions = {item["type"]: item for item in job.get("status", {}).get("conditions", [])}
        return bool(conditions.get("WaitingForResources", {}).get("status") == "True")

    job = await cluster.until("TuningJob", namespace, "job", waits)
    assert "needs of the quota none: 1 pods, 0 of 0 left" in job["status"]["message"]
    for suspended in (True, False):
        await cluster.patch("TuningJob", namespace, "job", {"spec": {"suspend": suspended}})
        await cluster.until("TuningJob", namespace, "job", lambda job, s=suspended: waits(job) is not s)  # type: ignore[misc]
    events = await cluster.list("Event", namespace, fields="involvedObject.name=job,reason=QuotaTooSmall")
    assert [event["count"] for event in events] == [2]
