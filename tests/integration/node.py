"""A node that exists in the API server only, kept alive by heartbeats as a kubelet does.

The real scheduler binds Pods to it and the real node controller watches over it, so both must be content.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from typing import Self

import aiohttp

from tests.integration import client

LABEL = "fake-kubelet.tuning-operator.dev/node"
HEARTBEAT_SECONDS = 10.0
ABANDONED_SECONDS = 60.0
"""A fake node without a heartbeat for so long belongs to a test run that was killed."""
LEASES = "kube-node-lease"
ADDRESS = "127.0.0.1"


class Node:
    """One fake node, from `async with` to its end. `name` must be unique in the cluster."""

    def __init__(self, api: client.Client, name: str) -> None:
        self.api = api
        self.name = name

    async def __aenter__(self) -> Self:
        await _remove_abandoned(self.api)
        await self.api.create(_manifest(self.name))
        await self.api.patch("Node", "", self.name, {"status": _status(_now())}, subresource="status", strategic=True)
        await self.api.create(_lease(self.name), LEASES)
        self._heart = asyncio.create_task(self._beat())
        await self.api.until("Node", "", self.name, lambda node: len(node["spec"].get("taints", [])) == 1)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._heart.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._heart
        await _remove(self.api, self.name)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            # The API server may be down, and may be so on purpose: then the next beat counts.
            with contextlib.suppress(client.RefusedError, aiohttp.ClientError, TimeoutError):
                await self.api.patch("Lease", LEASES, self.name, {"spec": {"renewTime": _micro(_now())}})


async def _remove(api: client.Client, name: str) -> None:
    await api.delete("Lease", LEASES, name)
    await api.delete("Node", "", name)


async def _remove_abandoned(api: client.Client) -> None:
    oldest = _now() - datetime.timedelta(seconds=ABANDONED_SECONDS)
    for node in await api.list("Node", labels=LABEL):
        name = node["metadata"]["name"]
        lease = await api.find("Lease", LEASES, name)
        seen = lease["spec"]["renewTime"] if lease else node["metadata"]["creationTimestamp"]
        if datetime.datetime.fromisoformat(seen) < oldest:
            await _remove(api, name)


def _manifest(name: str) -> client.Object:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {LABEL: name, "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"},
        },
        "spec": {"taints": [{"key": LABEL, "value": name, "effect": "NoSchedule"}]},
    }


def _status(now: datetime.datetime) -> client.Object:
    room = {"cpu": "1000", "memory": "4Ti", "ephemeral-storage": "4Ti", "pods": "10000", "nvidia.com/gpu": "8"}
    times = {"lastHeartbeatTime": _second(now), "lastTransitionTime": _second(now)}
    calm = [
        {"type": kind, "status": "False", "reason": f"KubeletHasNo{kind}", "message": "fake", **times}
        for kind in ("MemoryPressure", "DiskPressure", "PIDPressure")
    ]
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "fake", **times}
    return {
        "capacity": room,
        "allocatable": room,
        "addresses": [{"type": "InternalIP", "address": ADDRESS}],
        "conditions": [*calm, ready],
    }


def _lease(name: str) -> client.Object:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": _micro(_now())},
    }


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _second(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
