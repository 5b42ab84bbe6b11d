"""Live observations: what running trials have reported so far, for decisions that cannot wait for their end.

One task a running Pod asks its sidecar for news, which answers as soon as there are any: that costs the API server
nothing, and an idle trial next to nothing. Nothing here has to survive: the sidecar has it all, and a restarted
operator reads it again from the beginning.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from tuning_operator.kube import client, sidecars, store
from tuning_operator.stopping import curve
from tuning_operator.tuner import observed, state

log = logging.getLogger(__name__)

SHORTEST_PAUSE_SECONDS = 0.2
QUESTIONS_PER_SECOND = 200.0
"""How many sidecars together are asked at most: above 40 trials, each of them less often than it could be."""
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.2, 10.0
PATIENCE_SECONDS = 60.0
"""After so long without an answer people are told."""

Changed = Callable[[store.Key], None]
Unreachable = Callable[[store.Key, state.Trial, str], None]


class Reach(Protocol):
    """Asks a sidecar."""

    async def observations(
        self, namespace: str, pod: store.PodRecord, after: int, metrics: tuple[str, ...]
    ) -> sidecars.Page:
        """The rows after that one. Raises OSError, ApiError, TimeoutError or ValueError."""


@dataclasses.dataclass(slots=True)
class Watched:
    """A Pod that is followed, and what it has reported."""

    task: asyncio.Task[None]
    curves: observed.Curves


class Observer:
    """Follows the running Pods of jobs."""

    def __init__(self, reach: Reach, changed: Changed, unreachable: Unreachable) -> None:
        self._reach = reach
        self._changed = changed
        self._unreachable = unreachable
        self._watched: dict[store.Key, dict[str, Watched]] = {}

    def attend(
        self, key: store.Key, metrics: tuple[str, ...], running: Iterable[tuple[store.PodRecord, state.Trial]]
    ) -> None:
        """From now on exactly these Pods of the job are followed, for these metrics."""
        wanted = {pod.uid: (pod, item) for pod, item in running}
        known = self._watched.setdefault(key, {})
        for uid in [uid for uid in known if uid not in wanted or known[uid].curves.names != metrics]:
            known.pop(uid).task.cancel()
        for uid, (pod, item) in wanted.items():
            if uid not in known:
                curves = observed.Curves(metrics)
                known[uid] = Watched(asyncio.create_task(self._follow(key, pod, item, curves)), curves)
        if not known:
            del self._watched[key]

    def curves(self, key: store.Key, pod_uid: str) -> Mapping[str, curve.Curve]:
        """What the Pod has reported so far."""
        watched = self._watched.get(key, {}).get(pod_uid)
        return watched.curves.now() if watched is not None else {}

    def forget(self, key: store.Key) -> None:
        """The job is gone."""
        self.attend(key, (), ())

    async def close(self) -> None:
        """Ends what is under way."""
        tasks = [watched.task for pods in self._watched.values() for watched in pods.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, key: store.Key, pod: store.PodRecord, item: state.Trial, curves: observed.Curves) -> None:
        loop = asyncio.get_running_loop()
        after, retry, heard, told = 0, FIRST_RETRY_SECONDS, loop.time(), False
        while True:
            try:
                page = await self._reach.observations(key.namespace, pod, after, curves.names)
            except (OSError, client.ApiError, TimeoutError, ValueError) as error:
                log.debug("sidecar not reached", extra={"pod": f"{key.namespace}/{pod.name}", "why": str(error)})
                if not told and loop.time() - heard >= PATIENCE_SECONDS:
                    self._unreachable(key, item, str(error) or type(error).__name__)
                    told = True
                await asyncio.sleep(retry)
                retry = min(2 * retry, LAST_RETRY_SECONDS)
                continue
            after, retry, heard = page.last, FIRST_RETRY_SECONDS, loop.time()
            if any([curves.take(row.step, row.values) for row in page.rows]):  # noqa: C419 - each of them is taken
                self._changed(key)
            if not page.more:
                await asyncio.sleep(self._pause())

    def _pause(self) -> float:
        live = sum(map(len, self._watched.values()))
        return max(SHORTEST_PAUSE_SECONDS, live / QUESTIONS_PER_SECOND)
