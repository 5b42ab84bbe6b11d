"""What the operator knows of the cluster: jobs, trials and Pods, as slim records.

Fed by the watch and by the answers to our own writes, so that what was just written is seen at once. An older version
of an object never replaces a newer one. The API server is the only truth: all of this may be lost at any moment.
"""

from __future__ import annotations

import dataclasses
import enum
import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pydantic

from tuning_operator.api import job, trial
from tuning_operator.kube import names, openings, pods
from tuning_operator.tuner import results, state

Take = Callable[[Mapping[str, Any]], "Key | None"]
"""Takes an object in and answers the job to look at."""

log = logging.getLogger(__name__)


class Kind(enum.Enum):
    """The kinds of object that are known."""

    JOBS = enum.auto()
    TRIALS = enum.auto()
    PODS = enum.auto()


class Key(NamedTuple):
    """A job, for the work queue and for the log."""

    namespace: str
    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class JobRecord:
    """A TuningJob as stored."""

    key: Key
    uid: str
    version: str
    generation: int
    spec: Mapping[str, Any]
    status: job.JobStatus
    deleting: bool


@dataclasses.dataclass(frozen=True, slots=True)
class TrialRecord:
    """A TuningTrial as stored."""

    name: str
    uid: str
    version: str
    spec: trial.TrialSpec
    status: trial.TrialStatus
    """Of a finished trial, without the points of its curves."""
    deleting: bool
    points: results.Points = dataclasses.field(default_factory=dict)
    """The points of the recorded curves, packed: finished trials are many."""


@dataclasses.dataclass(frozen=True, slots=True)
class PodRecord:
    """A Pod of a trial as the operator needs it."""

    name: str
    uid: str
    version: str
    address: str
    attempt: state.Attempt
    native: bool = False
    """Whether the kubelet itself ends the sidecar."""
    gone: bool = False
    """It is no more; what was last seen of it tells how its attempt ended."""
    logged: str = ""
    """The container whose log holds the trial's metrics; empty where a sidecar collects them."""


class Owner(NamedTuple):
    """Whose trials or Pods: an owner is of the same namespace, whatever uid an object of another one may claim."""

    namespace: str
    uid: str


class Store:
    """The records, by job. Not thread-safe: it belongs to the event loop.

    Only trials and Pods that bear the name that we would give them count: what others have made by hand, or copied,
    is no second trial of the same number.
    """

    def __init__(self) -> None:
        self.jobs: dict[Key, JobRecord] = {}
        self._keys: dict[Owner, Key] = {}
        self._trials: dict[Owner, dict[int, TrialRecord]] = {}
        self._pods: dict[Owner, dict[int, PodRecord]] = {}
        self.openings: openings.Openings[Owner] = openings.Openings()
        """By job: trials that may need something."""

    def observe_job(self, body: Mapping[str, Any]) -> Key:
        """Takes in a TuningJob."""
        metadata = body["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        known = self.jobs.get(key)
        if known is None or _newer(metadata, known.version):
            if known is not None and known.uid != metadata["uid"]:
                self._drop_job(Owner(key.namespace, known.uid))
            self.jobs[key] = _job(key, body)
            self._keys[Owner(key.namespace, metadata["uid"])] = key
        return key

    def observe_trial(self, body: Mapping[str, Any]) -> Key | None:
        """Takes in a TuningTrial; answers the job to look at."""
        metadata = body["metadata"]
        # Fields of a newer version, after a way back to this one, are none of our business.
        spec = trial.TrialSpec.model_validate(dict(body["spec"]), extra="ignore")
        owner = Owner(metadata["namespace"], spec.job.uid)
        ours = metadata["name"] == names.trial(spec.job.name, spec.job.uid, spec.number)
        if not ours or owner_uid(body) != spec.job.uid:
            return None
        known = self._trials.get(owner, {}).get(spec.number)
        if known is None or _newer(metadata, known.version):
            if known is not None and known.uid != metadata["uid"]:
                self._pods.pop(Owner(owner.namespace, known.uid), None)
            status = trial.TrialStatus.model_validate(dict(body.get("status") or {}), extra="ignore")
            status, points = results.unpacked(status)
            self._trials.setdefault(owner, {})[spec.number] = TrialRecord(
                name=metadata["name"],
                uid=metadata["uid"],
                version=metadata["resourceVersion"],
                spec=spec,
                status=status,
                deleting="deletionTimestamp" in metadata,
                points=points,
            )
            self.openings.touch(owner, spec.number)
        return self._keys.get(owner)

    def observe_pod(self, body: Mapping[str, Any]) -> Key | None:
        """Takes in a Pod of a trial; answers the job to look at."""
        return self._take_pod(body, pods.attempt(body), gone=False)

    def forget_job(self, body: Mapping[str, Any]) -> Key:
        """A TuningJob is gone, and with it all that belonged to it."""
        metadata = body["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        self._drop_job(Owner(key.namespace, metadata["uid"]))
        return key

    def forget_trial(self, body: Mapping[str, Any]) -> Key | None:
        """A TuningTrial is gone."""
        metadata, spec = body["metadata"], body["spec"]
        owner = Owner(metadata["namespace"], spec["job"]["uid"])
        known = self._trials.get(owner, {}).get(spec["number"])
        if known is not None and known.uid == metadata["uid"]:
            self._drop_trial(owner, known)
        return self._keys.get(owner)

    def forget_pod(self, body: Mapping[str, Any]) -> Key | None:
        """A Pod is gone. Its end is kept for as long as its trial is there, however fast its object went."""
        return self._take_pod(body, pods.last(body), gone=True)

    def lose_job(self, known: JobRecord) -> None:
        """A TuningJob was found to be gone."""
        self._drop_job(Owner(known.key.namespace, known.uid))

    def lose_trial(self, key: Key, known: TrialRecord) -> None:
        """A TuningTrial was found to be gone."""
        owner = Owner(key.namespace, known.spec.job.uid)
        if self._trials.get(owner, {}).get(known.spec.number) is known:
            self._drop_trial(owner, known)

    def lose_pod(self, namespace: str, trial_uid: str, known: PodRecord) -> None:
        """A Pod was found to be gone, and its last state will never be seen."""
        siblings = self._pods.get(Owner(namespace, trial_uid), {})
        number = known.attempt.number
        if siblings.get(number) is known:
            siblings[number] = dataclasses.replace(known, attempt=pods.vanished(known.attempt), gone=True)

    def _take_pod(self, body: Mapping[str, Any], attempt: state.Attempt, *, gone: bool) -> Key | None:
        metadata = body["metadata"]
        controller = _controller(body)
        if controller is None or metadata["name"] != names.pod(controller["name"], attempt.number):
            return None
        owner = Owner(metadata["namespace"], controller["uid"])
        known = self._pods.get(owner, {}).get(attempt.number)
        same = known is not None and known.uid == metadata["uid"]
        if known is not None and same:
            attempt = pods.follow(known.attempt, attempt)
        if known is None or _newer(metadata, known.version) or (gone and same):
            address = (body.get("status") or {}).get("podIP") or ""
            self._pods.setdefault(owner, {})[attempt.number] = PodRecord(
                metadata["name"],
                metadata["uid"],
                metadata["resourceVersion"],
                address,
                attempt,
                native=pods.native(body),
                gone=gone,
                logged=pods.chosen(body) if pods.logged(body) else "",
            )
        labels = metadata["labels"]
        family = Owner(owner.namespace, labels[names.JOB_UID_LABEL])
        number = int(labels[names.NUMBER_LABEL])
        parent = self._trials.get(family, {}).get(number)
        if parent is not None and not (self.openings.is_closed(family, number) and attempt.phase.is_finished()):
            self.openings.touch(family, number)
        if gone and (parent is None or parent.uid != owner.uid):
            self._pods.pop(owner, None)
        return self._keys.get(family)

    def _drop_job(self, owner: Owner) -> None:
        key = self._keys.pop(owner, None)
        if key is not None and self.jobs[key].uid == owner.uid:
            del self.jobs[key]
        self.openings.forget(owner)
        for record in self._trials.pop(owner, {}).values():
            self._pods.pop(Owner(owner.namespace, record.uid), None)

    def _drop_trial(self, owner: Owner, known: TrialRecord) -> None:
        siblings = self._trials[owner]
        del siblings[known.spec.number]
        self.openings.drop(owner, known.spec.number)
        if not siblings:
            del self._trials[owner]
        self._pods.pop(Owner(owner.namespace, known.uid), None)

    def sweep(self, kind: Kind, seen: set[str], version: int) -> set[Key]:
        """Forgets what a complete listing taken at `version` did not show: deletions that the watch has missed.

        Answers the jobs that are gone.
        """

        def missed(record: JobRecord | TrialRecord | PodRecord) -> bool:
            return record.uid not in seen and int(record.version) <= version

        gone: set[Key] = set()
        match kind:
            case Kind.JOBS:
                for job_record in list(filter(missed, self.jobs.values())):
                    self.lose_job(job_record)
                    gone.add(job_record.key)
            case Kind.TRIALS:
                for owner, siblings in list(self._trials.items()):
                    for record in list(filter(missed, siblings.values())):
                        self._drop_trial(owner, record)
            case Kind.PODS:
                self._sweep_pods(missed)
        return gone

    def _sweep_pods(self, missed: Callable[[PodRecord], bool]) -> None:
        trials = {
            Owner(owner.namespace, record.uid)
            for owner, siblings in self._trials.items()
            for record in siblings.values()
        }
        for owner, siblings in list(self._pods.items()):
            for record in list(filter(missed, siblings.values())):
                self.lose_pod(owner.namespace, owner.uid, record)
            if owner not in trials and all(record.gone for record in siblings.values()):
                del self._pods[owner]

    def trials(self, key: Key, job_uid: str) -> list[TrialRecord]:
        """The trials of a job, in order of number."""
        return [record for _, record in sorted(self._trials.get(Owner(key.namespace, job_uid), {}).items())]

    def trials_open(self, key: Key, job_uid: str) -> list[TrialRecord]:
        """The trials of a job that may need something, in order of number."""
        owner = Owner(key.namespace, job_uid)
        known = self._trials.get(owner, {})
        return [known[number] for number in self.openings.open(owner) if number in known]

    def trial(self, key: Key, job_uid: str, number: int) -> TrialRecord | None:
        """One trial of a job."""
        return self._trials.get(Owner(key.namespace, job_uid), {}).get(number)

    def pod(self, namespace: str, trial_uid: str) -> PodRecord | None:
        """The Pod of a trial's newest attempt, be it there or gone."""
        siblings = self._pods.get(Owner(namespace, trial_uid))
        return siblings[max(siblings)] if siblings else None


def take(function: Take, body: Mapping[str, Any]) -> Key | None:
    """An object that cannot be read (written by hand, past the schema) is told in the log and otherwise left alone."""
    try:
        return function(body)
    except (pydantic.ValidationError, AttributeError, KeyError, TypeError, ValueError) as error:
        metadata = body.get("metadata", {})
        where = f"{metadata.get('namespace')}/{metadata.get('name')}"
        log.warning("object not understood", extra={"kind": body.get("kind"), "object": where, "why": str(error)})
        return None


def owner_uid(body: Mapping[str, Any]) -> str | None:
    """The uid of the object's controller."""
    controller = _controller(body)
    return str(controller["uid"]) if controller is not None else None


def _controller(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    owners = body["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)


def _job(key: Key, body: Mapping[str, Any]) -> JobRecord:
    metadata = body["metadata"]
    return JobRecord(
        key=key,
        uid=metadata["uid"],
        version=metadata["resourceVersion"],
        generation=metadata.get("generation", 1),
        spec=dict(body.get("spec") or {}),
        status=_status(key, body.get("status") or {}),
        deleting="deletionTimestamp" in metadata,
    )


def _status(key: Key, found: Mapping[str, Any]) -> job.JobStatus:
    """A job's status says nothing that its trials do not say: one that cannot be read is written anew."""
    try:
        return job.JobStatus.model_validate(dict(found), extra="ignore")
    except pydantic.ValidationError as error:
        log.warning("status not understood, it is written anew", extra={"job": key, "why": str(error)})
        return job.JobStatus()


def _newer(metadata: Mapping[str, Any], version: str) -> bool:
    """Whether this version is newer. Versions of objects of one kind can be compared as numbers (KEP-5504)."""
    return int(metadata["resourceVersion"]) > int(version)
