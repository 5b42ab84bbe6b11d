"""The operator's hands: each action of a plan as API calls, and the answers put into the store.

Making an object that exists already is success if it is ours. Changing one that has changed in the meantime ends the
plan: the object is read anew, and the job is looked at again.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, Protocol

from tuning_operator.api import job, trial
from tuning_operator.kube import client, metrics, names, render, store
from tuning_operator.tuner import actions, proposing, state

log = logging.getLogger(__name__)

COMPONENT = "tuning-operator"
COLLECT_RETRY_SECONDS = 0.2
SLOW_SIDECAR_SECONDS = 2.0
"""A sidecar that is still starting when its trial has ended already is no news; one that does not answer for longer is."""
TOLD_AGAIN_SECONDS = 10.0
"""A sidecar that was told, and still runs after this time, is told again."""
MAX_EVENT_MESSAGE = 1000


class Finisher(Protocol):
    """Tells a sidecar that its trial's process has ended."""

    async def finish(self, namespace: str, pod: store.PodRecord, token: str) -> None:
        """Raises OSError or ApiError when the sidecar cannot be reached."""


class Taken(Exception):
    """An object of the name that we need belongs to somebody else, or is on its way out."""


class Stale(Exception):
    """The plan was made from what is no longer so; the store knows better now."""


class Executor:
    """Carries out actions for jobs."""

    def __init__(
        self,
        api: client.Api,
        known: store.Store,
        sidecar: render.Sidecar,
        finisher: Finisher,
        clock: Callable[[], datetime.datetime],
    ) -> None:
        self._api = api
        self._store = known
        self._sidecar = sidecar
        self._finisher = finisher
        self._clock = clock
        self._collecting: dict[str, asyncio.Task[None]] = {}

    async def rehearse(self, record: store.JobRecord, owner: state.Job, profile: str = "") -> None:
        """Asks the API server whether the template makes a Pod, without making one. Raises Refused."""
        namespace = record.key.namespace
        manifest = self.mold(record, owner, profile)
        with contextlib.suppress(client.Conflict):  # of the name only: the template has passed by then
            await self._api.create(names.pods_path(namespace), manifest, dry_run=True)

    def mold(self, record: store.JobRecord, owner: state.Job, profile: str) -> client.Object:
        """A Pod such as those that the job's trials are going to be."""
        return render.pod_manifest(owner, record.key.namespace, render.sample(owner), 1, self._sidecar, profile=profile)

    async def create_trial(self, record: store.JobRecord, owner: state.Job, action: actions.CreateTrial) -> None:
        """Stores a proposal as a TuningTrial."""
        namespace = record.key.namespace
        manifest = render.trial_manifest(owner, namespace, proposing.spec_of(action.proposal, owner))
        body = await self._create(names.trials_path(namespace), manifest)
        self._store.observe_trial(body)
        _say("trial created", record, manifest["metadata"]["name"], action.why)

    async def start(
        self, record: store.JobRecord, owner: state.Job, action: actions.StartAttempt, node: str = ""
    ) -> client.Object:
        """Makes the Pod of an attempt, with a preference for a node. Raises Refused when the API server does not want
        it, or Taken.
        """
        namespace = record.key.namespace
        manifest = render.pod_manifest(
            owner,
            namespace,
            action.trial,
            action.number,
            self._sidecar,
            action.profile,
            node,
            discard=action.discard,
        )
        body = await self._create(names.pods_path(namespace), manifest)
        self._store.observe_pod(body)
        _say("pod created", record, action.trial.name, action.why)
        return body

    async def stop(self, record: store.JobRecord, action: actions.StopAttempt) -> bool:
        """Deletes the Pod of a trial's newest attempt; answers whether there was one."""
        namespace = record.key.namespace
        pod = self._store.pod(namespace, action.trial.uid)
        if pod is None or pod.gone:
            return False
        try:
            body = await self._api.delete(names.pods_path(namespace, pod.name), pod.uid)
        except (client.NotFound, client.Conflict):  # a Conflict: another Pod has the name by now
            self._store.lose_pod(namespace, action.trial.uid, pod)
            return True
        _say("pod deleted", record, action.trial.name, action.why)
        if body.get("kind") != "Pod":
            return False
        self._store.observe_pod(body)
        return True

    async def record_trial(self, record: store.JobRecord, action: actions.RecordTrial) -> None:
        """Writes a trial's status. Raises Stale when it was changed or deleted in the meantime."""
        known = self._store.trial(record.key, record.uid, action.trial.number)
        if known is None:
            raise Stale(f"{action.trial.name} is gone")
        path = names.trials_path(record.key.namespace, known.name)
        try:
            body = await self._api.replace_status(path, known.version, action.status.to_wire())
        except (client.Conflict, client.NotFound) as refusal:
            lose = functools.partial(self._store.lose_trial, record.key, known)
            await self._refresh(path, known.version, refusal, self._store.observe_trial, lose)
        self._store.observe_trial(body)
        if action.status.phase.is_finished() and not known.status.phase.is_finished():
            _count_end(action.status)
        _say("trial recorded", record, known.name, action.why)

    async def record_job(self, record: store.JobRecord, status: job.JobStatus) -> None:
        """Writes the job's status. Raises Stale when the job was changed or deleted in the meantime."""
        path = names.jobs_path(record.key.namespace, record.key.name)
        try:
            body = await self._api.replace_status(path, record.version, status.to_wire())
        except (client.Conflict, client.NotFound) as refusal:
            lose = functools.partial(self._store.lose_job, record)
            await self._refresh(path, record.version, refusal, self._store.observe_job, lose)
        self._store.observe_job(body)

    async def _refresh(
        self, path: str, version: str, refusal: client.ApiError, observe: store.Take, lose: Callable[[], None]
    ) -> NoReturn:
        """Reads an object that could not be written; the watch would bring it too, but not always at once.

        Raises Stale, or the refusal itself if nothing new is learned.
        """
        try:
            body = await self._api.get(path)
        except client.NotFound:
            lose()
            raise Stale(f"{path} is gone") from refusal
        observe(body)
        if body["metadata"]["resourceVersion"] == version:
            raise refusal
        raise Stale(f"{path} has changed") from refusal

    async def announce(self, record: store.JobRecord, action: actions.Announce) -> None:
        """Tells people; what repeats is counted in one Event.

        An Event that cannot be written is logged and never holds anything up.
        """
        collection = names.events_path(record.key.namespace)
        manifest = _event(record, action, self._clock())
        try:
            try:
                await self._api.create(collection, manifest)
            except client.Conflict:
                if action.repeats:
                    await self._count(f"{collection}/{manifest['metadata']['name']}", manifest)
        except (client.ApiError, OSError, TimeoutError) as error:
            log.warning("event not written", extra={"job": record.key, "why": str(error)})

    async def _count(self, path: str, manifest: Mapping[str, Any]) -> None:
        told = await self._api.get(path)
        news = {
            "count": int(told.get("count") or 1) + 1,
            **{name: manifest[name] for name in ("message", "lastTimestamp")},
        }
        await self._api.merge(path, news)

    def collect(self, record: store.JobRecord, action: actions.Collect) -> None:
        """Tells the sidecar of a trial that has ended to hand over, in the background and until it does.

        A native sidecar is told by the kubelet.
        """
        namespace = record.key.namespace
        pod = self._store.pod(namespace, action.trial.uid)
        if pod is None or pod.native or pod.uid in self._collecting:
            return
        task = asyncio.create_task(self._collect(namespace, pod, action.trial.uid))
        self._collecting[pod.uid] = task
        task.add_done_callback(lambda _: self._collecting.pop(pod.uid, None))

    async def _collect(self, namespace: str, pod: store.PodRecord, trial_uid: str) -> None:
        delay, pause = COLLECT_RETRY_SECONDS, TOLD_AGAIN_SECONDS
        while True:
            try:
                await self._finisher.finish(namespace, pod, trial_uid)
            except (OSError, client.ApiError, TimeoutError) as error:
                level = logging.DEBUG if delay < SLOW_SIDECAR_SECONDS else logging.WARNING
                log.log(level, "sidecar not reached", extra={"pod": f"{namespace}/{pod.name}", "why": str(error)})
                pause, delay = delay, min(2 * delay, TOLD_AGAIN_SECONDS)
            else:
                pause = TOLD_AGAIN_SECONDS
            await asyncio.sleep(pause)
            now = self._store.pod(namespace, trial_uid)
            if now is None or now.uid != pod.uid or not now.attempt.draining:
                return

    async def _create(self, collection: str, manifest: dict[str, Any]) -> client.Object:
        try:
            return await self._api.create(collection, manifest)
        except client.Conflict as refusal:
            kind, name = manifest["kind"], manifest["metadata"]["name"]
            try:
                existing = await self._api.get(f"{collection}/{name}")
            except client.NotFound:
                raise Stale(f"{kind} {name} has gone just now") from refusal
            if store.owner_uid(existing) == store.owner_uid(manifest):
                return existing
            if "deletionTimestamp" in existing["metadata"]:
                raise Taken(f"an earlier {kind} {name} is still being removed") from refusal
            raise Taken(f"{kind} {name} exists and belongs to somebody else; delete it") from refusal

    async def close(self) -> None:
        """Ends what is under way."""
        for task in list(self._collecting.values()):
            task.cancel()
        await asyncio.gather(*self._collecting.values(), return_exceptions=True)


def _event(record: store.JobRecord, action: actions.Announce, now: datetime.datetime) -> dict[str, Any]:
    about: Mapping[str, str]
    if action.trial is None:
        about = {"kind": "TuningJob", "name": record.key.name, "uid": record.uid}
    else:
        about = {"kind": "TuningTrial", "name": action.trial.name, "uid": action.trial.uid}
    moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": names.event(about["name"], about["uid"], action.key),
            "namespace": record.key.namespace,
        },
        "involvedObject": {"apiVersion": job.API_VERSION, "namespace": record.key.namespace, **about},
        "type": action.severity,
        "reason": action.reason,
        "message": action.message[:MAX_EVENT_MESSAGE],
        "source": {"component": COMPONENT},
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }


def _count_end(status: trial.TrialStatus) -> None:
    metrics.FINISHED.labels(status.phase, metrics.reasons(status.reason)).inc()
    if status.start_time and status.completion_time:
        lasted = (status.completion_time - status.start_time).total_seconds()
        metrics.TRIAL_SECONDS.labels(status.phase).observe(max(0.0, lasted))


def _say(what: str, record: store.JobRecord, trial: str, why: str) -> None:
    log.info(what, extra={"job": record.key, "trial": trial, "why": why})
