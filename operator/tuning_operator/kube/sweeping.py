"""A complete look at the cluster now and then, in case the watch has missed something.

A watch that had to start anew tells what is there, but not what went away in between. Once at the start, when it also
tells that the caches are complete, and then at a low rate.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from tuning_operator.kube import client, names, store, workqueue

log = logging.getLogger(__name__)

PERIOD_SECONDS = 600.0
RETRY_SECONDS = 5.0


class Sweeper:
    """Lists everything that belongs to the operator and brings the store in line."""

    def __init__(
        self,
        api: client.Api,
        known: store.Store,
        queue: workqueue.WorkQueue[store.Key],
        namespaces: Sequence[str],
    ) -> None:
        self._api = api
        self._store = known
        self._queue = queue
        self._namespaces = namespaces
        self.complete = asyncio.Event()
        """Set after the first sweep: all that exists is known."""

    async def run(self) -> None:
        """Sweeps until cancelled."""
        while True:
            try:
                await self._sweep()
            except (client.ApiError, OSError, TimeoutError) as error:
                log.warning("listing failed; it is tried again", extra={"why": str(error)})
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self.complete.set()
            await asyncio.sleep(PERIOD_SECONDS)

    async def _sweep(self) -> None:
        scopes = self._namespaces or ("",)
        gone = await self._list(store.Kind.JOBS, [names.jobs_path(scope) for scope in scopes], self._store.observe_job)
        await self._list(store.Kind.TRIALS, [names.trials_path(scope) for scope in scopes], self._store.observe_trial)
        await self._list(store.Kind.PODS, [names.pods_path(scope) for scope in scopes], self._store.observe_pod)
        for key in (*self._store.jobs, *gone):
            self._queue.add(key)

    async def _list(self, kind: store.Kind, paths: Sequence[str], observe: store.Take) -> set[store.Key]:
        """Takes in all that there is; answers the jobs that are gone."""
        selector = names.JOB_UID_LABEL if kind is store.Kind.PODS else ""
        seen: set[str] = set()
        versions: list[int] = []
        for path in paths:
            async for page, version in self._api.pages(path, selector):
                versions.append(version)
                for body in page:
                    store.take(observe, body)
                    seen.add(body["metadata"]["uid"])
        return self._store.sweep(kind, seen, min(versions))
