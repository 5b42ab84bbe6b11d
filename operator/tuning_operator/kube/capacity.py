"""What the cluster has and what is taken of it: all nodes, all Pods that hold room on one, quotas and limit ranges.

Of each Pod its node and its requests are kept, about two hundred bytes. Where the operator may not read nodes (an
installation for a few namespaces), quotas are all that it knows, and it says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tuning_operator.kube import client, names, tracking
from tuning_operator.scheduling import cluster, nodes, pods, quotas

TAKES_ROOM = "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"
"""Pods that hold room on a node: bound to it and not ended. The API server tells one that ends as deleted."""

Body = Mapping[str, Any]


class Capacity:
    """The view."""

    def __init__(self, api: client.Api, namespaces: Sequence[str]) -> None:
        self.cluster = cluster.Cluster()
        self.changed: Callable[[], None] = lambda: None
        """Called after each change."""
        self._quotas: dict[str, dict[str, quotas.Quota]] = {}
        self._ranges: dict[str, dict[str, Body]] = {}
        self._homes: dict[str, str] = {}
        """The namespace of each quota and limit range, by uid: a listing tells only who is there."""
        self._told: dict[str, float] = {}
        whole = (
            tracking.Collection("/api/v1/nodes", self._see_node, self._lose_node, self._sweep_nodes),
            tracking.Collection("/api/v1/pods", self._see_pod, self._lose_pod, self._sweep_pods, TAKES_ROOM),
        )
        self._whole = [tracking.Tracker(api, what) for what in whole]
        self._scoped = [tracking.Tracker(api, what) for what in self._limits(namespaces or ("",))]
        self._node_uids: dict[str, str] = {}

    async def run(self) -> None:
        """Follows the cluster until cancelled."""
        async with asyncio.TaskGroup() as group:
            for tracker in (*self._whole, *self._scoped):
                group.create_task(tracker.run())

    async def settled(self) -> None:
        """Returns when all is known that can be known."""
        for tracker in (*self._whole, *self._scoped):
            await tracker.settled.wait()

    @property
    def sees_nodes(self) -> bool:
        """Whether the nodes and all that runs on them are known."""
        return not any(tracker.refused for tracker in self._whole)

    def quotas(self) -> dict[str, tuple[quotas.Quota, ...]]:
        """The quotas of each namespace that has some."""
        return {name: tuple(several.values()) for name, several in self._quotas.items() if several}

    def ranges(self, namespace: str) -> tuple[Body, ...]:
        """The LimitRanges of a namespace."""
        return tuple(self._ranges.get(namespace, {}).values())

    def told_at(self, namespace: str) -> float:
        """When one of the namespace's quotas was last heard of, in the event loop's time."""
        return self._told.get(namespace, 0.0)

    def _limits(self, namespaces: Sequence[str]) -> Iterator[tracking.Collection]:
        for namespace in namespaces:
            yield tracking.Collection(
                names.core_path(namespace, "resourcequotas"),
                self._see_quota,
                lambda body: self._drop(self._quotas, body["metadata"]["uid"]),
                self._sweeping(self._quotas, namespace),
            )
            yield tracking.Collection(
                names.core_path(namespace, "limitranges"),
                self._see_range,
                lambda body: self._drop(self._ranges, body["metadata"]["uid"]),
                self._sweeping(self._ranges, namespace),
            )

    def _see_node(self, body: Body) -> None:
        before, node = self.cluster.version, nodes.node(body)
        self._node_uids[body["metadata"]["uid"]] = node.name
        self.cluster.set_node(node)
        self._tell(before)

    def _lose_node(self, body: Body) -> None:
        # A node of the same name may have come meanwhile.
        name = self._node_uids.pop(body["metadata"]["uid"], None)
        if name is not None and name not in self._node_uids.values():
            before = self.cluster.version
            self.cluster.drop_node(name)
            self._tell(before)

    def _sweep_nodes(self, seen: set[str]) -> None:
        for uid in self._node_uids.keys() - seen:
            self._lose_node({"metadata": {"uid": uid}})

    def _see_pod(self, body: Body) -> None:
        spec = body["spec"]
        before, requests = self.cluster.version, tuple(sorted(pods.requests(spec).items()))
        self.cluster.set_pod(body["metadata"]["uid"], spec.get("nodeName") or "", requests)
        self._tell(before)

    def _lose_pod(self, body: Body) -> None:
        before = self.cluster.version
        self.cluster.drop_pod(body["metadata"]["uid"])
        self._tell(before)

    def _sweep_pods(self, seen: set[str]) -> None:
        for uid in self.cluster.pods.keys() - seen:
            self._lose_pod({"metadata": {"uid": uid}})

    def _see_quota(self, body: Body) -> None:
        self._put(self._quotas, body, quotas.quota(body))
        self._told[body["metadata"]["namespace"]] = asyncio.get_running_loop().time()
        self.changed()

    def _see_range(self, body: Body) -> None:
        self._put(self._ranges, body, {"spec": body.get("spec") or {}})

    def _put(self, kept: dict[str, dict[str, Any]], body: Body, value: Any) -> None:
        metadata = body["metadata"]
        self._homes[metadata["uid"]] = metadata["namespace"]
        kept.setdefault(metadata["namespace"], {})[metadata["uid"]] = value

    def _drop(self, kept: dict[str, dict[str, Any]], uid: str) -> None:
        namespace = self._homes.pop(uid, "")
        if kept.get(namespace, {}).pop(uid, None) is not None:
            self.changed()

    def _sweeping(self, kept: dict[str, dict[str, Any]], namespace: str) -> Callable[[set[str]], None]:
        def sweep(seen: set[str]) -> None:
            scopes = [namespace] if namespace else list(kept)
            for uid in [uid for scope in scopes for uid in kept.get(scope, {}) if uid not in seen]:
                self._drop(kept, uid)

        return sweep

    def _tell(self, before: int) -> None:
        if self.cluster.version != before:
            self.changed()
