"""The job's status, derived from its trials."""

from __future__ import annotations

import dataclasses
import datetime
import json
from typing import Any

import pytest

from tests import builders
from tests.unit.tuner import scenes
from tests.unit.tuner.scenes import NOW, ago, attempt, one, snapshot
from tuning_operator.api import errors, job, trial
from tuning_operator.tuner import ending, report, state

ALL = [
    one(0, "Succeeded", values={"accuracy": 0.8}),
    one(1, "Running", attempt()),
    one(2, "Failed"),
    one(3, "Stopped"),
    one(4),
    one(5, "Succeeded", values={"accuracy": 0.9123456789}),
]


def status(*trials: state.Trial, over: ending.Ending | None = None, **fields: Any) -> job.JobStatus:
    seen = {name: fields.pop(name) for name in ("obstacle", "trouble", "status") if name in fields}
    return report.status(snapshot(*trials, wanted=scenes.spec(**fields), **seen), over)


def conditions(found: job.JobStatus) -> dict[str, str]:
    return {item.type: item.status for item in found.conditions}


def test_counts_are_those_of_the_trials() -> None:
    found = status(*ALL, trials=40)
    assert found.trials == job.TrialCounts(total=6, pending=1, running=1, succeeded=2, failed=1, stopped=1)
    assert found.progress == "4/40"
    assert status(*ALL, trials=None, limits={"maxDuration": "1h"}).progress == "4"


def test_the_best_trial_is_shown_with_its_parameters_and_a_short_value() -> None:
    found = status(*ALL)
    assert found.best == job.BestTrial(
        trial="job-5", values={"accuracy": 0.9123456789}, parameters=ALL[5].spec.parameters
    )
    assert found.best_value == "0.912346"
    assert status(*ALL, objectives=[builders.objective(goal="minimize")]).best_value == "0.8"
    assert status(one(0)).best is None


@pytest.mark.parametrize(
    ("trials", "fields", "phase"),
    [
        ([], {}, "Pending"),
        ([one(0)], {}, "Pending"),
        ([one(0, reason="Unschedulable")], {}, "Pending"),
        ([one(0, "Running")], {}, "Running"),
        ([one(0, "Succeeded"), one(1)], {}, "Running"),
        ([one(0, "Running")], {"suspend": True}, "Suspended"),
    ],
)
def test_phases(trials: list[state.Trial], fields: dict[str, Any], phase: str) -> None:
    assert status(*trials, **fields).phase == phase


@pytest.mark.parametrize(
    ("trials", "fields", "message", "waits"),
    [
        pytest.param([one(0, "Running")], {}, "", False, id="all is well"),
        pytest.param(
            [one(0, reason="Unschedulable", message="0/3 nodes"), one(1, reason="Unschedulable")],
            {},
            "job-0 (and 1 more) waits: Unschedulable: 0/3 nodes",
            True,
            id="no room",
        ),
        pytest.param(
            [one(0, reason="ErrImagePull", message="no")], {}, "job-0 waits: ErrImagePull: no", False, id="image"
        ),
        pytest.param(
            [],
            {"obstacle": state.Obstacle("QuotaExceeded", "x")},
            "nothing new is started: QuotaExceeded: x",
            True,
            id="quota",
        ),
        pytest.param([], {"trouble": "the search fails"}, "the search fails", False, id="search"),
        pytest.param([one(0, reason="Suspended", message="the job was suspended")], {}, "", False, id="just resumed"),
    ],
)
def test_what_a_job_waits_for(trials: list[state.Trial], fields: dict[str, Any], message: str, waits: bool) -> None:
    found = status(*trials, **fields)
    assert found.message == message
    assert (conditions(found).get("WaitingForResources") == "True") is waits


def test_conditions_appear_when_they_hold_and_are_kept_as_false_afterwards() -> None:
    assert conditions(status(one(0, "Running"))) == {}
    held = status(one(0, reason="Unschedulable"))
    after = status(one(0, "Running"), status=held)
    assert conditions(held) == {"WaitingForResources": "True"}
    assert conditions(after) == {"WaitingForResources": "False"}
    over = ending.Ending(job.JobPhase.COMPLETE, "MaxTrialsReached", "all done")
    assert conditions(status(one(0, "Succeeded"), status=after, over=over)) == {
        "Complete": "True",
        "WaitingForResources": "False",
    }


def test_the_reason_of_a_shortage_is_that_of_the_obstacle() -> None:
    (condition,) = status(obstacle=state.Obstacle("QuotaExceeded", "x")).conditions
    assert condition.reason == "QuotaExceeded"


def test_a_digest_that_cannot_be_read_counts_as_a_change() -> None:
    odd = snapshot(status=job.JobStatus(spec_digest="by hand"))
    assert report.changed(odd.job) == list(report.FIXED)


def test_a_condition_keeps_the_time_since_which_it_holds() -> None:
    first = snapshot(one(0, reason="Unschedulable"))
    begun = report.status(first, None)
    later = dataclasses.replace(
        first, now=NOW + datetime.timedelta(hours=1), job=dataclasses.replace(first.job, status=begun, generation=2)
    )
    (condition,) = report.status(later, None).conditions
    assert (condition.last_transition_time, condition.observed_generation) == (NOW, 2)


def test_a_status_is_the_same_after_it_was_stored() -> None:
    over = ending.Ending(job.JobPhase.COMPLETE, "MaxTrialsReached", "all done")
    found = status(*ALL, over=over)
    assert job.JobStatus.model_validate(json.loads(json.dumps(found.to_wire()))) == found


def test_the_end_is_recorded_with_its_time_and_stays() -> None:
    over = ending.Ending(job.JobPhase.COMPLETE, "MaxTrialsReached", "all done")
    first = snapshot(one(0, "Succeeded"))
    ended = report.status(first, over)
    assert (ended.phase, ended.message, ended.completion_time) == ("Complete", "all done", NOW)
    assert (ended.active_since, ended.active_seconds) == (None, 100.0)
    later = dataclasses.replace(
        first, now=NOW + datetime.timedelta(1), job=dataclasses.replace(first.job, status=ended)
    )
    assert report.status(later, over) == ended


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"seed": 8}, ["search"]),
        ({"algorithm": "grid", "parameters": [builders.whole("n")]}, ["parameters", "search"]),
        ({"objectives": [builders.objective(target=1.0)]}, ["objectives"]),
        ({"constraints": ["n < 9"]}, ["constraints"]),
        ({"limits": {"maxTrials": 99}, "suspend": True, "trial": {"retries": 9}}, []),
    ],
)
def test_what_may_not_change_once_the_job_has_begun(change: dict[str, Any], parts: list[str]) -> None:
    begun = job.JobStatus(spec_digest=report.digest(scenes.spec()))
    assert report.changed(state.Job("job", "uid", 2, scenes.spec(**change), begun)) == parts
    assert report.changed(state.Job("job", "uid", 2, scenes.spec(**change), job.JobStatus())) == []


def test_an_operator_that_knows_one_more_field_does_not_find_every_running_job_changed() -> None:
    class Search(job.Search):
        patience: int = 3

    class Spec(job.JobSpec):
        search: Search = Search()

    later = Spec.model_validate(scenes.spec().to_wire() | {"search": Search(seed=7, algorithm="random")})
    assert report.digest(later) == report.digest(scenes.spec())


PROBLEMS = (errors.Problem("spec.limits.parallelTrials", "0 is too small", "write at least 1"),)


def test_a_spec_that_cannot_be_read_is_refused_with_every_problem() -> None:
    found = report.refused(job.JobStatus(), 3, PROBLEMS, NOW)
    assert (found.phase, found.observed_generation, conditions(found)) == ("Failed", 3, {"Failed": "True"})
    assert "write at least 1" in found.message
    assert found.conditions[0].reason == "InvalidSpec"


def test_a_job_that_has_ended_keeps_its_end_whatever_its_spec_becomes() -> None:
    over = ending.Ending(job.JobPhase.COMPLETE, "MaxTrialsReached", "all done")
    ended = status(one(0, "Succeeded"), over=over)
    found = report.refused(ended, 3, PROBLEMS, NOW)
    assert found == ended.model_copy(update={"observed_generation": 3})


def test_a_message_is_never_longer_than_its_field() -> None:
    many = tuple(errors.Problem(f"spec.constraints[{n}]", "x" * 900, "mend it") for n in range(64))
    refused = report.refused(job.JobStatus(), 1, many, NOW)
    long = status(one(0, reason="Unschedulable", message="x" * 40_000))
    for found in (refused, long):
        assert len(found.conditions[0].message) <= 32_768


def test_time_since_something_that_never_was_is_long() -> None:
    assert report.since(NOW, ago(3)) == datetime.timedelta(seconds=3)
    assert report.since(NOW, None) > datetime.timedelta(days=365_000)


def test_what_the_search_does_now_is_what_the_newest_trial_says() -> None:
    first, second = one(0, "Succeeded"), one(1, "Running")
    assert status(first).search is None
    told = {"algorithm": "gaussian-process", "why": "2 parameter(s), 5 results"}
    newest = dataclasses.replace(second, spec=second.spec.model_copy(update=told))
    assert status(first, newest).search == trial.Chooser(**told)
