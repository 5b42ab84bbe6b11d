"""The operator's hands: each action of a plan as API calls, and the answers put into the store.

Making an object that exists already is success if it is ours; changing one that has changed in the meantime is a
Conflict, after which the job is looked at again.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from tuning_operator.api import job
from tuning_operator.kube import client, names, render, store
from tuning_operator.tuner import actions, proposing, state

log = logging.getLogger(__name__)

COMPONENT = "tuning-operator"
COLLECT_RETRY_SECONDS = 0.2
SLOW_SIDECAR_SECONDS = 2.0
"""A sidecar that is still starting when its trial has ended already is no news; one that does not answer for longer is."""
MAX_EVENT_MESSAGE = 1000


class Finisher(Protocol):
    """Tells a sidecar that its trial's process has ended."""

    async def finish(self, namespace: str, pod: store.PodRecord, token: str) -> None:
        """Raises OSError or ApiError when the sidecar cannot be reached."""


class Foreign(Exception):
    """An object of the name that we need belongs to somebody else."""


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

    async def rehearse(self, record: store.JobRecord, owner: state.Job) -> None:
        """Asks the API server whether the template makes a Pod, without making one. Raises Refused."""
        namespace = record.key.namespace
        manifest = render.pod_manifest(owner, namespace, render.sample(owner), 1, self._sidecar)
        await self._api.create(names.pods_path(namespace), manifest, dry_run=True)

    async def create_trial(self, record: store.JobRecord, owner: state.Job, action: actions.CreateTrial) -> None:
        """Stores a proposal as a TuningTrial."""
        namespace = record.key.namespace
        manifest = render.trial_manifest(owner, namespace, proposing.spec_of(action.proposal, owner))
        body = await self._create(names.trials_path(namespace), manifest)
        self._store.observe_trial(body)
        _say("trial created", record, manifest["metadata"]["name"], action.why)

    async def start(self, record: store.JobRecord, owner: state.Job, action: actions.StartAttempt) -> None:
        """Makes the Pod of an attempt. Raises Refused when the API server does not want it."""
        namespace = record.key.namespace
        manifest = render.pod_manifest(owner, namespace, action.trial, action.number, self._sidecar)
        body = await self._create(names.pods_path(namespace), manifest)
        self._store.observe_pod(body)
        _say("pod created", record, action.trial.name, action.why)

    async def stop(self, record: store.JobRecord, action: actions.StopAttempt) -> bool:
        """Deletes the Pod of a trial's newest attempt; answers whether there was one."""
        pod = self._store.pod(action.trial.uid)
        if pod is None:
            return False
        try:
            body = await self._api.delete(names.pods_path(record.key.namespace, pod.name), pod.uid)
        except client.NotFound:
            return False
        _say("pod deleted", record, action.trial.name, action.why)
        if body.get("kind") != "Pod":
            return False
        self._store.observe_pod(body)
        return True

    async def record_trial(self, record: store.JobRecord, action: actions.RecordTrial) -> None:
        """Writes a trial's status. Raises Conflict when it was changed in the meantime."""
        known = self._store.trial(record.uid, action.trial.number)
        path = names.trials_path(record.key.namespace, known.name)
        body = await self._api.replace_status(path, known.version, action.status.to_wire())
        self._store.observe_trial(body)
        _say("trial recorded", record, known.name, action.why)

    async def record_job(self, record: store.JobRecord, status: job.JobStatus) -> None:
        """Writes the job's status. Raises Conflict when the job was changed in the meantime."""
        path = names.jobs_path(record.key.namespace, record.key.name)
        self._store.observe_job(await self._api.replace_status(path, record.version, status.to_wire()))

    async def announce(self, record: store.JobRecord, action: actions.Announce) -> None:
        """Tells people, once. An Event that cannot be written is logged and never holds anything up."""
        manifest = _event(record, action, self._clock())
        try:
            await self._api.create(names.events_path(record.key.namespace), manifest)
        except client.Conflict:
            return
        except client.ApiError as error:
            log.warning("event not written", extra={"job": record.key, "why": str(error)})

    def collect(self, record: store.JobRecord, action: actions.Collect) -> None:
        """Tells the sidecar of a trial that has ended to hand over, in the background and again until it does."""
        pod = self._store.pod(action.trial.uid)
        if pod is None or pod.uid in self._collecting:
            return
        task = asyncio.create_task(self._collect(record.key.namespace, pod, action.trial.uid))
        self._collecting[pod.uid] = task
        task.add_done_callback(lambda _: self._collecting.pop(pod.uid, None))

    async def _collect(self, namespace: str, pod: store.PodRecord, token: str) -> None:
        delay = COLLECT_RETRY_SECONDS
        while True:
            try:
                await self._finisher.finish(namespace, pod, token)
            except (OSError, client.ApiError, TimeoutError) as error:
                level = logging.DEBUG if delay < SLOW_SIDECAR_SECONDS else logging.WARNING
                log.log(level, "sidecar not reached", extra={"pod": f"{namespace}/{pod.name}", "why": str(error)})
            else:
                return
            await asyncio.sleep(delay)
            delay = min(2 * delay, 10.0)
            now = self._store.pod(token)
            if now is None or now.uid != pod.uid or not now.attempt.draining:
                return

    async def _create(self, collection: str, manifest: dict[str, Any]) -> client.Object:
        try:
            return await self._api.create(collection, manifest)
        except client.Conflict:
            existing = await self._api.get(f"{collection}/{manifest['metadata']['name']}")
            if store.owner_uid(existing) == store.owner_uid(manifest):
                return existing
            kind, name = manifest["kind"], manifest["metadata"]["name"]
            raise Foreign(f"{kind} {name} exists and belongs to somebody else; delete it or rename the job") from None

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


def _say(what: str, record: store.JobRecord, trial: str, why: str) -> None:
    log.info(what, extra={"job": record.key, "trial": trial, "why": why})
