"""The proxy tells the truth about each call, and breaks exactly those that it is told to break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from tests import builders
from tests.integration import audit, client, fates
from tests.integration.fates import Fate
from tests.integration.kubelet import Kubelet


@pytest_asyncio.fixture(loop_scope="session")
async def caller(proxy: audit.Proxy) -> AsyncIterator[client.Client]:
    """A client that goes through the proxy."""
    async with await client.Client.connect(proxy.kubeconfig_path, agent="caller/1") as api:
        yield api


def quota(name: str = "q") -> client.Object:
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": {"hard": {"pods": "1000"}}}


@pytest.mark.parametrize(
    ("method", "path", "query", "verb"),
    [
        pytest.param("GET", "/api/v1/pods", {}, "list", id="list everywhere"),
        pytest.param("GET", "/api/v1/namespaces/a/pods", {}, "list", id="list"),
        pytest.param("GET", "/api/v1/namespaces/a/pods", {"watch": "true"}, "watch", id="watch"),
        pytest.param("GET", "/api/v1/namespaces/a/pods/b", {}, "get", id="get"),
        pytest.param("GET", "/api/v1/namespaces/a", {}, "get", id="get a namespace"),
        pytest.param("GET", "/api/v1/namespaces", {}, "list", id="list namespaces"),
        pytest.param("GET", "/version", {}, "get", id="no object"),
        pytest.param("GET", "/apis/apps/v1", {}, "get", id="discovery"),
        pytest.param("GET", "/apis/x.dev/v1/namespaces/a/tuningjobs", {}, "list", id="list custom objects"),
        pytest.param("POST", "/api/v1/namespaces/a/pods", {}, "create", id="create"),
        pytest.param("PUT", "/api/v1/namespaces/a/pods/b", {}, "update", id="update"),
        pytest.param("PATCH", "/api/v1/namespaces/a/pods/b/status", {}, "patch", id="patch a status"),
        pytest.param("DELETE", "/api/v1/namespaces/a/pods/b", {}, "delete", id="delete"),
        pytest.param("DELETE", "/api/v1/namespaces/a/pods", {}, "deletecollection", id="delete many"),
    ],
)
def test_verbs_are_those_of_an_audit_log(method: str, path: str, query: dict[str, str], verb: str) -> None:
    assert audit.verb(method, path, query) == verb


async def test_calls_are_recorded(proxy: audit.Proxy, caller: client.Client, namespace: str) -> None:
    await caller.create(quota(), namespace)
    with pytest.raises(client.RefusedError, match="already exists"):
        await caller.create(quota(), namespace)
    await caller.list("ResourceQuota", namespace, labels="a=b,c!=d")
    seen = [(call.number, call.verb, call.status, call.agent) for call in proxy.calls]
    assert seen == [(1, "create", 201, "caller/1"), (2, "create", 409, "caller/1"), (3, "list", 200, "caller/1")]
    assert proxy.calls[0].object()["metadata"]["name"] == "q"
    assert proxy.calls[2].query == {"labelSelector": "a=b,c!=d"}
    assert [call.number for call in proxy.writes()] == [1, 2]


@pytest.mark.parametrize(
    ("fault", "exists"), [(audit.Fault.DROP_BEFORE, False), (audit.Fault.DROP_AFTER, True)], ids=str
)
async def test_dropped_call(
    proxy: audit.Proxy, caller: client.Client, cluster: client.Client, namespace: str, fault: audit.Fault, exists: bool
) -> None:
    proxy.on_call = lambda call: fault if call.verb == "create" else None
    with pytest.raises(aiohttp.ClientConnectionError):
        await caller.create(quota(), namespace)
    assert (await cluster.find("ResourceQuota", namespace, "q") is not None) is exists
    assert proxy.calls[0].fault is fault


async def test_call_reaches_the_server_though_its_caller_has_died(
    proxy: audit.Proxy, cluster: client.Client, namespace: str
) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def hold(call: audit.Call) -> audit.Fault | None:
        arrived.set()
        await go_on.wait()
        return audit.Fault.DROP_AFTER

    proxy.on_call = hold
    caller = await client.Client.connect(proxy.kubeconfig_path)
    calling = asyncio.create_task(caller.create(quota(), namespace))
    await arrived.wait()
    calling.cancel()
    await caller.session.close()
    await asyncio.sleep(0.1)  # the proxy hears of it
    go_on.set()
    await cluster.until("ResourceQuota", namespace, "q", lambda _: True, seconds=5)


async def test_watch_streams_event_by_event(caller: client.Client, cluster: client.Client, namespace: str) -> None:
    quotas = client.path("ResourceQuota", namespace)
    version = (await caller.call("GET", quotas))["metadata"]["resourceVersion"]
    events = aiter(caller.watch(quotas, {"resourceVersion": version}))
    async with asyncio.timeout(10):
        for name in ("a", "b"):
            await cluster.create(quota(name), namespace)
            while (event := await anext(events))["object"]["metadata"]["name"] != name:
                continue
            assert event["type"] == "ADDED"


async def test_watch_ends_with_its_caller(proxy: audit.Proxy, namespace: str) -> None:
    quotas = client.path("ResourceQuota", namespace)
    async with await client.Client.connect(proxy.kubeconfig_path) as caller:
        watch = await caller.session.get(f"{caller.server}{quotas}", params={"watch": "1"})
        assert (watch.status, proxy.streams) == (200, 1)
    async with asyncio.timeout(10):
        await proxy.idle()


async def test_refused_watch_is_passed_on(caller: client.Client) -> None:
    with pytest.raises(client.RefusedError) as refused:
        await anext(aiter(caller.watch("/api/v1/nonsense", {})))
    assert refused.value.status == 404


async def test_pod_proxy_reaches_the_sidecars_of_the_fake_kubelet(
    caller: client.Client, cluster: client.Client, kubelet: Kubelet, namespace: str
) -> None:
    kubelet.script = fates.always(Fate.HELD)
    await cluster.create(builders.trial_pod("p", placement=kubelet.placement), namespace)
    await kubelet.runs("p")
    finish = client.path("Pod", namespace, "p:9464", "proxy/finish")
    with pytest.raises(client.RefusedError, match="403"):
        await caller.call("POST", finish)
    health = await caller.session.get(caller.server + client.path("Pod", namespace, "p:9464", "proxy/healthz"))
    assert health.status == 200
    kubelet.release("p")
    kubelet.finish("p")
    await cluster.until("Pod", namespace, "p", lambda pod: pod["status"]["phase"] == "Succeeded")
    with pytest.raises(client.RefusedError, match="503 ServiceUnavailable"):
        await caller.call("POST", finish)


async def test_unreachable_server_looks_like_one(proxy: audit.Proxy, caller: client.Client) -> None:
    proxy.upstream = "http://127.0.0.1:9"
    with pytest.raises(aiohttp.ClientConnectionError):
        await caller.call("GET", "/version")
    with pytest.raises(aiohttp.ClientConnectionError):
        await anext(aiter(caller.watch("/api/v1/pods", {})))
