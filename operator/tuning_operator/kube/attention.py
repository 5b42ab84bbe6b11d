"""What the reconciler hears of running trials: it says which ones matter, and is called when there is news.

Between the two stands what needs no decision: when to look again, what is told to people, and the curves of trials that
have ended, which are unpacked once.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Mapping

from tuning_operator.api import job
from tuning_operator.kube import executor, following, observing, store, workqueue
from tuning_operator.stopping import curve
from tuning_operator.tuner import actions, observed, results, state

NEWS_PAUSE = datetime.timedelta(seconds=0.2)
"""How long observations may wait for others, with which they are looked at together."""


class Attention:
    """Listens to the trials of jobs."""

    def __init__(
        self,
        known: store.Store,
        queue: workqueue.WorkQueue[store.Key],
        hands: executor.Executor,
        reach: observing.Reach,
        streams: following.Logs,
        clock: Callable[[], datetime.datetime],
    ) -> None:
        self._store = known
        self._queue = queue
        self._hands = hands
        self._clock = clock
        self._observer = observing.Observer(reach, streams, self._heard, self._unheard)
        self._ended: dict[store.Key, dict[str, Mapping[str, curve.Curve]]] = {}
        self._telling: set[asyncio.Task[None]] = set()

    def attempt(self, key: store.Key, item: store.TrialRecord, pod: store.PodRecord | None) -> state.Attempt | None:
        """A trial's attempt, with what its log has told; of a finished trial, what its Pod shows."""
        if pod is None or item.status.phase.is_finished():
            return pod.attempt if pod is not None else None
        return self._observer.attempt(key, pod)

    def curves(
        self, key: store.Key, spec: job.JobSpec, item: store.TrialRecord, pod: store.PodRecord | None
    ) -> Mapping[str, curve.Curve]:
        """What the trial has reported, as far as anything may be decided by it."""
        if not observed.metrics(spec):
            return {}
        if not item.status.phase.is_finished():
            return (pod and self._observer.curves(key, pod.uid)) or results.recorded(item.points)
        ended = self._ended.setdefault(key, {})
        if item.uid not in ended:
            ended[item.uid] = results.recorded(item.points)
        return ended[item.uid]

    def attend(self, key: store.Key, snapshot: state.Snapshot) -> None:
        """From now on those trials are listened to on whose reports a decision may depend."""
        unfinished = []
        for item in snapshot.known.live:
            pod = None if item.is_finished() else self._store.pod(key.namespace, item.uid)
            if pod is not None:
                unfinished.append((pod, item))
        self._observer.attend(key, snapshot.job.spec, unfinished)

    def forget(self, key: store.Key) -> None:
        """The job is gone, or another one has its name."""
        self._observer.forget(key)
        self._ended.pop(key, None)

    async def close(self) -> None:
        """Ends what is under way."""
        await asyncio.gather(*self._telling, return_exceptions=True)
        await self._observer.close()

    def _heard(self, key: store.Key) -> None:
        now = self._clock()
        self._queue.add_at(key, now + NEWS_PAUSE, now)

    def _unheard(self, key: store.Key, item: state.Trial, why: str) -> None:
        """Tells people that a running trial cannot be judged: nothing else would show it."""
        record, attempt = self._store.jobs.get(key), item.attempt
        if record is None or attempt is None:
            return
        message = f"early stopping cannot judge {item.name}: its sidecar does not tell what it reports ({why})"
        reason = "ObservationsUnreachable"
        news = actions.Announce(f"unheard-{attempt.number}", reason, message, actions.Severity.WARNING, item)
        task = asyncio.create_task(self._hands.announce(record, news))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
