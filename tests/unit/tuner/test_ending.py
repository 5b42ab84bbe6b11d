"""When a job is over, and why."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest

from tests import builders
from tests.unit.tuner import scenes
from tests.unit.tuner.scenes import NOW, ago, attempt, one, snapshot
from tuning_operator.api import errors
from tuning_operator.tuner import ending, report, state

TARGET = {"objectives": [builders.objective(target=0.9)]}
BELOW = {"objectives": [builders.objective("loss", "minimize", target=0.1)]}


def failed(number: int) -> state.Trial:
    return one(number, "Failed", reason="OOMKilled", message="raise the limit")


def good(number: int, **values: float) -> state.Trial:
    return one(number, "Succeeded", values=values or {"accuracy": 0.95})


@pytest.mark.parametrize(
    ("trials", "fields", "wanted"),
    [
        pytest.param([], {}, None, id="nothing yet"),
        pytest.param([good(0)], {"trials": 2}, None, id="some trials to go"),
        pytest.param([good(0), one(1)], {"trials": 2}, None, id="the last one goes on"),
        pytest.param([good(0), one(1, "Stopped")], {"trials": 2}, "Complete MaxTrialsReached", id="all trials"),
        pytest.param(
            [good(0), good(1), good(2)], {"trials": 2}, "Complete MaxTrialsReached", id="maxTrials was lowered"
        ),
        pytest.param([good(0), good(2)], {"trials": 3}, "Complete MaxTrialsReached", id="one was deleted"),
        pytest.param([failed(0), failed(1)], {"trials": 2}, "Failed NoSuccessfulTrial", id="all failed"),
        pytest.param([one(0, "Stopped")], {"trials": 1}, "Failed NoSuccessfulTrial", id="none had a chance"),
        pytest.param([failed(0)], {"limits": {"maxFailedTrials": 1}}, None, id="as many failed as may"),
        pytest.param(
            [failed(0), failed(1)], {"limits": {"maxFailedTrials": 1}}, "Failed MaxFailedTrialsExceeded", id="too many"
        ),
        pytest.param(
            [failed(0), one(1)],
            {"limits": {"maxFailedTrials": 0}},
            "Failed MaxFailedTrialsExceeded",
            id="one is too many",
        ),
        pytest.param([good(0, accuracy=0.9)], TARGET, "Complete TargetReached", id="the target"),
        pytest.param([good(0, accuracy=0.89)], TARGET, None, id="not quite the target"),
        pytest.param([good(0, loss=0.1)], BELOW, "Complete TargetReached", id="a target from above"),
        pytest.param([good(0, loss=0.11)], BELOW, None, id="not quite from above"),
        pytest.param([failed(0)], TARGET, None, id="a failed trial reaches nothing"),
        pytest.param([good(0, other=1.0)], TARGET, None, id="values of an objective that is not there any more"),
        pytest.param([good(0)], {"exhausted_at": 1}, "Complete SearchSpaceExhausted", id="all configurations"),
        pytest.param([good(0), one(1)], {"exhausted_at": 2}, None, id="the last configuration goes on"),
        pytest.param(
            [good(0), good(2)], {"exhausted_at": 3, "trials": 9}, "Complete SearchSpaceExhausted", id="deleted"
        ),
        pytest.param([failed(0)], {"exhausted_at": 1}, "Failed NoSuccessfulTrial", id="all configurations failed"),
        pytest.param([], {"exhausted_at": 0}, "Failed NoSuccessfulTrial", id="there is no configuration"),
        pytest.param([one(0)], {"limits": {"maxDuration": "101s"}}, None, id="a second to go"),
        pytest.param([one(0)], {"limits": {"maxDuration": "100s"}}, "Failed NoSuccessfulTrial", id="too late for any"),
        pytest.param(
            [good(0), one(1)], {"limits": {"maxDuration": "100s"}}, "Complete MaxDurationReached", id="time is up"
        ),
    ],
)
def test_endings(trials: list[state.Trial], fields: dict[str, Any], wanted: str | None) -> None:
    fields = dict(fields)
    exhausted = fields.pop("exhausted_at", None)
    found = ending.decide(snapshot(*trials, wanted=scenes.spec(**fields), exhausted_at=exhausted))
    assert (f"{found.phase} {found.reason}" if found else None) == wanted


def test_problems_come_first_and_all_of_them_are_told() -> None:
    problems = (errors.Problem("spec.a", "is wrong", "mend it"), errors.Problem("spec.b", "too", "mend it"))
    found = ending.decide(snapshot(good(0), wanted=scenes.spec(**TARGET), problems=problems))
    assert found is not None
    assert found.reason == "InvalidSpec"
    assert "spec.a: is wrong" in found.message
    assert "spec.b: too" in found.message


@pytest.mark.parametrize(
    ("trials", "fields", "message"),
    [
        (
            [failed(0), failed(1)],
            {"limits": {"maxFailedTrials": 1}},
            "2 trials failed, more than limits.maxFailedTrials (1); the last one, job-1: OOMKilled: raise the limit",
        ),
        ([good(0)], TARGET, "job-0 reached the target with accuracy=0.95"),
        ([good(0)], {"trials": 1}, "all 1 trials are finished"),
        (
            [failed(0)],
            {"trials": 1},
            "all 1 trials are finished and none has succeeded; the last one: OOMKilled: raise the limit",
        ),
        ([good(0)], {"limits": {"maxDuration": "90s"}}, "limits.maxDuration (90s) has passed"),
    ],
)
def test_messages(trials: list[state.Trial], fields: dict[str, Any], message: str) -> None:
    found = ending.decide(snapshot(*trials, wanted=scenes.spec(**fields)))
    assert found is not None
    assert found.message == message


def test_time_spent_suspended_does_not_count() -> None:
    seen = snapshot(one(0), wanted=scenes.spec(limits={"maxDuration": "100s"}))
    status = seen.job.status.model_copy(update={"active_since": None, "active_seconds": 60.0})
    paused = dataclasses.replace(seen.job, status=status)
    assert ending.active(paused, NOW) == datetime.timedelta(seconds=60)
    assert ending.deadline(dataclasses.replace(seen, job=paused)) is None
    status = status.model_copy(update={"active_since": ago(30)})
    resumed = dataclasses.replace(seen, job=dataclasses.replace(paused, status=status))
    assert ending.active(resumed.job, NOW) == datetime.timedelta(seconds=90)
    assert ending.deadline(resumed) == ago(-10)
    assert ending.decide(resumed) is None


def test_the_clock_stops_when_the_job_is_suspended_and_goes_on_after() -> None:
    running = snapshot(one(0, "Running", attempt()))
    assert running.job.status.active_since == ago(100)
    suspended = report.status(dataclasses.replace(running, job=_suspend(running.job, True)), None)
    assert (suspended.phase, suspended.active_since, suspended.active_seconds) == ("Suspended", None, 100.0)
    paused = dataclasses.replace(running.job, status=suspended)
    resumed = report.status(dataclasses.replace(running, job=_suspend(paused, False)), None)
    assert (resumed.phase, resumed.active_since, resumed.active_seconds) == ("Running", NOW, 100.0)


def _suspend(owner: state.Job, value: bool) -> state.Job:
    return dataclasses.replace(owner, spec=owner.spec.model_copy(update={"suspend": value}))
