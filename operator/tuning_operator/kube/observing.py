"""Live observations: what running trials have reported so far, for decisions that cannot wait for their end.

One task a running Pod asks its sidecar for news, which answers as soon as there are any: that costs the API server
nothing, and an idle trial next to nothing. Where the trial prints its metrics the task follows its log instead, to the
end, as there is no sidecar to hand them over. Nothing here has to survive: the sidecar or the log has it all, and a
restarted operator reads it again from the beginning.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from tuning_operator.api import job, trial
from tuning_operator.kube import client, following, sidecars, store
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

    metrics: tuple[str, ...]
    curves: observed.Curves | following.Log
    ended: asyncio.Event
    task: asyncio.Task[None] | None = None

    def now(self) -> Mapping[str, curve.Curve]:
        """The curves so far."""
        return self.curves.curves() if isinstance(self.curves, following.Log) else self.curves.now()


class Observer:
    """Follows the running Pods of jobs."""

    def __init__(self, reach: Reach, logs: following.Logs, changed: Changed, unreachable: Unreachable) -> None:
        self._reach = reach
        self._logs = logs
        self._changed = changed
        self._unreachable = unreachable
        self._watched: dict[store.Key, dict[str, Watched]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def attend(
        self, key: store.Key, spec: job.JobSpec, unfinished: Iterable[tuple[store.PodRecord, state.Trial]]
    ) -> None:
        """From now on, of the Pods of a job's unfinished trials, those are followed that have something to tell."""
        metrics = observed.metrics(spec)
        wanted = {pod.uid: (pod, item) for pod, item in unfinished if _tells(pod, metrics)}
        known = self._watched.setdefault(key, {})
        for uid in [uid for uid in known if uid not in wanted or known[uid].metrics != metrics]:
            self._drop(known.pop(uid))
        for uid, (pod, item) in wanted.items():
            if uid not in known and not pod.gone:
                known[uid] = self._watch(key, spec, metrics, pod, item)
            if uid in known and (pod.gone or pod.attempt.phase is not trial.AttemptPhase.RUNNING):
                known[uid].ended.set()
        if not known:
            del self._watched[key]

    def curves(self, key: store.Key, pod_uid: str) -> Mapping[str, curve.Curve]:
        """What the Pod has reported so far."""
        watched = self._watched.get(key, {}).get(pod_uid)
        return watched.now() if watched is not None else {}

    def attempt(self, key: store.Key, pod: store.PodRecord) -> state.Attempt:
        """The Pod's attempt, with what its log has told: without that, the end of its process is no result yet."""
        if not pod.logged or pod.attempt.summary is not None:
            return pod.attempt
        watched = self._watched.get(key, {}).get(pod.uid)
        reading = watched.curves if watched is not None and isinstance(watched.curves, following.Log) else None
        match pod.attempt.phase:
            case trial.AttemptPhase.SUCCEEDED | trial.AttemptPhase.FAILED if pod.attempt.ended is not None:
                return following.settled(pod.attempt, reading, gone=pod.gone)
            case trial.AttemptPhase.RUNNING if reading is not None:
                return dataclasses.replace(pod.attempt, summary=reading.summary())
            case _:
                return pod.attempt

    def forget(self, key: store.Key) -> None:
        """The job is gone."""
        for watched in self._watched.pop(key, {}).values():
            self._drop(watched)

    async def close(self) -> None:
        """Ends what is under way."""
        for key in list(self._watched):
            self.forget(key)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _watch(
        self, key: store.Key, spec: job.JobSpec, metrics: tuple[str, ...], pod: store.PodRecord, item: state.Trial
    ) -> Watched:
        ended = asyncio.Event()
        if pod.logged:
            reading = following.Log(spec, metrics)
            watched = Watched(metrics, reading, ended)
            work = self._read(key, following.Follower(self._logs, key.namespace, pod, reading, ended))
        else:
            curves = observed.Curves(metrics)
            watched = Watched(metrics, curves, ended)
            work = self._follow(key, pod, item, curves)
        watched.task = asyncio.create_task(work)
        self._tasks.add(watched.task)
        watched.task.add_done_callback(self._tasks.discard)
        return watched

    def _drop(self, watched: Watched) -> None:
        if watched.task is not None:
            watched.task.cancel()

    async def _read(self, key: store.Key, follower: following.Follower) -> None:
        async for changed in follower.run():
            if changed:
                self._changed(key)
        if follower.log.lost:
            extra = {"pod": f"{key.namespace}/{follower.pod.name}", "why": follower.log.lost}
            log.warning("log not read", extra=extra)
        self._changed(key)

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


def _tells(pod: store.PodRecord, metrics: tuple[str, ...]) -> bool:
    """Whether something may be learned from the Pod that matters."""
    attempt = pod.attempt
    if pod.logged:
        # To the end, and beyond it: without what its log has told, the end of its process is no result.
        begun = attempt.started is not None and attempt.summary is None
        return begun and attempt.phase is not trial.AttemptPhase.LOST
    return bool(metrics and pod.address and not pod.gone and attempt.phase is trial.AttemptPhase.RUNNING)
