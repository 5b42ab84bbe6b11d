"""A trial that wants a GPU waits for one, and says so; it runs as soon as there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.e2e import cluster
from tests.e2e.ground import Ground

Advertise = Callable[[int], None]


@pytest.fixture
def advertise() -> Iterator[Advertise]:
    """Lets the node have so many GPUs, where the cluster is ours; none before and after the test."""

    def advertise(number: int) -> None:
        if cluster.OURS:
            cluster.run([cluster.SCRIPT, "gpus", str(number)])

    advertise(0)
    yield advertise
    advertise(0)


async def test_trial_waits_for_a_gpu_and_runs_when_there_is_one(ground: Ground, advertise: Advertise) -> None:
    open_nodes = [node for node in await ground.api.list("Node") if not node["spec"].get("taints")]
    gpus = {node["status"]["allocatable"].get("nvidia.com/gpu", "0") for node in open_nodes}
    assert gpus == {"0"}, "this test needs a cluster without GPUs"
    wanted = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
    await ground.submit(ground.job("gpu", trials=2, container=wanted))
    status = await ground.until("gpu", lambda status: "nvidia.com/gpu" in status.get("message", ""), 30)
    assert status["phase"] == "Pending"
    (waiting,) = (item for item in status["conditions"] if item["type"] == "WaitingForResources")
    assert (waiting["status"], waiting["reason"]) == ("True", "Unschedulable")
    assert "nvidia.com/gpu" in waiting["message"]
    assert "Unschedulable" in await ground.reasons("gpu")
    if not cluster.OURS:
        return
    advertise(2)
    status = await ground.reaches("gpu", "Complete")
    assert status["trials"]["succeeded"] == 2
    (waiting,) = (item for item in status["conditions"] if item["type"] == "WaitingForResources")
    assert waiting["status"] == "False"
