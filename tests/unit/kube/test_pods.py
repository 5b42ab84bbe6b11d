"""Whose fault an end was: Pods as kubelets of several versions write them, and the attempts that they are."""

from __future__ import annotations

import datetime
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from tuning_operator.api.trial import AttemptPhase
from tuning_operator.kube import names, pods
from tuning_trial import summary

START, END = "2026-01-01T10:00:00Z", "2026-01-01T10:05:00Z"
REPORTED = summary.Summary(metrics={"accuracy": summary.Metric(count=1, last=0.9, min=0.9, max=0.9, mean=0.9)}, rows=1)


def running() -> dict[str, Any]:
    return {"running": {"startedAt": START}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def ended(code: int = 0, reason: str = "", message: str = "") -> dict[str, Any]:
    reason = reason or ("Completed" if code == 0 else "Error")
    return {
        "terminated": {"exitCode": code, "reason": reason, "message": message, "startedAt": START, "finishedAt": END}
    }


def reported() -> dict[str, Any]:
    return ended(message=REPORTED.to_message())


def pod(
    trial: dict[str, Any] | None = None,
    sidecar: dict[str, Any] | None = None,
    *,
    native: bool = False,
    metadata: dict[str, Any] | None = None,
    **status: Any,
) -> dict[str, Any]:
    containers = [{"name": "trial", "state": trial}] if trial is not None else []
    beside = [{"name": pods.SIDECAR, "state": sidecar}] if sidecar is not None else []
    return {
        "metadata": {
            "name": "svm-1-1",
            "creationTimestamp": START,
            "labels": {names.ATTEMPT_LABEL: "2"},
            "annotations": {names.CONTAINER_ANNOTATION: "trial"},
            **(metadata or {}),
        },
        "spec": {"nodeName": "node-1"},
        "status": {
            "phase": "Running",
            "containerStatuses": containers if native else containers + beside,
            "initContainerStatuses": beside if native else [],
            **status,
        },
    }


UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
DISRUPTED = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": "preempted"}
KUEUE = {"type": "TerminationTarget", "status": "True", "reason": "Preempted", "message": "by kueue"}
LATE = {"deletionTimestamp": "2026-01-01T10:06:30Z", "deletionGracePeriodSeconds": 30}
EARLY = {"deletionTimestamp": "2026-01-01T10:05:20Z", "deletionGracePeriodSeconds": 30}

CASES: dict[str, tuple[dict[str, Any], AttemptPhase, str]] = {
    "just made": (pod(phase="Pending"), AttemptPhase.WAITING, ""),
    "unschedulable": (pod(phase="Pending", conditions=[UNSCHEDULABLE]), AttemptPhase.WAITING, "Unschedulable"),
    "creating": (pod(waiting("ContainerCreating"), phase="Pending"), AttemptPhase.WAITING, "ContainerCreating"),
    "image of the trial": (pod(waiting("ErrImagePull", "no such image")), AttemptPhase.WAITING, "ErrImagePull"),
    "image of the sidecar": (pod(waiting("PodInitializing"), waiting("ImagePullBackOff")), AttemptPhase.WAITING, "ImagePullBackOff"),
    "runs": (pod(running(), running()), AttemptPhase.RUNNING, ""),
    "runs beside a native sidecar": (pod(running(), running(), native=True), AttemptPhase.RUNNING, ""),
    "ended, sidecar waits to be told": (pod(ended(), running()), AttemptPhase.RUNNING, ""),
    "succeeded": (pod(ended(), reported(), phase="Succeeded"), AttemptPhase.SUCCEEDED, ""),
    "succeeded, native": (pod(ended(), reported(), native=True, phase="Succeeded"), AttemptPhase.SUCCEEDED, ""),
    "succeeded, a mesh proxy never exits": (pod(ended(), reported()), AttemptPhase.SUCCEEDED, ""),
    "sidecar died": (pod(ended(), ended(137, "OOMKilled"), phase="Failed"), AttemptPhase.LOST, "SidecarLost"),
    "failed": (pod(ended(1, message="boom"), reported(), phase="Failed"), AttemptPhase.FAILED, "NonZeroExit"),
    "out of memory": (pod(ended(137, "OOMKilled"), reported(), phase="Failed"), AttemptPhase.FAILED, "OOMKilled"),
    "evicted": (pod(ended(137), reported(), phase="Failed", reason="Evicted"), AttemptPhase.LOST, "Evicted"),
    "evicted before it ran": (pod(phase="Failed", reason="Evicted"), AttemptPhase.LOST, "Evicted"),
    "refused by its node": (pod(phase="Failed", reason="OutOfcpu"), AttemptPhase.LOST, "OutOfcpu"),
    "node shut down": (pod(ended(143), reported(), phase="Failed", reason="NodeShutdown"), AttemptPhase.LOST, "NodeShutdown"),
    "preempted": (pod(ended(143), reported(), phase="Failed", conditions=[DISRUPTED]), AttemptPhase.LOST, "PreemptionByScheduler"),
    "preempted by kueue": (pod(ended(143), reported(), phase="Failed", conditions=[KUEUE]), AttemptPhase.LOST, "Preempted"),
    "preempted, ended politely": (pod(ended(0), reported(), conditions=[DISRUPTED]), AttemptPhase.LOST, "PreemptionByScheduler"),
    "deleted while it ran": (pod(ended(143), reported(), metadata=EARLY), AttemptPhase.LOST, "PodDeleted"),
    "deleted, ended politely": (pod(ended(0), reported(), metadata=EARLY), AttemptPhase.LOST, "PodDeleted"),
    "deleted after it had succeeded": (pod(ended(0), reported(), metadata=LATE), AttemptPhase.SUCCEEDED, ""),
    "deadline of the pod": (pod(phase="Failed", reason="DeadlineExceeded"), AttemptPhase.FAILED, "DeadlineExceeded"),
    "never started, and nobody says why": (pod(phase="Failed"), AttemptPhase.LOST, "StatusLost"),
    "refused by its node's topology manager": (pod(phase="Failed", reason="TopologyAffinityError"), AttemptPhase.LOST, "TopologyAffinityError"),
    "nothing known of its end": (pod(phase="Succeeded"), AttemptPhase.LOST, "StatusLost"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "phase", "reason"), CASES.values(), ids=CASES.keys())
def test_a_pod_is_read_as(body: dict[str, Any], phase: AttemptPhase, reason: str) -> None:
    attempt = pods.attempt(body)
    assert (attempt.phase, attempt.reason) == (phase, reason)
    assert (attempt.number, attempt.node) == (2, "node-1")


@pytest.mark.parametrize(
    ("state", "status", "phase"),
    [
        pytest.param(running(), {}, AttemptPhase.RUNNING, id="runs"),
        pytest.param(ended(), {"phase": "Succeeded"}, AttemptPhase.SUCCEEDED, id="succeeded"),
        pytest.param(ended(1), {"phase": "Failed"}, AttemptPhase.FAILED, id="failed"),
        pytest.param(ended(143), {"reason": "Evicted"}, AttemptPhase.LOST, id="evicted"),
    ],
)
def test_where_metrics_are_in_the_log_there_is_no_sidecar_to_wait_for(
    state: dict[str, Any], status: dict[str, Any], phase: AttemptPhase
) -> None:
    body = pod(state, **status)
    body["metadata"]["annotations"][names.SOURCE_ANNOTATION] = "stdout"
    attempt = pods.attempt(body)
    assert (attempt.phase, attempt.draining, attempt.summary) == (phase, False, None)
    assert pods.logged(body)


@pytest.mark.parametrize(
    ("reason", "there_is_one"), [("Error", True), ("StartError", False), ("ContainerCannotRun", False)]
)
def test_a_container_that_never_ran_has_no_log_to_wait_for(reason: str, there_is_one: bool) -> None:
    body = pod(ended(128, reason), phase="Failed")
    body["metadata"]["annotations"][names.SOURCE_ANNOTATION] = "stdout"
    attempt = pods.attempt(body)
    assert (attempt.phase, attempt.summary is None) == (AttemptPhase.FAILED, there_is_one)


def test_an_init_container_that_fails_is_the_trials_fault() -> None:
    body = pod(waiting("PodInitializing"), phase="Failed")
    body["status"]["initContainerStatuses"] = [{"name": "fetch", "state": ended(3, message="no data")}]
    attempt = pods.attempt(body)
    assert (attempt.phase, attempt.reason) == (AttemptPhase.FAILED, "InitContainerFailed")
    assert "fetch failed with exit code 3: no data" in attempt.message


def test_the_tail_of_the_log_is_in_the_message() -> None:
    attempt = pods.attempt(pod(ended(1, message="x" * 5000 + "ValueError: bad C"), reported(), phase="Failed"))
    assert attempt.message.startswith("exit code 1: ")
    assert attempt.message.endswith("ValueError: bad C")
    assert len(attempt.message) < 1100


def test_a_trial_that_has_ended_is_draining_until_its_sidecar_has_handed_over() -> None:
    attempt = pods.attempt(pod(ended(), running()))
    assert attempt.draining
    assert attempt.ended == datetime.datetime(2026, 1, 1, 10, 5, tzinfo=datetime.UTC)


def test_the_summary_comes_from_the_sidecars_termination_message() -> None:
    observed = pods.attempt(pod(ended(), reported(), phase="Succeeded")).summary
    assert observed is not None
    assert observed.metrics["accuracy"].last == 0.9


@pytest.mark.parametrize("message", ["", "{", "panic: oh", '{"v":99}'])
def test_a_message_that_is_no_summary_is_no_result(message: str) -> None:
    attempt = pods.attempt(pod(ended(), ended(0, message=message), phase="Succeeded"))
    assert (attempt.phase, attempt.reason) == (AttemptPhase.LOST, "SidecarLost")


LATE_DISRUPTION = {**DISRUPTED, "lastTransitionTime": "2026-01-01T10:05:10Z"}

GONE_CASES: dict[str, tuple[dict[str, Any], AttemptPhase, str]] = {
    "while it waited": (pod(phase="Pending"), AttemptPhase.LOST, "PodDeleted"),
    "while it ran": (pod(running(), running()), AttemptPhase.LOST, "PodDeleted"),
    "while it ran, preempted": (pod(running(), running(), conditions=[DISRUPTED]), AttemptPhase.LOST, "PreemptionByScheduler"),
    "evicted": (pod(phase="Failed", reason="Evicted"), AttemptPhase.LOST, "Evicted"),
    "after it had succeeded": (pod(ended(), reported(), phase="Succeeded", metadata=LATE), AttemptPhase.SUCCEEDED, ""),
    "after it had failed": (pod(ended(1), reported(), phase="Failed"), AttemptPhase.FAILED, "NonZeroExit"),
    "before its sidecar had handed over": (pod(ended(), running()), AttemptPhase.LOST, "SidecarLost"),
    "failed, its sidecar still running": (pod(ended(1), running()), AttemptPhase.FAILED, "NonZeroExit"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "phase", "reason"), GONE_CASES.values(), ids=GONE_CASES.keys())
def test_a_pod_that_is_gone_was(body: dict[str, Any], phase: AttemptPhase, reason: str) -> None:
    attempt = pods.last(body)
    assert (attempt.phase, attempt.reason, attempt.draining) == (phase, reason, False)


def test_a_disruption_after_the_trial_had_ended_took_nothing_from_it() -> None:
    body = pod(ended(), reported(), phase="Succeeded", conditions=[LATE_DISRUPTION])
    assert pods.attempt(body).phase is AttemptPhase.SUCCEEDED


@pytest.mark.parametrize("sidecar", [running(), waiting("CrashLoopBackOff"), reported()])
def test_a_native_sidecar_is_known_by_its_place(sidecar: dict[str, Any]) -> None:
    body = pod(running(), sidecar, native=True)
    body["spec"]["initContainers"] = [{"name": pods.SIDECAR, "restartPolicy": "Always"}]
    assert pods.native(body)
    assert not pods.native(pod(running(), sidecar))


def test_a_native_sidecar_that_was_restarted_hands_over_with_its_last_end() -> None:
    body = pod(ended(), reported(), native=True, phase="Succeeded")
    body["status"]["initContainerStatuses"][0] |= {"restartCount": 2, "lastState": ended(137, "OOMKilled")}
    attempt = pods.attempt(body)
    assert attempt.phase is AttemptPhase.SUCCEEDED
    assert attempt.summary is not None
    assert attempt.summary.metrics["accuracy"].last == 0.9


GONE_AT_ONCE = {"deletionTimestamp": "2026-01-01T10:05:02Z", "deletionGracePeriodSeconds": 0}


def test_a_pod_that_was_being_deleted_while_the_trial_ran_has_lost_it_whatever_its_last_state_looks_like() -> None:
    before = pods.attempt(pod(running(), running(), metadata=EARLY))
    now = pods.attempt(pod(ended(), reported(), metadata=GONE_AT_ONCE))
    assert now.phase is AttemptPhase.SUCCEEDED
    assert (pods.follow(before, now).phase, pods.follow(before, now).reason) == (AttemptPhase.LOST, "PodDeleted")


def test_a_pod_that_is_removed_because_its_sidecar_does_not_hand_over_has_lost_nothing() -> None:
    before = pods.attempt(pod(ended(), running(), metadata=LATE))
    now = pods.attempt(pod(ended(), reported(), metadata=LATE))
    assert pods.follow(before, now).phase is AttemptPhase.SUCCEEDED


PIECES = strategies.sampled_from([running(), waiting("ErrImagePull"), ended(), ended(1), ended(137, "OOMKilled"), {}])


@hypothesis.given(
    trial=strategies.none() | PIECES,
    sidecar=strategies.none() | PIECES,
    native=strategies.booleans(),
    phase=strategies.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Unknown"]),
    reason=strategies.sampled_from(["", "Evicted", "Whatever"]),
    gone=strategies.sampled_from([{}, LATE, EARLY]),
)
def test_any_pod_is_an_attempt(
    trial: Any, sidecar: Any, native: bool, phase: str, reason: str, gone: dict[str, Any]
) -> None:
    attempt = pods.attempt(pod(trial, sidecar, native=native, metadata=gone, phase=phase, reason=reason))
    over = phase in ("Succeeded", "Failed")
    assert attempt.phase.is_finished() or not over
    if attempt.phase is AttemptPhase.SUCCEEDED:
        assert attempt.exit_code == 0
        assert attempt.summary is not None
