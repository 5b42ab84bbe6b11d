"""The operator's web page, with its real store before a real API server."""

from __future__ import annotations

import asyncio
import pathlib
import socket

import aiohttp
import pytest

from tests import builders
from tests.integration import audit, client, process
from tests.integration.kubelet import Kubelet

PATIENCE = 30.0


async def page(url: str, *words: str) -> str:
    """The page as soon as it has all of these words."""
    async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(url) as answer:
                    text = await answer.text()
            except aiohttp.ClientError:
                text = ""
            if text and all(word in text for word in words):
                return text
            await asyncio.sleep(0.1)


@pytest.fixture
def port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_the_page_shows_what_the_operator_knows_and_costs_the_api_server_nothing(
    crds: None,
    cluster: client.Client,
    kubelet: Kubelet,
    namespace: str,
    proxy: audit.Proxy,
    tmp_path: pathlib.Path,
    port: int,
) -> None:
    operator = process.Operator(namespace, proxy.kubeconfig_path, tmp_path / "operator.log", "--web", str(port))
    operator.start()
    try:
        await operator.ready()
        await page(f"http://localhost:{port}/", "There are none yet")
        await cluster.create(builders.job("job", trials=3, parallel=3, placement=kubelet.placement), namespace)
        await cluster.until("TuningJob", namespace, "job", lambda job: job.get("status", {}).get("phase") == "Complete")
        await page(f"http://localhost:{port}/", f"/jobs/{namespace}/job", "Complete", "3/3")
        before = len(proxy.calls)
        address = f"http://localhost:{port}/jobs/{namespace}/job"
        await page(address, "Best configuration", "history", "Succeeded 3")
        await page(f"{address}/compare?t=0&t=2", "trial 0", "trial 2")
        assert [(call.verb, call.path) for call in proxy.calls[before:] if call.verb != "watch"] == []
        # There is no real kubelet to ask for the log; that this is told and not hidden is what can be seen here.
        await page(f"{address}/trials/1", "Configuration", "Attempts", "log")
    finally:
        operator.kill()
