"""The session that kopf is given: an API server that starts does not end the operator."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web

from tuning_operator.kube import watching


async def test_a_kind_that_is_not_served_yet_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watching, "NOT_SERVED_SECONDS", 0.001)
    answers = [404, 404, 200, 404]

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=answers.pop(0))

    application = web.Application()
    application.add_routes([web.get("/jobs", answer)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    try:
        async with aiohttp.ClientSession(middlewares=(watching.insist,)) as session:
            response = await session.get(f"http://{host}:{port}/jobs")
            assert response.status == 200
    finally:
        await runner.cleanup()
    assert answers == [404]
    assert [record.path for record in caplog.records] == ["/jobs", "/jobs"]  # type: ignore[attr-defined]
