"""Names, labels and paths of the objects that the operator makes.

A name is a function of the job's uid, the trial's number and the attempt's: whoever makes an object makes the same
one, so that making it twice is refused by the API server instead of running a trial twice.
"""

from __future__ import annotations

import hashlib
import re

from tuning_operator.api import job

JOB_LABEL = f"{job.GROUP}/job"
JOB_UID_LABEL = f"{job.GROUP}/job-uid"
NUMBER_LABEL = f"{job.GROUP}/trial-number"
ATTEMPT_LABEL = f"{job.GROUP}/attempt"
PROFILE_ANNOTATION = f"{job.GROUP}/profile"
CONTAINER_ANNOTATION = f"{job.GROUP}/container"
SOURCE_ANNOTATION = f"{job.GROUP}/metrics-source"

_PREFIX = 40
_LABEL = 63


def trial(job_name: str, job_uid: str, number: int) -> str:
    """Name of a TuningTrial: readable, at most 60 characters whatever the job is called, and its own for each uid."""
    readable = re.sub(r"[^a-z0-9-]", "-", job_name)[:_PREFIX].strip("-")
    return f"{readable}-{_short(job_uid)}-{number}"


def pod(trial_name: str, attempt: int) -> str:
    """Name of the Pod of an attempt."""
    return f"{trial_name}-{attempt}"


def event(owner: str, uid: str, key: str) -> str:
    """Name of an Event that is told once."""
    return f"{owner[:200]}.{hashlib.sha256(f'{uid}/{key}'.encode()).hexdigest()[:16]}"


def label(job_name: str) -> str:
    """The job's name as a label: as it is, or shortened and told apart by a hash."""
    if len(job_name) <= _LABEL:
        return job_name
    return f"{job_name[: _LABEL - 9].strip('-.')}-{_short(job_name, 8)}"


def _short(text: str, length: int = 6) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def jobs_path(namespace: str, name: str = "") -> str:
    """Path of one TuningJob, of those of a namespace, or (with an empty namespace) of all."""
    return _path(f"/apis/{job.API_VERSION}", namespace, "tuningjobs", name)


def trials_path(namespace: str, name: str = "") -> str:
    """Path of one TuningTrial, of those of a namespace, or of all."""
    return _path(f"/apis/{job.API_VERSION}", namespace, "tuningtrials", name)


def pods_path(namespace: str, name: str = "") -> str:
    """Path of one Pod, of those of a namespace, or of all."""
    return _path("/api/v1", namespace, "pods", name)


def log_path(namespace: str, pod: str) -> str:
    """Path of the log of a Pod's containers."""
    return f"{pods_path(namespace, pod)}/log"


def config_maps_path(namespace: str, name: str = "") -> str:
    """Path of one ConfigMap, or of those of a namespace."""
    return _path("/api/v1", namespace, "configmaps", name)


def events_path(namespace: str) -> str:
    """Path of the Events of a namespace."""
    return _path("/api/v1", namespace, "events", "")


def leases_path(namespace: str) -> str:
    """Path of the Leases of a namespace."""
    return _path("/apis/coordination.k8s.io/v1", namespace, "leases", "")


def core_path(namespace: str, plural: str) -> str:
    """Path of a collection of core objects of a namespace, or of all namespaces."""
    return _path("/api/v1", namespace, plural, "")


def _path(group: str, namespace: str, plural: str, name: str) -> str:
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{group}{scope}/{plural}" + (f"/{name}" if name else "")
