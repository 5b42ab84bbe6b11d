"""The operator's own HTTP endpoints: is it alive, is it ready, what does it measure.

Alive means more than "the web server answers": the same event loop answers, and the queue must make progress while
it has work.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import prometheus_client
from aiohttp import web

from tuning_operator.kube import workqueue

STUCK_SECONDS = 120.0


class Health:
    """Liveness by the queue's progress, readiness by the first complete listing."""

    def __init__(self, queue: workqueue.WorkQueue[Any], ready: Callable[[], bool]) -> None:
        self._queue = queue
        self._ready = ready
        self._seen = (0, time.monotonic())

    def stuck(self) -> bool:
        """Whether keys have waited without any look being finished for too long."""
        progress, since = self._seen
        if self._queue.progress != progress or len(self._queue) == 0:
            self._seen = (self._queue.progress, time.monotonic())
            return False
        return time.monotonic() - since > STUCK_SECONDS

    async def serve(self, port: int) -> web.AppRunner:
        """Serves on the port until the runner is cleaned up."""
        application = web.Application()
        application.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
            ]
        )
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, port=port).start()
        return runner

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(status=500, text="stuck\n") if self.stuck() else web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n") if self._ready() else web.Response(status=503, text="not ready\n")

    async def _metrics(self, _: web.Request) -> web.Response:
        headers = {"Content-Type": prometheus_client.CONTENT_TYPE_LATEST}
        return web.Response(body=prometheus_client.generate_latest(), headers=headers)
