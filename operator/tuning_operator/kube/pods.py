"""From a Pod to an attempt: what the kubelet, the scheduler and others wrote into a Pod, in the tuner's words.

The one question that matters is whose fault an end was. The trial's own: its process failed, ran out of its memory,
or its init container failed. Nobody's (and then it is started again): eviction, preemption, a drained or lost node, a
deleted Pod, a sidecar that died.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from tuning_operator.api import job, trial
from tuning_operator.kube import names
from tuning_operator.tuner import state
from tuning_trial import summary

SIDECAR = "tuning-sidecar"

LOST_REASONS = frozenset(
    {"Evicted", "NodeLost", "Preempting", "Preempted", "Shutdown", "NodeShutdown", "Terminated", "NodeAffinity"}
    | {"UnexpectedAdmissionError", "AdmissionError", "NodePorts", "TopologyAffinityError", "TaintToleration"}
    | {"VolumeAttachmentLimitExceeded"}
)
"""Values of a Pod's status.reason that are not the trial's fault; those that begin with OutOf are beside them."""

DISRUPTIONS = frozenset({"DisruptionTarget", "TerminationTarget"})
"""Condition types (Kubernetes 1.26, Kueue) that say that somebody else is ending the Pod."""

NEVER_RAN = frozenset({"StartError", "ContainerCannotRun"})
"""Reasons for which a container has ended that was never started, and has no log."""

DELETED = ("PodDeleted", "the Pod was deleted while the trial ran")

_MESSAGE = 1024

Status = Mapping[str, Any]


def attempt(pod: Mapping[str, Any]) -> state.Attempt:
    """The attempt that the Pod is. Total: any Pod, however odd, is an attempt."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    main = _container(status, chosen(pod))
    sidecar = _container(status, SIDECAR)
    ended = main.get("state", {}).get("terminated") or {}
    base = state.Attempt(
        number=int(metadata.get("labels", {}).get(names.ATTEMPT_LABEL, "1")),
        phase=trial.AttemptPhase.RUNNING,
        node=(pod.get("spec") or {}).get("nodeName") or "",
        profile=str((metadata.get("annotations") or {}).get(names.PROFILE_ANNOTATION, "")),
        started=_time((ended or main.get("state", {}).get("running") or {}).get("startedAt")),
        ended=_time(ended.get("finishedAt")),
        exit_code=ended.get("exitCode"),
        gone_by=_time(metadata.get("deletionTimestamp")),
        summary=_summary(sidecar),
    )
    over = status.get("phase") in ("Succeeded", "Failed")
    if ended and logged(pod):
        # Its metrics are in its log, so nobody hands over anything; who reads the log adds them, if there is one.
        told = summary.Summary() if ended.get("reason") in NEVER_RAN else None
        return _with(dataclasses.replace(base, summary=told), _verdict(pod, ended, summary.Summary()))
    if ended and (over or not sidecar or "terminated" in sidecar.get("state", {})):
        return _with(base, _verdict(pod, ended, base.summary))
    if ended:
        return dataclasses.replace(base, draining=True)
    if over:
        return _with(base, _unstarted_verdict(pod))
    if base.started is not None:
        return base
    return _with(base, (trial.AttemptPhase.WAITING, *_waiting(status)))


def follow(before: state.Attempt, now: state.Attempt) -> state.Attempt:
    """What a newer state of a Pod says, given an older one.

    An end that was seen before anybody deleted the Pod stays. A Pod that was being deleted while the trial ran has lost
    it, also where the last state alone would not tell: a kubelet sets the grace period to 0 in the end.
    """
    if before.phase.is_finished():
        return before
    deleted_first = before.gone_by is not None and not before.draining
    if deleted_first and now.phase in (trial.AttemptPhase.SUCCEEDED, trial.AttemptPhase.FAILED):
        return _with(now, (trial.AttemptPhase.LOST, *DELETED))
    return now


def last(pod: Mapping[str, Any]) -> state.Attempt:
    """The attempt that a Pod was, from the last state that was seen of it before it was gone."""
    seen = attempt(pod)
    if seen.phase.is_finished():
        return seen
    if seen.draining:
        ended = _container(pod["status"], chosen(pod))["state"]["terminated"]
        return _with(dataclasses.replace(seen, draining=False), _verdict(pod, ended, seen.summary))
    lost = _disruption(pod) or ("PodDeleted", "the Pod is gone")
    return _with(seen, (trial.AttemptPhase.LOST, *lost))


def vanished(seen: state.Attempt) -> state.Attempt:
    """The attempt of a Pod that was found to be gone, of which nothing more will be heard."""
    if seen.phase.is_finished():
        return seen
    lost = (trial.AttemptPhase.LOST, "PodDeleted", "the Pod is gone")
    return _with(dataclasses.replace(seen, draining=False), lost)


def logged(pod: Mapping[str, Any]) -> bool:
    """Whether the trial's metrics are in its log, and no sidecar is there to collect them."""
    return bool((pod["metadata"].get("annotations") or {}).get(names.SOURCE_ANNOTATION) == job.MetricsSource.STDOUT)


def chosen(pod: Mapping[str, Any]) -> str:
    """The name of the trial's own container."""
    return str((pod["metadata"].get("annotations") or {}).get(names.CONTAINER_ANNOTATION, ""))


def native(pod: Mapping[str, Any]) -> bool:
    """Whether the kubelet itself ends the sidecar after the trial."""
    return any(item.get("name") == SIDECAR for item in (pod.get("spec") or {}).get("initContainers") or [])


Verdict = tuple[trial.AttemptPhase, str, str]
"""Phase, reason and message."""


def _with(base: state.Attempt, verdict: Verdict) -> state.Attempt:
    phase, reason, message = verdict
    return dataclasses.replace(base, phase=phase, reason=reason, message=message)


def _verdict(pod: Mapping[str, Any], ended: Status, observed: summary.Summary | None) -> Verdict:
    """Whose fault the end of a trial's process was."""
    code = ended.get("exitCode", 1)
    disruption = _disruption(pod, _time(ended.get("finishedAt")))
    if disruption is not None:
        return trial.AttemptPhase.LOST, *disruption
    if code == 0 and observed is not None:
        return trial.AttemptPhase.SUCCEEDED, "", ""
    if code == 0:
        return trial.AttemptPhase.LOST, "SidecarLost", "the sidecar ended without handing over what it had collected"
    if ended.get("reason") == "OOMKilled":
        return trial.AttemptPhase.FAILED, "OOMKilled", "the trial used more memory than its limit allows; raise it"
    tail = str(ended.get("message") or "").strip()[-_MESSAGE:]
    return trial.AttemptPhase.FAILED, "NonZeroExit", f"exit code {code}" + (f": {tail}" if tail else "")


def _unstarted_verdict(pod: Mapping[str, Any]) -> Verdict:
    """Whose fault it was that a Pod ended although no end of the trial's process is known."""
    disruption = _disruption(pod)
    if disruption is not None:
        return trial.AttemptPhase.LOST, *disruption
    status = pod.get("status") or {}
    for container in status.get("initContainerStatuses") or []:
        ended = container.get("state", {}).get("terminated") or {}
        if ended.get("exitCode"):
            tail = str(ended.get("message") or ended.get("reason") or "").strip()[-_MESSAGE:]
            message = f"init container {container.get('name')} failed with exit code {ended['exitCode']}: {tail}"
            return trial.AttemptPhase.FAILED, "InitContainerFailed", message
    if not status.get("reason"):
        return trial.AttemptPhase.LOST, "StatusLost", "the Pod ended, but its containers' states are not known"
    return trial.AttemptPhase.FAILED, str(status["reason"]), str(status.get("message") or "")[:_MESSAGE]


def _disruption(pod: Mapping[str, Any], ended: datetime.datetime | None = None) -> tuple[str, str] | None:
    """Reason and message, if somebody or something else ended the Pod.

    What came after the trial's process had `ended` took nothing from it. What came before may have made a
    well-behaved process end early with exit code 0, which is no result.
    """
    status = pod.get("status") or {}
    reason = str(status.get("reason") or "")
    if reason in LOST_REASONS or reason.startswith("OutOf"):
        return reason, str(status.get("message") or "")[:_MESSAGE]
    for condition in status.get("conditions") or []:
        since = _time(condition.get("lastTransitionTime"))
        late = ended is not None and since is not None and since > ended
        if condition.get("type") in DISRUPTIONS and condition.get("status") == "True" and not late:
            return str(condition.get("reason") or "Disrupted"), str(condition.get("message") or "")[:_MESSAGE]
    asked = _deletion_asked(pod["metadata"])
    if asked is not None and (ended is None or ended >= asked):
        return DELETED
    return None


def _waiting(status: Status) -> tuple[str, str]:
    """What a Pod that does not run yet waits for."""
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            message = str(condition.get("message") or "")[:_MESSAGE]
            missing = "persistentvolumeclaim" in message and "not found" in message
            return "ClaimNotFound" if missing else str(condition.get("reason") or "Unschedulable"), message
    routine = ("", "")
    for container in _containers(status):
        waiting = container.get("state", {}).get("waiting")
        if waiting and waiting.get("reason") not in (None, "", "ContainerCreating", "PodInitializing"):
            return str(waiting["reason"]), str(waiting.get("message") or "")[:_MESSAGE]
        if waiting:
            routine = (str(waiting.get("reason") or ""), "")
    return routine


def _deletion_asked(metadata: Mapping[str, Any]) -> datetime.datetime | None:
    """When the deletion was asked for; `deletionTimestamp` is that plus the grace period."""
    due = _time(metadata.get("deletionTimestamp"))
    return due - datetime.timedelta(seconds=metadata.get("deletionGracePeriodSeconds") or 0) if due else None


def _summary(sidecar: Status) -> summary.Summary | None:
    text = sidecar.get("state", {}).get("terminated", {}).get("message")
    if not text:
        return None
    try:
        return summary.Summary.from_message(text)
    except ValueError:
        return None


def _container(status: Status, name: str) -> Status:
    return next((container for container in _containers(status) if container.get("name") == name), {})


def _containers(status: Status) -> Iterator[Status]:
    yield from status.get("containerStatuses") or []
    yield from status.get("initContainerStatuses") or []


def _time(text: str | None) -> datetime.datetime | None:
    return datetime.datetime.fromisoformat(text) if text else None
