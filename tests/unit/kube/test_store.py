"""The store: newer versions win, deletions count, and what is not ours is left alone."""

from __future__ import annotations

from typing import Any

from tests import builders
from tuning_operator.kube import names, store

UID = "job-uid"
KEY = store.Key("team", "svm")


def job(version: int = 1, uid: str = UID, **metadata: Any) -> dict[str, Any]:
    known = {"name": "svm", "namespace": "team", "uid": uid, "resourceVersion": str(version), "generation": 1}
    return {**builders.job("svm"), "metadata": {**known, **metadata}}


def trial(
    number: int = 0, version: int = 1, job_uid: str = UID, owner: str = UID, phase: str = "Pending"
) -> dict[str, Any]:
    return {
        "metadata": {
            "name": f"svm-{number}",
            "namespace": "team",
            "uid": f"trial-{number}",
            "resourceVersion": str(version),
            "ownerReferences": [{"uid": owner, "controller": True}],
        },
        "spec": {"job": {"name": "svm", "uid": job_uid}, "number": number, "parameters": {"x": 1}, "origin": "random"},
        "status": {"phase": phase},
    }


def pod(attempt: int = 1, version: int = 1, owner: str = "trial-0", phase: str = "Running") -> dict[str, Any]:
    return {
        "metadata": {
            "name": f"svm-0-{attempt}",
            "namespace": "team",
            "uid": f"pod-{attempt}",
            "resourceVersion": str(version),
            "labels": {names.JOB_UID_LABEL: UID, names.ATTEMPT_LABEL: str(attempt)},
            "ownerReferences": [{"uid": owner, "controller": True}],
        },
        "status": {"phase": phase, "podIP": "10.0.0.1"},
    }


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
    assert known.trial(UID, 0).status.phase == "Succeeded"


def test_the_newest_attempt_is_the_trials_pod() -> None:
    known = filled()
    known.observe_pod(pod(attempt=2))
    assert known.pod("trial-0").name == "svm-0-2"  # type: ignore[union-attr]
    known.forget_pod(pod(attempt=2))
    assert known.pod("trial-0").name == "svm-0-1"  # type: ignore[union-attr]


def test_a_trial_whose_owner_is_not_the_job_that_it_names_is_left_alone() -> None:
    known = filled()
    assert known.observe_trial(trial(number=1, owner="somebody")) is None
    assert [record.spec.number for record in known.trials(UID)] == [0]


def test_deleting_a_job_forgets_all_that_belonged_to_it() -> None:
    known = filled()
    known.forget_job(job())
    assert (known.jobs, known.trials(UID), known.pod("trial-0")) == ({}, [], None)


def test_the_deletion_of_an_earlier_job_of_the_name_does_not_touch_the_new_one() -> None:
    known = filled()
    known.observe_job(job(version=50, uid="new"))
    known.forget_job(job())
    assert known.jobs[KEY].uid == "new"


def test_a_sweep_forgets_what_a_later_listing_did_not_show() -> None:
    known = filled()
    known.observe_trial(trial(number=1, version=5))
    known.sweep(store.Kind.TRIALS, seen={"trial-1"}, version=7)
    assert [record.spec.number for record in known.trials(UID)] == [1]


def test_a_sweep_keeps_what_is_newer_than_the_listing() -> None:
    known = filled()
    known.observe_trial(trial(number=1, version=9))
    known.sweep(store.Kind.TRIALS, seen={"trial-0"}, version=7)
    assert [record.spec.number for record in known.trials(UID)] == [0, 1]


def test_an_object_that_cannot_be_read_is_left_alone() -> None:
    known = filled()
    assert store.take(known.observe_trial, {"metadata": {"name": "odd"}, "spec": {"number": "x"}}) is None
