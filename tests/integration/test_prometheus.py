"""A real Prometheus scrapes a real operator with jobs at work: every panel of every dashboard shows something."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import math
import pathlib
import socket
import subprocess
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml
from aiohttp import web
from charts.monitoring import panels

from tests import builders
from tests.integration import audit, client, fates, process
from tests.integration.fates import Fate
from tests.integration.kubelet import Kubelet
from tests.prometheus import tools
from tuning_trial import curve, summary
from tuning_trial import web as sidecar

ALERTS = pathlib.Path(__file__).parents[2] / "charts" / "tuning-operator" / "files" / "monitoring" / "alerts.yaml"
SECONDS = 60.0
WINDOW = "20s"


@dataclasses.dataclass
class Prometheus:
    """A server that has been asked to scrape every second."""

    address: str
    session: aiohttp.ClientSession

    async def ask(self, path: str, **query: str) -> Any:
        async with self.session.get(f"{self.address}/api/v1/{path}", params=query) as answer:
            body = await answer.json()
        assert body["status"] == "success", body
        return body["data"]

    async def values(self, query: str) -> list[float]:
        """What a query shows; NaN shows nothing."""
        found = await self.ask("query", query=query)
        values = [float(item["value"][1]) for item in found["result"]]
        return [value for value in values if not math.isnan(value)]


@pytest_asyncio.fixture(loop_scope="session")
async def observed(
    crds: None,
    cluster: client.Client,
    kubelet: Kubelet,
    namespace: str,
    proxy: audit.Proxy,
    tmp_path: pathlib.Path,
    request: pytest.FixtureRequest,
) -> AsyncIterator[tuple[Prometheus, str]]:
    """Prometheus over an operator, and the name of the job to look at, whose trials run."""
    ports = [_free() for _ in range(3)]
    lease = ("--lease", f"{namespace}/tuning-operator", "--identity", "one", "--port", str(ports[0]))
    operator = process.Operator(namespace, proxy.kubeconfig_path, tmp_path / "operator.log", *lease)
    kubelet.script = _script
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(operator.kill)
        stack.push_async_callback((await _curves(ports[1], namespace)).cleanup)
        found = await _prometheus(stack, tmp_path, ports)
        operator.start()
        await operator.ready()
        jobs = (
            builders.job("busy", algorithm="random", trials=2000, parallel=2, placement=kubelet.placement),
            builders.job("held", algorithm="random", trials=4, parallel=2, placement=kubelet.placement),
            builders.job("waits", algorithm="random", trials=1, placement={"nodeSelector": {"no-such": "node"}}),
        )
        for job in jobs:
            job["spec"]["limits"]["maxFailedTrials"] = 10_000
            await cluster.create(job, namespace)
        yield found, namespace
        request.node.add_report_section("teardown", "operator log", operator.log()[-3000:])


def _script(attempt: fates.Attempt) -> fates.Course:
    """One job's trials fail now and then, the other's run for ever."""
    usual = fates.succeed(attempt)
    if attempt.job == "held" and attempt.number > 0:
        return dataclasses.replace(usual, fate=Fate.HELD)
    if attempt.job == "busy":
        fate = Fate.FAILED if attempt.number % 3 == 0 else Fate.SUCCEEDED
        return dataclasses.replace(usual, fate=fate, running=1.0)
    return usual


async def _curves(port: int, namespace: str) -> web.AppRunner:
    """A sidecar's endpoint: the fake kubelet's Pods have none that tell of metrics."""
    values = curve.Curve()
    labels = sidecar.Labels(job="held", trial="held-0", namespace=namespace)

    async def answer(_: web.Request) -> web.Response:
        values.add(0.5, 1)
        told = summary.Summary(metrics={"accuracy": values.metric()}, rows=values.metric().count)
        body, kind = sidecar.exposition(told, labels)
        return web.Response(body=body, headers={"Content-Type": kind})

    application = web.Application()
    application.router.add_get("/metrics", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner


async def _prometheus(stack: contextlib.AsyncExitStack, folder: pathlib.Path, ports: list[int]) -> Prometheus:
    operator, curves, own = ports
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(ALERTS)],
        "scrape_configs": [
            {
                "job_name": "tuning",
                "honor_labels": True,
                "static_configs": [{"targets": [f"127.0.0.1:{operator}", f"127.0.0.1:{curves}"]}],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    server = _server(folder, own)
    stack.callback(server.wait)
    stack.callback(server.kill)
    session = await stack.enter_async_context(aiohttp.ClientSession())
    made = Prometheus(f"http://127.0.0.1:{own}", session)
    async with asyncio.timeout(SECONDS):
        while True:
            assert server.poll() is None, (folder / "prometheus.log").read_text()
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"{made.address}/-/ready") as answer:
                    if answer.status == 200:
                        return made
            await asyncio.sleep(0.1)


def _server(folder: pathlib.Path, port: int) -> subprocess.Popen[bytes]:
    with (folder / "prometheus.log").open("wb") as log:
        return subprocess.Popen(
            [
                tools.prometheus(),
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _asked(query: str, namespace: str) -> str:
    """The query as Grafana would send it."""
    for name, value in (("__rate_interval", WINDOW), ("__range", WINDOW), ("namespace", namespace), ("job", "held")):
        query = query.replace(f"${name}", value)
    return query


@pytest.mark.timeout(180)
async def test_no_panel_is_empty_and_every_rule_is_healthy(observed: tuple[Prometheus, str]) -> None:
    prometheus, namespace = observed
    empty = {
        f"{board.title}: {panel.title} {legend}": _asked(query, namespace)
        for board in panels.BOARDS.values()
        for row in board.rows.values()
        for panel in row
        for legend, query in panel.queries.items()
    }
    queries = len(empty)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            while empty:
                empty = {name: query for name, query in empty.items() if not await prometheus.values(query)}
                await asyncio.sleep(1)
    assert not empty, json.dumps(empty, indent=1)
    assert queries > 25
    groups = (await prometheus.ask("rules"))["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}
    targets = (await prometheus.ask("targets"))["activeTargets"]
    assert {target["health"] for target in targets} == {"up"}
    firing = {alert["labels"]["alertname"] for alert in (await prometheus.ask("alerts"))["alerts"]}
    assert "TuningOperatorDown" not in firing
    assert "TuningOperatorNoLeader" not in firing
