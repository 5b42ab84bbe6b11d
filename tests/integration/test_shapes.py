"""The fake kubelet's statuses beside those of a real one, fate by fate.

The real Pods run at the same time on a real node of the cluster, once for all tests here. Where the cluster has no
real node with the image that they need, there is nothing to compare with, and the tests are skipped.
"""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests import builders
from tests.integration import client, fates, node
from tests.integration.fates import Fate
from tests.integration.kubelet import Kubelet

Object = dict[str, Any]

REAL_SECONDS = 90
MISSING = "localhost/missing:dev"
BROKEN = "Not A Name!"
SIDECAR = (
    "trap 'echo message > /dev/termination-log; exit 0' TERM; "
    "for _ in $(seq 250); do test -e /tuning-metrics/ended && break; sleep 0.2; done; "
    "echo message > /dev/termination-log"
)
TRIAL = (
    "import pathlib, signal, sys, time; "
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); "
    "end = pathlib.Path('/tuning-metrics/ended').touch; "
)


@dataclasses.dataclass(frozen=True)
class Case:
    """A fate, and what a real Pod must do to meet it."""

    fate: Fate
    code: str = "time.sleep(300)"
    """Python code of the trial's container."""
    sidecar: str = SIDECAR
    trial: Object = dataclasses.field(default_factory=dict)
    """Fields of the trial's container."""
    spec: Object = dataclasses.field(default_factory=dict)
    deleted: bool = False
    """Whether it is deleted as soon as it runs; the last status before it is gone counts then."""


CASES = [
    Case(Fate.SUCCEEDED, "time.sleep(1); end()"),
    Case(Fate.FAILED, "time.sleep(1); end(); sys.exit(3)"),
    Case(
        Fate.OOM_KILLED,
        "end(); time.sleep(1); hog = [bytearray(10**7) for _ in range(100)]",
        trial={"resources": {"limits": {"memory": "64Mi"}}},
    ),
    Case(Fate.SIDECAR_DEAD, "time.sleep(2)", sidecar="exit 137"),
    Case(Fate.IMAGE_PULL, trial={"image": MISSING}),
    Case(Fate.INVALID_IMAGE, trial={"image": BROKEN}),
    Case(Fate.CONFIG_ERROR, trial={"envFrom": [{"configMapRef": {"name": "settings"}}]}),
    Case(
        Fate.EVICTED,
        "open('/tuning-metrics/big', 'wb').write(bytes(10**7)); time.sleep(300)",
        spec={"volumes": [{"name": "tuning-metrics", "emptyDir": {"sizeLimit": "1Mi"}}]},
    ),
    Case(Fate.HELD, deleted=True),
]


def manifest(case: Case, **spec: Any) -> Object:
    pod = builders.trial_pod(case.fate, **spec)
    trial, sidecar = pod["spec"]["containers"]
    trial |= {"command": ["python3", "-c", TRIAL + case.code], **case.trial}
    sidecar["command"] = ["sh", "-c", case.sidecar]
    return builders.merged(pod, {"spec": case.spec})


def shape(pod: Object) -> Object:
    """A status without what differs between any two Pods: times, addresses, identities, and the words of messages."""
    status = pod["status"]
    return {
        "fields": sorted(status.keys() - {"message"}),
        "phase": status["phase"],
        "reason": status.get("reason"),
        "conditions": {item["type"]: _values(item) for item in status.get("conditions", [])},
        "containers": [_container(item) for item in status.get("containerStatuses", [])],
    }


def _container(status: Object) -> Object:
    ((kind, details),) = status["state"].items()
    return {
        **{name: status[name] for name in ("name", "image", "ready", "started", "restartCount", "lastState")},
        "identified": bool(status["imageID"]) and status.get("containerID", "").startswith("containerd://"),
        "fields": sorted(status),
        kind: _values({name: value for name, value in details.items() if name != "message"}),
        "says": "message" in details,
    }


def _values(fields: Object) -> Object:
    """The fields; where only their form is comparable, just that."""
    return {name: _form(value) for name, value in fields.items()}


def _form(value: Any) -> Any:
    if isinstance(value, str):
        value = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", value)
        value = re.sub(r"[0-9a-f]{64}", "ID", value)
    return value


def settled(case: Case, pod: Object) -> bool:
    """Whether the Pod has come to where its fate leaves it."""
    waiting = [item["state"].get("waiting", {}).get("reason") for item in pod["status"].get("containerStatuses", [])]
    running = [item["name"] for item in pod["status"].get("containerStatuses", []) if "running" in item["state"]]
    match case.fate:
        case Fate.IMAGE_PULL | Fate.INVALID_IMAGE | Fate.CONFIG_ERROR:
            expected = {Fate.IMAGE_PULL: "ImagePullBackOff", Fate.INVALID_IMAGE: "InvalidImageName"}
            return expected.get(case.fate, "CreateContainerConfigError") in waiting and fates.SIDECAR in running
        case Fate.HELD:
            return len(running) == 2
        case _:
            return pod["status"]["phase"] in ("Succeeded", "Failed")


async def outcome(api: client.Client, namespace: str, case: Case) -> Object:
    """The status that the fate leaves."""
    pod = await api.until("Pod", namespace, case.fate, lambda pod: settled(case, pod), REAL_SECONDS)
    if not case.deleted:
        return pod
    mine = {"resourceVersion": pod["metadata"]["resourceVersion"], "fieldSelector": f"metadata.name={case.fate}"}
    await api.delete("Pod", namespace, case.fate)
    async with asyncio.timeout(REAL_SECONDS):
        async for event in api.watch(client.path("Pod", namespace), mine):
            pod = event["object"]
            if event["type"] == "DELETED":
                break
    return pod


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def real(cluster: client.Client) -> AsyncIterator[dict[Fate, Object]]:
    """The outcome of every case on a real node."""
    nodes = [item for item in await cluster.list("Node") if node.LABEL not in item["metadata"].get("labels", {})]
    images = [
        name for item in nodes for image in item["status"].get("images") or [] for name in image.get("names") or []
    ]
    if builders.IMAGE not in images:
        pytest.skip(f"no real node has the image {builders.IMAGE}; load it to compare the fake kubelet with a real one")
    async with cluster.namespace() as namespace:
        for case in CASES:
            await cluster.create(manifest(case), namespace)
        outcomes = await asyncio.gather(*(outcome(cluster, namespace, case) for case in CASES))
        yield {case.fate: pod for case, pod in zip(CASES, outcomes, strict=True)}


@pytest.mark.timeout(150)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.fate)
async def test_fake_status_has_the_shape_of_a_real_one(
    cluster: client.Client, kubelet: Kubelet, namespace: str, real: dict[Fate, Object], case: Case
) -> None:
    kubelet.script = fates.always(case.fate, exit_code=3)
    await cluster.create(manifest(case, placement=kubelet.placement), namespace)
    if case.fate in (Fate.SUCCEEDED, Fate.FAILED, Fate.OOM_KILLED):
        await kubelet.runs(case.fate)
        kubelet.finish(case.fate)
    assert shape(await outcome(cluster, namespace, case)) == shape(real[case.fate])
