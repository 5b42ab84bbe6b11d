"""The operator's own HTTP endpoints: is it alive, is it ready, what does it measure.

Alive means more than "the web server answers": the same event loop answers, and the queue must make progress while
it has work.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tuning_operator.kube import metrics, workqueue

log = logging.getLogger(__name__)

STUCK_SECONDS = 120.0
"""Keys wait, and no look was finished for so long."""
ENDLESS_SECONDS = 900.0
"""One look has lasted for so long; those of the largest jobs take a minute."""


class Health:
    """Liveness by the queue's progress, readiness by the first complete listing.

    An operator that waits for its term is ready when its caches are: it could take over at once.
    """

    def __init__(
        self,
        queue: workqueue.WorkQueue[Any],
        ready: Callable[[], bool],
        leading: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._ready = ready
        self._leading = leading
        self._clock = clock
        self._seen = (0, clock())

    def stuck(self) -> str:
        """What is wrong: keys have waited without any look being finished, or one look does not end; else empty."""
        now = self._clock()
        progress, since = self._seen
        if self._queue.progress != progress or len(self._queue) == 0 or not self._leading():
            since = now
            self._seen = (self._queue.progress, now)
        if now - since > STUCK_SECONDS:
            return f"{len(self._queue)} jobs wait, and none was looked at for {now - since:.0f} s"
        key, age = self._queue.longest()
        return f"looking at {key} has not ended for {age:.0f} s" if age > ENDLESS_SECONDS else ""

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
        trouble = self.stuck()
        if trouble:
            log.error("stuck", extra={"why": trouble})
        return web.Response(status=500, text=f"{trouble}\n") if trouble else web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n") if self._ready() else web.Response(status=503, text="not ready\n")

    async def _metrics(self, _: web.Request) -> web.Response:
        headers = {"Content-Type": metrics.CONTENT_TYPE}
        # In a thread: a thousand jobs have thousands of series, and the event loop has better things to do.
        return web.Response(body=await asyncio.to_thread(metrics.exposition), headers=headers)
