"""Trials that want GPUs wait for them without being in the way, say so, and run as soon as there are some."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator

import pytest
import pytest_asyncio

from tests.e2e import cluster
from tests.e2e.ground import REPORT, Ground, Object, eventually

Advertise = Callable[[int], None]
GPU = "nvidia.com/gpu"


@pytest.fixture
def advertise() -> Iterator[Advertise]:
    """Lets the node have so many GPUs, where the cluster is ours; none before and after the test."""

    def advertise(number: int) -> None:
        if cluster.OURS:
            cluster.run([cluster.SCRIPT, "gpus", str(number)])

    advertise(0)
    yield advertise
    advertise(0)


@pytest_asyncio.fixture(loop_scope="session")
async def alone(ground: Ground) -> None:
    """The nodes have no GPUs of their own."""
    open_nodes = [node for node in await ground.api.list("Node") if not node["spec"].get("taints")]
    gpus = {node["status"]["allocatable"].get(GPU, "0") for node in open_nodes}
    assert gpus == {"0"}, "these tests need a cluster without GPUs"


def shortage(status: Object) -> Object:
    """The condition that tells what is waited for; empty where nothing is."""
    found = (one for one in status.get("conditions") or [] if one["type"] == "WaitingForResources")
    return next((one for one in found if one["status"] == "True"), {})


async def pending_for(ground: Ground) -> float:
    """For how many seconds the oldest Pod that waits for a node has waited."""
    pods = await ground.api.list("Pod", ground.namespace, fields="spec.nodeName=,status.phase=Pending")
    made = [datetime.datetime.fromisoformat(pod["metadata"]["creationTimestamp"]) for pod in pods]
    return max(((datetime.datetime.now(datetime.UTC) - at).total_seconds() for at in made), default=0.0)


@pytest.mark.usefixtures("alone")
async def test_trial_waits_for_a_gpu_and_runs_when_there_is_one(ground: Ground, advertise: Advertise) -> None:
    wanted = {"resources": {"limits": {GPU: "1"}}}
    await ground.submit(ground.job("gpu", trials=2, container=wanted))
    status = await ground.until("gpu", lambda status: GPU in status.get("message", ""), 30)
    assert status["phase"] == "Pending"
    assert "nvidia.com/gpu" in shortage(status)["message"]
    if cluster.SHARED:  # the operator may not see nodes: it finds out by trying
        assert shortage(status)["reason"] == "Unschedulable"
    else:
        assert shortage(status)["reason"] == "FitsNoNode"
        assert await ground.pods("gpu") == []
    assert shortage(status)["reason"] in await ground.reasons("gpu")
    if not cluster.OURS:
        return
    advertise(2)
    status = await ground.reaches("gpu", "Complete")
    assert status["trials"]["succeeded"] == 2
    assert not shortage(status)


@pytest.mark.skipif(not cluster.OURS or cluster.SHARED, reason="needs a cluster whose GPUs are ours alone")
@pytest.mark.usefixtures("alone")
async def test_two_jobs_share_four_gpus_and_a_third_falls_back_to_processors(
    ground: Ground, advertise: Advertise
) -> None:
    advertise(4)
    gpu = {"resources": {"limits": {GPU: "1", "cpu": "20m", "memory": "32Mi"}}}
    script = f"sleep 3; {REPORT}"
    for name in ("one", "other"):
        await ground.submit(ground.job(name, script, trials=4, parallel=4, container=gpu))
    profiles = [
        {"name": "gpu", "resources": gpu["resources"]},
        {"name": "cpu", "resources": {"limits": {"cpu": "20m", "memory": "32Mi"}}},
    ]
    await ground.until("one", lambda status: status.get("trials", {}).get("running", 0) > 0)
    fallback = f'test "$TUNING_PROFILE" = cpu && {REPORT}'
    await ground.submit(ground.job("third", fallback, trials=1, profiles=profiles))
    oldest = 0.0

    async def done() -> bool:
        nonlocal oldest
        oldest = max(oldest, await pending_for(ground))
        jobs = await ground.api.list("TuningJob", ground.namespace)
        mine = [job for job in jobs if job["metadata"]["name"] in ("one", "other", "third")]
        return all((job.get("status") or {}).get("phase") in ("Complete", "Failed") for job in mine)

    await eventually(done, "all jobs have ended")
    for name, trials in (("one", 4), ("other", 4), ("third", 1)):
        status = await ground.reaches(name, "Complete")
        assert (status["trials"]["succeeded"], status["trials"].get("failed", 0)) == (trials, 0)
    assert oldest < 6  # times of creation are whole seconds
    assert [trial["status"]["attempts"][0]["profile"] for trial in await ground.trials("third")] == ["cpu"]


@pytest.mark.skipif(not cluster.OURS or cluster.SHARED, reason="cordons the only node")
async def test_a_cordoned_node_is_named_and_used_again_afterwards(ground: Ground) -> None:
    names = [node["metadata"]["name"] for node in await ground.api.list("Node") if not node["spec"].get("taints")]
    ground.kubectl("cordon", *names)
    try:
        await ground.submit(ground.job("cordoned", trials=1))
        status = await ground.until("cordoned", lambda status: bool(shortage(status)), 30)
        assert re.search(rf"{len(names)} nodes? (is|are) cordoned", shortage(status)["message"])
        assert await ground.pods("cordoned") == []
    finally:
        ground.kubectl("uncordon", *names)
    await ground.reaches("cordoned", "Complete")
