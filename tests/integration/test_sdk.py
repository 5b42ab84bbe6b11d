"""`sdk.tune` on a real API server with the real operator: the source travels in a ConfigMap that goes with its job."""

from __future__ import annotations

import asyncio
import pathlib
from typing import Any

import pytest

from tests.integration import client, process
from tests.integration.kubelet import Kubelet
from tuning_operator import sdk
from tuning_operator.cluster import trouble
from tuning_operator.sdk import handles


def score(x: float) -> float:
    return x


@pytest.fixture
def where(kubeconfig: pathlib.Path, namespace: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments that say where a job is to run."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    return {"where": "cluster", "image": "localhost/none:dev", "namespace": namespace, "wait": False, "trials": 2}


async def test_the_source_goes_with_its_job(
    where: dict[str, Any], crds: None, cluster: client.Client, namespace: str
) -> None:
    await asyncio.to_thread(sdk.tune, score, {"x": (0.0, 1.0)}, "accuracy", name="shipped", **where)
    job = await cluster.get("TuningJob", namespace, "shipped")
    code = await cluster.get("ConfigMap", namespace, "shipped-code")
    assert code["immutable"]
    assert "def score(x: float)" in code["data"]["trial.py"]
    assert code["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
    with pytest.raises(trouble.Trouble, match="there is a ConfigMap shipped-code already"):
        await asyncio.to_thread(sdk.tune, score, {"x": (0.0, 1.0)}, "accuracy", name="shipped", **where)
    await cluster.delete("TuningJob", namespace, "shipped")
    await cluster.gone("ConfigMap", namespace, "shipped-code")


async def test_a_job_that_is_refused_leaves_no_source(
    where: dict[str, Any], crds: None, cluster: client.Client, namespace: str
) -> None:
    manifest = sdk.manifest("taken", {"x": (0.0, 1.0)}, {"spec": {"containers": [{"name": "a", "image": "b"}]}})
    await cluster.create(manifest, namespace)
    with pytest.raises(trouble.Trouble, match="there is a TuningJob taken already"):
        await asyncio.to_thread(sdk.tune, score, {"x": (0.0, 1.0)}, "accuracy", name="taken", **where)
    assert await cluster.find("ConfigMap", namespace, "taken-code") is None


async def test_a_handle_waits_stops_and_goes_on(
    where: dict[str, Any], operator: process.Operator, kubelet: Kubelet, cluster: client.Client, namespace: str
) -> None:
    operator.start()
    await operator.ready()
    from tests import builders

    await cluster.create(builders.job("held", trials=2, placement=kubelet.placement, suspend=True), namespace)
    job = await asyncio.to_thread(sdk.load, "held", namespace=namespace)
    with pytest.raises(TimeoutError):
        await job.wait_async(1.5)
    await asyncio.to_thread(job.stop)
    with pytest.raises(handles.JobFailed, match=r"spec\.stop is true"):
        await job.wait_async(30)
    await asyncio.to_thread(job.resume)
    await job.wait_async(60)
    await asyncio.to_thread(job.extend, 1)
    await job.wait_async(60)
    frame = await asyncio.to_thread(job.trials_frame)
    assert list(frame["phase"]) == ["Succeeded"] * 3
