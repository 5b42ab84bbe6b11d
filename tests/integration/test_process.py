"""The operator's process: it starts, stops when it is told to, and a killed one leaves nothing running."""

from __future__ import annotations

import json
import pathlib

import psutil
import pytest
import yaml

from tests import builders
from tests.integration import client, process
from tests.integration.kubelet import Kubelet

RULES = [
    {"apiGroups": ["tuning-operator.dev"], "resources": ["tuningjobs", "tuningtrials"], "verbs": ["list", "watch"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
]


def kubeconfig_of(folder: pathlib.Path, cluster: client.Object, user: client.Object) -> pathlib.Path:
    path = folder / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": cluster}],
        "users": [{"name": "it", "user": user}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "current-context": "it",
    }
    path.write_text(json.dumps(config))
    return path


async def without_rights(
    cluster: client.Client, namespace: str, like: pathlib.Path, folder: pathlib.Path
) -> pathlib.Path:
    """A kubeconfig of a fresh service account."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "operator"}}
    await cluster.create(account, namespace)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = client.path("ServiceAccount", namespace, "operator", "token")
    token = (await cluster.call("POST", path, request))["status"]["token"]
    return kubeconfig_of(folder, yaml.safe_load(like.read_text())["clusters"][0]["cluster"], {"token": token})


async def grant(cluster: client.Client, namespace: str) -> None:
    """Gives the service account its rights."""
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    subject = {"kind": "ServiceAccount", "name": "operator", "namespace": namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "operator"}
    metadata = {"name": "operator"}
    await cluster.call("POST", f"{rbac}/roles", {"metadata": metadata, "rules": RULES})
    await cluster.call(
        "POST", f"{rbac}/rolebindings", {"metadata": metadata, "roleRef": reference, "subjects": [subject]}
    )


async def test_operator_stops_cleanly_on_sigterm(operator: process.Operator) -> None:
    operator.start()
    await operator.ready()
    assert await operator.stop() == 0
    assert not operator.runs()


async def test_killed_operator_leaves_no_process_and_the_next_one_goes_on(
    operator: process.Operator, cluster: client.Client, kubelet: Kubelet, namespace: str
) -> None:
    operator.start()
    await operator.ready()
    await cluster.create(builders.job("job", trials=4, placement=kubelet.placement), namespace)
    await kubelet.arrival(lambda attempt: attempt.number == 1)
    family = operator.family()
    operator.kill()
    psutil.wait_procs(family, timeout=5)
    assert not [member for member in family if member.is_running() and member.status() != psutil.STATUS_ZOMBIE]
    operator.start()
    job = await cluster.until(
        "TuningJob", namespace, "job", lambda job: job.get("status", {}).get("phase") == "Complete"
    )
    assert job["status"]["trials"]["succeeded"] == 4
    assert [attempt.number for attempt in kubelet.attempts] == [0, 1, 2, 3]


async def test_operator_stops_at_once_also_when_it_is_busy(
    operator: process.Operator, cluster: client.Client, kubelet: Kubelet, namespace: str
) -> None:
    """Searches under way, keep-alive connections to its endpoints and held Pods do not hold it up."""
    operator.start()
    await operator.ready()
    job = builders.job("job", algorithm="bayesian", trials=100, parallel=8, placement=kubelet.placement)
    await cluster.create(job, namespace)
    await kubelet.arrival(lambda attempt: attempt.number == 12)
    assert await operator.stop(seconds=4) == 0
    assert "Traceback" not in operator.log()


async def test_operator_waits_for_an_api_server_that_is_not_there(tmp_path: pathlib.Path) -> None:
    operator = process.Operator("any", kubeconfig_of(tmp_path, {"server": "http://127.0.0.1:9"}, {}), tmp_path / "log")
    operator.start()
    try:
        await operator.said("waiting for the API server")
        assert await operator.stop(seconds=4) == 0
        assert "Traceback" not in operator.log()
    finally:
        operator.kill()


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "{",
        "[]",
        '{"current-context": "x"}',
        '{"clusters": 1, "contexts": 2, "users": 3, "current-context": "x"}',
    ],
    ids=["missing", "empty", "no YAML", "a list", "without the context", "of a wrong shape"],
)
async def test_operator_says_what_is_wrong_with_a_kubeconfig(tmp_path: pathlib.Path, content: str | None) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    operator = process.Operator("any", path, tmp_path / "log")
    operator.start()
    assert await operator.ended() == 2
    assert "no API server is configured" in operator.log()
    assert "Traceback" not in operator.log()


async def test_operator_without_rights_says_so_and_goes_on_when_it_has_them(
    crds: None, cluster: client.Client, namespace: str, kubeconfig: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    path = await without_rights(cluster, namespace, kubeconfig, tmp_path)
    operator = process.Operator(namespace, path, tmp_path / "log")
    operator.start()
    try:
        await operator.said("cannot list resource")
        await grant(cluster, namespace)
        await operator.ready()
        assert await operator.stop(seconds=4) == 0
    finally:
        operator.kill()
