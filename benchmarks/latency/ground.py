"""What the operator is measured on: a real API server, a node without containers, and a proxy that counts calls."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import pathlib
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import psutil
import yaml
from tests.integration import audit, client, process
from tests.integration.kubelet import Kubelet

from benchmarks.latency import timeline

CRDS = pathlib.Path(__file__).parents[2] / "crds"
SAMPLE_SECONDS = 0.5
LAG_SECONDS = 0.02


@dataclasses.dataclass
class Ground:
    """An operator behind its proxy, in a namespace of its own with a node of its own."""

    api: client.Client
    namespace: str
    kubelet: Kubelet
    proxy: audit.Proxy
    operator: process.Operator
    timeline: timeline.Timeline
    peak_rss: int = 0
    """The most memory that all processes of the operator held together, in bytes."""
    lags: list[float] = dataclasses.field(default_factory=list)
    """How late this process, which is kubelet, proxy and clock in one, came to its work, in seconds."""

    async def settled(self, seconds: float) -> None:
        """Returns when the operator has written nothing for so long."""
        while True:
            count = len(self.proxy.writes())
            await asyncio.sleep(seconds)
            if len(self.proxy.writes()) == count:
                return

    def memory(self) -> list[dict[str, Any]]:
        """Each of the operator's processes with its memory in MiB: `pss` shares out what several of them map."""
        return [
            {"process": _role(one), "rss": _mib(one.memory_info().rss), "pss": _mib(one.memory_full_info().pss)}
            for one in self.operator.family()
        ]

    def cpu_seconds(self) -> float:
        """Processor time that the operator's processes have used so far."""
        return sum(sum(one.cpu_times()[:2]) for one in self.operator.family())

    async def proxy_seconds(self, calls: int = 60) -> float:
        """What the proxy adds to the time of a call, by the median."""
        direct: list[float] = []
        through: list[float] = []
        async with await client.Client.connect(self.proxy.kubeconfig_path) as behind:
            for _ in range(calls):
                for api, times in ((self.api, direct), (behind, through)):
                    begin = time.perf_counter()
                    await api.get("Namespace", "", self.namespace)
                    times.append(time.perf_counter() - begin)
        return statistics.median(through) - statistics.median(direct)

    async def sample_memory(self) -> None:
        """Keeps `peak_rss` until cancelled."""
        while True:
            with contextlib.suppress(psutil.NoSuchProcess):
                self.peak_rss = max(self.peak_rss, sum(one.memory_info().rss for one in self.operator.family()))
            await asyncio.sleep(SAMPLE_SECONDS)

    async def sample_lag(self) -> None:
        """Keeps `lags` until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_SECONDS
            await asyncio.sleep(LAG_SECONDS)
            self.lags.append(loop.time() - due)


@contextlib.asynccontextmanager
async def prepared(kubeconfig: pathlib.Path, *options: str) -> AsyncIterator[Ground]:
    """The ground, its operator not started yet. Everything is removed at the end."""
    async with contextlib.AsyncExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        api = await stack.enter_async_context(await client.Client.connect(kubeconfig, "tuning-benchmarks"))
        await install(api)
        namespace = await stack.enter_async_context(api.namespace())
        kubelet = await stack.enter_async_context(Kubelet(api, f"fake-{uuid.uuid4().hex[:8]}"))
        proxy = await stack.enter_async_context(audit.Proxy(kubeconfig))
        operator = process.Operator(namespace, proxy.kubeconfig_path, folder / "operator.log", *options)
        stack.callback(operator.kill)
        yield Ground(api, namespace, kubelet, proxy, operator, timeline.Timeline(api, namespace))


async def machine(api: client.Client) -> dict[str, Any]:
    """What the figures depend on beside the operator."""
    version = await api.call("GET", "/version")
    return {
        "kubernetes": version["gitVersion"],
        "cores": os.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
    }


async def install(api: client.Client) -> None:
    """The API server knows our kinds, as crds/ has them now."""
    for path in sorted(CRDS.glob("*.yaml")):
        for manifest in yaml.safe_load_all(path.read_text()):
            kind, name = manifest["kind"], manifest["metadata"]["name"]
            if await api.find(kind, "", name) is None:
                await api.create(manifest)
            else:
                await api.patch(kind, "", name, manifest)
            await api.until(kind, "", name, _is_established)


def _is_established(definition: dict[str, Any]) -> bool:
    conditions = (definition.get("status") or {}).get("conditions") or []
    return any(item["type"] == "Established" and item["status"] == "True" for item in conditions)


def _role(one: psutil.Process) -> str:
    words = " ".join(one.cmdline())
    return "search" if "search import child" in words else "operator"


def _mib(size: int) -> float:
    return round(size / 2**20, 1)
