"""What may become of a trial's Pod, and how a test says which Pod meets which fate.

A script is a pure function of the attempt, so that a test's cluster is as reproducible as the search that runs on it.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import json
import math
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from tuning_trial import curve, summary

SIDECAR = "tuning-sidecar"

Parameters = Mapping[str, int | float | str]


class Fate(enum.StrEnum):
    """The ends that a Pod can come to, as far as the kubelet has a hand in it."""

    SUCCEEDED = "succeeded"
    """The trial's process ends with code 0."""
    FAILED = "failed"
    """It ends with the course's exit code."""
    OOM_KILLED = "oom-killed"
    """It is killed for its memory."""
    NO_METRICS = "no-metrics"
    """It ends with code 0 and has reported nothing."""
    SIDECAR_DEAD = "sidecar-dead"
    """The sidecar dies while the trial runs; the trial ends with code 0."""
    SIDECAR_MUTE = "sidecar-mute"
    """The trial ends with code 0; its sidecar runs on, and answers nobody."""
    EVICTED = "evicted"
    """The kubelet evicts the Pod, and wipes its status as kubelets up to 1.21 do."""
    EVICTED_WITH_STATUS = "evicted-with-status"
    """The kubelet evicts the Pod, and keeps its containers' statuses as newer kubelets do."""
    PREEMPTED = "preempted"
    """The scheduler makes room for a Pod of higher priority."""
    DELETED = "deleted"
    """A user deletes the Pod."""
    NODE_LOST = "node-lost"
    """The node falls silent; the Pod is deleted, and nobody confirms that it has ended."""
    IMAGE_PULL = "image-pull"
    """The trial's image cannot be pulled; it waits for ever."""
    INVALID_IMAGE = "invalid-image"
    """The image's name is none; it waits for ever."""
    CONFIG_ERROR = "config-error"
    """A ConfigMap that the trial needs does not exist; it waits for ever."""
    HELD = "held"
    """It runs until the test releases it, and then succeeds."""
    STUBBORN = "stubborn"
    """The same, and it ignores SIGTERM: a deleted Pod stays until its grace period ends."""
    CREATING = "creating"
    """Its containers are being created for ever, as when a volume does not come."""

    def is_final(self) -> bool:
        """Whether the trial ends with this attempt, rather than being started again."""
        return self not in (
            Fate.EVICTED,
            Fate.EVICTED_WITH_STATUS,
            Fate.PREEMPTED,
            Fate.DELETED,
            Fate.NODE_LOST,
        )


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One Pod of a trial, as its environment describes it."""

    pod: str
    uid: str
    job: str
    job_uid: str
    trial: str
    number: int
    attempt: int
    parameters: Parameters
    environment: Mapping[str, str]
    """The environment of the trial's container."""


@dataclasses.dataclass(frozen=True)
class Course:
    """A fate and its circumstances; times are in seconds."""

    fate: Fate = Fate.SUCCEEDED
    observations: tuple[Mapping[str, float], ...] = ()
    exit_code: int = 1
    starting: float = 0.01
    """How long its containers are being created."""
    running: float = 0.03
    leaving: float = 0.1
    """How long a deleted Pod stays after its containers have ended: a kubelet takes its volumes down meanwhile."""

    def reported(self, seconds: float) -> tuple[Mapping[str, float], ...]:
        """The observations that the trial has made after running for `seconds`: they come at equal intervals."""
        share = seconds / self.running if self.running else 1.0
        return self.observations[
            : max(0, min(len(self.observations), math.floor(share * len(self.observations) + 1e-9)))
        ]


Script = Callable[[Attempt], Course]


def bowl(parameters: Parameters) -> float:
    """A smooth objective of any parameters, 1 at best: every value counts, so that a wrong one shows."""
    return 1.0 / (1.0 + sum((_place(value) - 0.3) ** 2 for value in parameters.values()))


def succeed(attempt: Attempt) -> Course:
    """The usual script: the trial reports `accuracy` three times, the last value being the `bowl` of its parameters."""
    value = bowl(attempt.parameters)
    return Course(observations=tuple({"accuracy": value * share} for share in (0.5, 0.9, 1.0)))


def always(fate: Fate, **circumstances: Any) -> Script:
    """Every Pod meets the same fate; those that report do so as in `succeed`."""
    return lambda attempt: dataclasses.replace(succeed(attempt), fate=fate, **circumstances)


def first(fate: Fate, times: int = 1, **circumstances: Any) -> Script:
    """The first `times` attempts of each trial meet the fate, the later ones succeed."""
    unlucky = always(fate, **circumstances)
    return lambda attempt: unlucky(attempt) if attempt.attempt <= times else succeed(attempt)


def message(observations: tuple[Mapping[str, float], ...]) -> str:
    """The termination message that a sidecar leaves after these observations."""
    curves: dict[str, curve.Curve] = collections.defaultdict(curve.Curve)
    for step, row in enumerate(observations):
        for name, value in row.items():
            curves[name].add(value, step)
    metrics = {name: values.metric() for name, values in curves.items()}
    return summary.Summary(metrics=metrics, rows=len(observations)).to_message()


def attempt(pod: Mapping[str, Any]) -> Attempt:
    """What the environment of a Pod's trial container says. Raises KeyError where the operator left something out."""
    environment = {variable["name"]: str(variable.get("value", "")) for variable in trial_container(pod).get("env", [])}
    return Attempt(
        pod=pod["metadata"]["name"],
        uid=pod["metadata"]["uid"],
        job=environment["TUNING_JOB"],
        job_uid=pod["metadata"]["labels"]["tuning-operator.dev/job-uid"],
        trial=environment["TUNING_TRIAL"],
        number=int(environment["TUNING_TRIAL_NUMBER"]),
        attempt=int(environment["TUNING_ATTEMPT"]),
        parameters=json.loads(environment["TUNING_PARAMETERS"]),
        environment=environment,
    )


def trial_container(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    """The container named trial, or else the first one that is not the sidecar."""
    containers: list[Mapping[str, Any]] = pod["spec"]["containers"]
    named = [container for container in containers if container["name"] == "trial"]
    return (named or [container for container in containers if container["name"] != SIDECAR])[0]


def _place(value: float | str) -> float:
    """A value's place in 0..1, whatever its type."""
    if isinstance(value, str):
        return zlib.crc32(value.encode()) / 2**32
    return 0.5 + math.atan(value) / math.pi
