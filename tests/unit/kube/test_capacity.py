"""The cluster's view follows what comes and goes, survives a watch that is too old, and knows what it may not see."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.unit.kube.shelves import Server, eventually
from tests.unit.scheduling.builders import container, need, node
from tuning_operator.kube import capacity, tracking


@contextlib.asynccontextmanager
async def view(server: Server, *namespaces: str) -> AsyncIterator[capacity.Capacity]:
    """The view of a server, when all is known that can be known."""
    made = capacity.Capacity(server, namespaces)  # type: ignore[arg-type]
    task = asyncio.create_task(made.run())
    try:
        async with asyncio.timeout(5):
            await made.settled()
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def pod(name: str, on: str = "a", **given: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "x"}, "spec": {"nodeName": on, "containers": [container(**given)]}}


def quota(name: str = "q", pods: int = 5, namespace: str = "team") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "status": {"hard": {"pods": str(pods)}}}


def cpu(seen: capacity.Capacity, name: str = "a") -> int:
    return seen.cluster.free(name).get("cpu", 0)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "FIRST_PAUSE_SECONDS", 0.001)


async def test_all_pages_are_read_and_events_followed() -> None:
    server = Server()
    for name in "abcde":
        server.put("Node", node(name))
    for index in range(5):
        server.put("Pod", pod(f"p{index}", cpu=1))
    async with view(server) as seen:
        assert (len(seen.cluster.nodes), cpu(seen)) == (5, 3000)
        server.put("Pod", pod("p9", cpu=2))
        await eventually(lambda: cpu(seen) == 1000, "the new Pod counts")
        server.remove("Pod", "p9", "x")
        server.remove("Pod", "p0", "x")
        await eventually(lambda: cpu(seen) == 4000, "Pods that are gone do not")
        server.remove("Node", "b")
        await eventually(lambda: "b" not in seen.cluster.nodes, "the node is gone")
        assert seen.sees_nodes


async def test_what_a_watch_has_missed_is_found_by_the_next_listing() -> None:
    server = Server()
    for name in "ab":
        server.put("Node", node(name))
    server.put("Pod", pod("p", cpu=2))
    server.put("ResourceQuota", quota())
    async with view(server) as seen:
        server.remove("Pod", "p", "x", silently=True)
        server.remove("Node", "b", silently=True)
        server.remove("ResourceQuota", "q", "team", silently=True)
        for kind in ("Pod", "Node", "ResourceQuota"):
            server.expire(kind)
        await eventually(lambda: cpu(seen) == 8000 and "b" not in seen.cluster.nodes, "all is as it is")
        await eventually(lambda: not seen.quotas(), "the quota has vanished")


async def test_a_node_that_comes_again_under_its_name_stays_when_the_old_one_goes() -> None:
    server = Server()
    server.put("Node", node("a"))
    async with view(server) as seen:
        server.put("Node", {**node("a", cpu=16), "metadata": {"name": "a", "uid": "new"}})
        await eventually(lambda: cpu(seen) == 16000, "the new node counts")
        seen._lose_node({"metadata": {"name": "a", "uid": "uid-Node-/a"}})
        assert "a" in seen.cluster.nodes


@pytest.mark.parametrize("forbidden", ["nodes", "pods"])
async def test_what_may_not_be_read_is_known_to_be_out_of_sight(forbidden: str) -> None:
    server = Server(forbidden)
    server.put("Node", node("a"))
    server.put("ResourceQuota", quota())
    async with view(server, "team") as seen:
        assert not seen.sees_nodes
        assert [one.hard for one in seen.quotas()["team"]] == [{"pods": 5}]
        assert server.lists[forbidden] == 1


async def test_quotas_and_limit_ranges_are_kept_by_namespace() -> None:
    server = Server()
    server.put("ResourceQuota", quota())
    server.put("ResourceQuota", quota(namespace="other", pods=1))
    limits = [{"type": "Container", "default": {"cpu": "2"}}]
    server.put("LimitRange", {"metadata": {"name": "l", "namespace": "team"}, "spec": {"limits": limits}})
    async with view(server) as seen:
        assert {name: [dict(one.hard) for one in several] for name, several in seen.quotas().items()} == {
            "team": [{"pods": 5}],
            "other": [{"pods": 1}],
        }
        assert (seen.ranges("team"), seen.ranges("other")) == (({"spec": {"limits": limits}},), ())
        server.put("ResourceQuota", quota(pods=7))
        await eventually(lambda: seen.quotas()["team"][0].hard == {"pods": 7}, "the quota has grown")


async def test_only_what_matters_is_told() -> None:
    server = Server()
    server.put("Node", node("a"))
    async with view(server) as seen:
        told: list[int] = []
        seen.changed = lambda: told.append(1)
        server.put("Node", {**node("a"), "heartbeat": "now"})
        server.put("Node", node("a", cpu=4))
        await eventually(lambda: cpu(seen) == 4000, "the change is known")
        assert len(told) == 1
        assert seen.cluster.room().find(need(cpu=4)) == "a"
