"""Fixtures of the integration tests: they need a KUBECONFIG that reaches an API server, and nothing else."""

from __future__ import annotations

import asyncio
import os
import pathlib
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml

from tests.integration import audit, client, process
from tests.integration.kubelet import Kubelet

HERE = pathlib.Path(__file__).parent
CRDS = HERE.parents[1] / "crds"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here are integration tests, and share one event loop with the fake kubelet."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.integration)
            if pytest_asyncio.is_async_test(item):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def kubeconfig() -> pathlib.Path:
    """The kubeconfig of the cluster that the tests run against."""
    named = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    path = pathlib.Path(named or "~/.kube/config").expanduser()
    if not path.is_file():
        pytest.fail(f"integration tests need a real API server: set KUBECONFIG ({path} is no file)", pytrace=False)
    return path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster(kubeconfig: pathlib.Path) -> AsyncIterator[client.Client]:
    """A client of the API server, with the rights of the kubeconfig's user."""
    async with await client.Client.connect(kubeconfig) as api:
        try:
            await api.call("GET", "/version")
        except (aiohttp.ClientError, TimeoutError, client.RefusedError) as error:
            pytest.fail(f"no API server answers at {api.server} (from {kubeconfig}): {error}", pytrace=False)
        yield api


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def crds(cluster: client.Client) -> None:
    """The API server knows our kinds, as crds/ has them now."""
    for path in sorted(CRDS.glob("*.yaml")):
        for manifest in yaml.safe_load_all(path.read_text()):
            await _apply(cluster, manifest)
            await cluster.until("CustomResourceDefinition", "", manifest["metadata"]["name"], _is_established)


@pytest_asyncio.fixture(loop_scope="session")
async def namespace(cluster: client.Client) -> AsyncIterator[str]:
    """A fresh namespace; it is deleted afterwards without waiting."""
    async with cluster.namespace() as name:
        yield name


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _kubelet(cluster: client.Client) -> AsyncIterator[Kubelet]:
    async with Kubelet(cluster, f"fake-{uuid.uuid4().hex[:8]}") as kubelet:
        yield kubelet


@pytest_asyncio.fixture(loop_scope="session")
async def kubelet(_kubelet: Kubelet, namespace: str) -> AsyncIterator[Kubelet]:
    """The fake kubelet with its usual script. Fails the test when a Pod broke the contract of a trial's environment."""
    _kubelet.reset()
    yield _kubelet
    await _kubelet.clear(namespace)
    assert not _kubelet.problems, _kubelet.problems


@pytest_asyncio.fixture(loop_scope="session")
async def proxy(kubeconfig: pathlib.Path) -> AsyncIterator[audit.Proxy]:
    """A recording, fault-injecting proxy before the API server."""
    async with audit.Proxy(kubeconfig) as proxy:
        yield proxy


@pytest.fixture
def operator(
    crds: None, namespace: str, proxy: audit.Proxy, tmp_path: pathlib.Path, request: pytest.FixtureRequest
) -> Iterator[process.Operator]:
    """The operator for the test's namespace, behind the proxy; not started yet, killed at the end."""
    operator = process.Operator(namespace, proxy.kubeconfig_path, tmp_path / "operator.log")
    yield operator
    operator.kill()
    request.node.add_report_section("teardown", "operator log", operator.log())


async def _apply(cluster: client.Client, manifest: dict[str, Any]) -> None:
    kind, name = manifest["kind"], manifest["metadata"]["name"]
    for _ in range(5):
        present = await cluster.find(kind, "", name)
        try:
            if present is None:
                await cluster.create(manifest)
            else:
                version = present["metadata"]["resourceVersion"]
                update = manifest | {"metadata": {**manifest["metadata"], "resourceVersion": version}}
                await cluster.call("PUT", client.path(kind, name=name), update)
        except client.RefusedError as refusal:
            # Another test run applies the same at this moment.
            if refusal.status != 409:
                raise
            await asyncio.sleep(0.1)
        else:
            return
    pytest.fail(f"{kind} {name} could not be applied: others change it all the time")


def _is_established(definition: dict[str, Any]) -> bool:
    conditions = (definition.get("status") or {}).get("conditions") or []
    return any(item["type"] == "Established" and item["status"] == "True" for item in conditions)
