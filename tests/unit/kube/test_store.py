"""The store: newer versions win, deletions count, and what is not ours is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests import builders
from tuning_operator.kube import names, store
from tuning_operator.tuner import results

UID = "job-uid"
KEY = store.Key("team", "svm")
GONE = "2026-01-01T10:00:00Z"


def job(version: int = 1, uid: str = UID, **metadata: Any) -> dict[str, Any]:
    known = {"name": "svm", "namespace": "team", "uid": uid, "resourceVersion": str(version), "generation": 1}
    return {**builders.job("svm"), "metadata": {**known, **metadata}}


def trial(
    number: int = 0, version: int = 1, job_uid: str = UID, owner: str = UID, phase: str = "Pending", **metadata: Any
) -> dict[str, Any]:
    return {
        "metadata": {
            "name": names.trial("svm", job_uid, number),
            "namespace": "team",
            "uid": f"trial-{number}",
            "resourceVersion": str(version),
            "ownerReferences": [{"uid": owner, "controller": True}],
            **metadata,
        },
        "spec": {"job": {"name": "svm", "uid": job_uid}, "number": number, "parameters": {"x": 1}, "origin": "random"},
        "status": {"phase": phase},
    }


def pod(attempt: int = 1, version: int = 1, number: int = 0, phase: str = "Running", **metadata: Any) -> dict[str, Any]:
    name = names.trial("svm", UID, number)
    return {
        "metadata": {
            "name": names.pod(name, attempt),
            "namespace": "team",
            "uid": f"pod-{number}-{attempt}",
            "resourceVersion": str(version),
            "labels": {
                names.JOB_UID_LABEL: UID,
                names.NUMBER_LABEL: str(number),
                names.ATTEMPT_LABEL: str(attempt),
            },
            "ownerReferences": [{"name": name, "uid": f"trial-{number}", "controller": True}],
            **metadata,
        },
        "status": {"phase": phase, "podIP": "10.0.0.1"},
    }


def numbers(known: store.Store) -> list[int]:
    return [record.spec.number for record in known.trials(KEY, UID)]


def newest(known: store.Store, trial_uid: str = "trial-0") -> store.PodRecord:
    record = known.pod("team", trial_uid)
    assert record is not None
    return record


def kept(known: store.Store) -> int:
    """How much the store holds, empty shells counted."""
    return sum(len(part) for part in vars(known).values())


def filled() -> store.Store:
    known = store.Store()
    known.observe_job(job())
    known.observe_trial(trial())
    known.observe_pod(pod())
    return known


def test_each_object_leads_to_its_job() -> None:
    known = store.Store()
    assert known.observe_job(job()) == KEY
    assert known.observe_trial(trial()) == KEY
    assert known.observe_pod(pod()) == KEY


def test_an_older_version_never_replaces_a_newer_one() -> None:
    known = filled()
    known.observe_trial(trial(version=10, phase="Succeeded"))
    known.observe_trial(trial(version=9, phase="Running"))
    assert [record.status.phase for record in known.trials(KEY, UID)] == ["Succeeded"]


def test_the_newest_attempt_is_the_trials_pod() -> None:
    known = filled()
    known.observe_pod(pod(attempt=2))
    assert newest(known).attempt.number == 2


@pytest.mark.parametrize(
    "body",
    [
        trial(number=1, owner="somebody"),
        trial(number=1, name="by-hand"),
        trial(number=1, namespace="elsewhere"),
    ],
    ids=["of another owner", "of another name", "in another namespace"],
)
def test_a_trial_that_is_not_of_the_jobs_making_is_left_alone(body: dict[str, Any]) -> None:
    known = filled()
    assert known.observe_trial(body) is None
    assert numbers(known) == [0]


@pytest.mark.parametrize(
    "body",
    [
        pod(version=9, name="copy"),
        pod(version=9, namespace="elsewhere"),
        pod(version=9, ownerReferences=[]),
    ],
    ids=["of another name", "in another namespace", "of no owner"],
)
def test_a_pod_that_is_not_of_the_trials_making_reports_nothing(body: dict[str, Any]) -> None:
    known = filled()
    known.observe_pod(body)
    assert newest(known).version == "1"


def test_deleting_a_job_forgets_all_that_belonged_to_it() -> None:
    known = filled()
    known.forget_job(job())
    assert kept(known) == 0


def test_what_is_seen_of_a_deleted_jobs_remains_leaves_nothing_behind() -> None:
    known = filled()
    known.forget_job(job())
    known.observe_trial(trial(version=8, deletionTimestamp=GONE))
    known.observe_pod(pod(version=8, deletionTimestamp=GONE))
    known.forget_trial(trial(version=9))
    known.forget_pod(pod(version=9))
    assert kept(known) == 0


def test_the_deletion_of_an_earlier_job_of_the_name_does_not_touch_the_new_one() -> None:
    known = filled()
    known.observe_job(job(version=50, uid="new"))
    known.forget_job(job())
    assert known.jobs[KEY].uid == "new"
    assert kept(known) == 2


def test_late_news_of_an_earlier_job_of_the_name_does_not_replace_the_new_one() -> None:
    known = filled()
    known.observe_job(job(version=50, uid="new"))
    known.observe_job(job(version=40, deletionTimestamp=GONE))
    assert known.jobs[KEY].uid == "new"


def test_a_status_that_cannot_be_read_does_not_hide_a_job() -> None:
    known = store.Store()
    known.observe_job({**job(), "status": {"phase": "Strange"}})
    assert known.jobs[KEY].status.phase == "Pending"


def test_fields_of_a_newer_operator_are_passed_over() -> None:
    known = filled()
    body = trial(version=2, phase="Succeeded")
    body["spec"]["novelty"] = body["status"]["novelty"] = 1
    known.observe_trial(body)
    assert [record.status.phase for record in known.trials(KEY, UID)] == ["Succeeded"]


def test_the_points_of_a_finished_trials_curves_are_kept_apart_from_its_status() -> None:
    metric = {"metric": "accuracy", "count": 2, "steps": [1, 2], "values": [0.5, 0.75]}
    known = filled()
    known.observe_trial({**trial(version=9), "status": {"phase": "Succeeded", "metrics": [metric]}})
    (record,) = [each for each in known.trials(KEY, UID) if each.version == "9"]
    assert record.status.metrics[0].steps is None
    assert list(results.recorded(record.points)["accuracy"]) == [(1, 0.5), (2, 0.75)]


@pytest.mark.parametrize("steps", [[2, 1], [1], []], ids=str)
def test_points_that_are_no_curve_are_left_out(steps: list[float]) -> None:
    metric = {"metric": "accuracy", "count": 2, "steps": steps, "values": [0.5, 0.75]}
    known = filled()
    known.observe_trial({**trial(version=9), "status": {"phase": "Stopped", "metrics": [metric]}})
    assert all(not results.recorded(each.points) for each in known.trials(KEY, UID))


def test_a_sweep_forgets_what_a_later_listing_did_not_show() -> None:
    known = filled()
    known.observe_trial(trial(number=1, version=5))
    known.sweep(store.Kind.TRIALS, seen={"trial-1"}, version=7)
    assert numbers(known) == [1]


def test_a_sweep_keeps_what_is_newer_than_the_listing() -> None:
    known = filled()
    known.observe_trial(trial(number=1, version=9))
    known.sweep(store.Kind.TRIALS, seen={"trial-0"}, version=7)
    assert numbers(known) == [0, 1]


def test_a_sweep_that_misses_a_job_forgets_all_of_it_and_names_it() -> None:
    known = filled()
    assert known.sweep(store.Kind.JOBS, seen=set(), version=7) == {KEY}
    assert kept(known) == 0


def test_a_sweep_that_misses_a_pod_knows_that_its_attempt_is_lost() -> None:
    known = filled()
    known.sweep(store.Kind.PODS, seen=set(), version=7)
    record = newest(known)
    assert (record.gone, record.attempt.phase, record.attempt.reason) == (True, "Lost", "PodDeleted")


def test_a_sweep_drops_the_pods_of_trials_that_are_gone() -> None:
    known = filled()
    known.observe_pod(pod(number=1))
    known.sweep(store.Kind.PODS, seen={"pod-0-1"}, version=7)
    assert known.pod("team", "trial-1") is None


def test_a_deleted_pod_leaves_its_last_word_behind_for_as_long_as_its_trial() -> None:
    known = filled()
    body = pod(version=5, phase="Failed")
    body["status"]["reason"] = "Evicted"
    known.forget_pod(body)
    assert (newest(known).gone, newest(known).attempt.reason) == (True, "Evicted")
    known.forget_trial(trial(version=6))
    assert known.pod("team", "trial-0") is None


def test_a_pod_that_had_ended_before_it_was_deleted_has_not_ended_by_that() -> None:
    known = filled()
    body = pod(version=5, phase="Failed")
    body["status"]["reason"] = "DeadlineExceeded"
    known.observe_pod(body)
    known.forget_pod({**body, "metadata": {**body["metadata"], "resourceVersion": "6", "deletionTimestamp": GONE}})
    assert (newest(known).gone, newest(known).attempt.reason) == (True, "DeadlineExceeded")


def test_a_pod_that_is_gone_does_not_come_back_with_a_late_answer() -> None:
    known = filled()
    known.forget_pod(pod(version=5))
    known.observe_pod(pod(version=4, deletionTimestamp=GONE))
    assert newest(known).gone


def test_a_deletion_counts_also_without_a_version_of_its_own() -> None:
    known = filled()
    known.forget_pod(pod())
    assert newest(known).gone


def test_a_trial_made_anew_has_nothing_of_the_pods_of_the_old_one() -> None:
    known = filled()
    known.observe_trial(trial(version=9, uid="anew"))
    assert known.pod("team", "anew") is None
    assert known.pod("team", "trial-0") is None


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": {"name": "odd"}, "spec": {"number": "x"}},
        {"metadata": {}, "spec": None},
        {"metadata": {"name": "odd", "namespace": "team", "ownerReferences": [{"controller": True}]}},
    ],
    ids=["no job", "nothing", "an owner without uid"],
)
def test_an_object_that_cannot_be_read_is_left_alone(body: dict[str, Any]) -> None:
    known = filled()
    for function in (known.observe_trial, known.observe_pod, known.forget_trial, known.forget_pod):
        assert store.take(function, body) is None
    assert numbers(known) == [0]
