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
from tuning_operator.kube import names, pods
from tuning_operator.tuner import state

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
    deleting: bool


@dataclasses.dataclass(frozen=True, slots=True)
class PodRecord:
    """A Pod of a trial as the operator needs it."""

    name: str
    uid: str
    version: str
    address: str
    attempt: state.Attempt


class Store:
    """The records, by job. Not thread-safe: it belongs to the event loop."""

    def __init__(self) -> None:
        self.jobs: dict[Key, JobRecord] = {}
        self._trials: dict[str, dict[int, TrialRecord]] = {}
        self._pods: dict[str, dict[int, PodRecord]] = {}
        self._keys: dict[str, Key] = {}

    def observe_job(self, body: Mapping[str, Any]) -> Key:
        """Takes in a TuningJob."""
        metadata = body["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        known = self.jobs.get(key)
        if known is None or known.uid != metadata["uid"] or _newer(metadata, known.version):
            self.jobs[key] = JobRecord(
                key=key,
                uid=metadata["uid"],
                version=metadata["resourceVersion"],
                generation=metadata.get("generation", 1),
                spec=dict(body.get("spec") or {}),
                status=job.JobStatus.model_validate(dict(body.get("status") or {})),
                deleting="deletionTimestamp" in metadata,
            )
            self._keys[metadata["uid"]] = key
        return key

    def observe_trial(self, body: Mapping[str, Any]) -> Key | None:
        """Takes in a TuningTrial; answers the job to look at."""
        metadata = body["metadata"]
        spec = trial.TrialSpec.model_validate(dict(body["spec"]))
        if owner_uid(body) != spec.job.uid:
            return None
        siblings = self._trials.setdefault(spec.job.uid, {})
        known = siblings.get(spec.number)
        if known is None or _newer(metadata, known.version):
            siblings[spec.number] = TrialRecord(
                name=metadata["name"],
                uid=metadata["uid"],
                version=metadata["resourceVersion"],
                spec=spec,
                status=trial.TrialStatus.model_validate(dict(body.get("status") or {})),
                deleting="deletionTimestamp" in metadata,
            )
        return self._keys.get(spec.job.uid)

    def observe_pod(self, body: Mapping[str, Any]) -> Key | None:
        """Takes in a Pod of a trial; answers the job to look at."""
        metadata = body["metadata"]
        owner = owner_uid(body)
        if owner is None:
            return None
        attempt = pods.attempt(body)
        siblings = self._pods.setdefault(owner, {})
        known = siblings.get(attempt.number)
        if known is None or _newer(metadata, known.version):
            address = (body.get("status") or {}).get("podIP") or ""
            version = metadata["resourceVersion"]
            siblings[attempt.number] = PodRecord(metadata["name"], metadata["uid"], version, address, attempt)
        return self._keys.get(metadata.get("labels", {}).get(names.JOB_UID_LABEL, ""))

    def forget_job(self, body: Mapping[str, Any]) -> Key:
        """A TuningJob is gone, and with it all that belonged to it."""
        metadata = body["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        known = self.jobs.get(key)
        if known is not None and known.uid == metadata["uid"]:
            del self.jobs[key]
        self._keys.pop(metadata["uid"], None)
        for record in self._trials.pop(metadata["uid"], {}).values():
            self._pods.pop(record.uid, None)
        return key

    def forget_trial(self, body: Mapping[str, Any]) -> Key | None:
        """A TuningTrial is gone."""
        spec = body["spec"]
        siblings = self._trials.get(spec["job"]["uid"], {})
        known = siblings.get(spec["number"])
        if known is not None and known.uid == body["metadata"]["uid"]:
            del siblings[spec["number"]]
            self._pods.pop(known.uid, None)
        return self._keys.get(spec["job"]["uid"])

    def forget_pod(self, body: Mapping[str, Any]) -> Key | None:
        """A Pod is gone."""
        metadata = body["metadata"]
        siblings = self._pods.get(owner_uid(body) or "", {})
        number = int(metadata.get("labels", {}).get(names.ATTEMPT_LABEL, "1"))
        known = siblings.get(number)
        if known is not None and known.uid == metadata["uid"]:
            del siblings[number]
        return self._keys.get(metadata.get("labels", {}).get(names.JOB_UID_LABEL, ""))

    def sweep(self, kind: Kind, seen: set[str], version: int) -> None:
        """Forgets what a complete listing taken at `version` did not show: deletions that the watch has missed."""
        groups: list[dict[Any, Any]]
        match kind:
            case Kind.JOBS:
                groups = [self.jobs]
            case Kind.TRIALS:
                groups = list(self._trials.values())
            case Kind.PODS:
                groups = list(self._pods.values())
        for group in groups:
            for key, record in list(group.items()):
                if record.uid not in seen and int(record.version) <= version:
                    del group[key]

    def trials(self, job_uid: str) -> list[TrialRecord]:
        """The trials of a job, in order of number."""
        return [record for _, record in sorted(self._trials.get(job_uid, {}).items())]

    def trial(self, job_uid: str, number: int) -> TrialRecord:
        """One trial of a job. Raises KeyError."""
        return self._trials[job_uid][number]

    def pod(self, trial_uid: str) -> PodRecord | None:
        """The Pod of a trial's newest attempt."""
        siblings = self._pods.get(trial_uid)
        return siblings[max(siblings)] if siblings else None


def take(function: Take, body: Mapping[str, Any]) -> Key | None:
    """An object that cannot be read (written by hand, past the schema) is told in the log and otherwise left alone."""
    try:
        return function(body)
    except (pydantic.ValidationError, KeyError, TypeError, ValueError) as error:
        name = body.get("metadata", {}).get("name")
        log.warning("object not understood", extra={"object": name, "why": str(error)})
        return None


def owner_uid(body: Mapping[str, Any]) -> str | None:
    """The uid of the object's controller."""
    for owner in body["metadata"].get("ownerReferences") or []:
        if owner.get("controller"):
            return str(owner["uid"])
    return None


def _newer(metadata: Mapping[str, Any], version: str) -> bool:
    """Whether this version is newer. Versions of objects of one kind can be compared as numbers (KEP-5504)."""
    return int(metadata["resourceVersion"]) > int(version)
