"""Outcome constraints and what is measured of each trial."""

from __future__ import annotations

from typing import Any

import pytest

from tests import builders
from tests.unit.tuner import scenes
from tests.unit.tuner.scenes import ago, one, planned, reported, snapshot, succeeded
from tuning_operator.api import job, trial
from tuning_operator.tuner import actions, ending, outcomes, proposing, report, state


def recorded(seen: state.Attempt, **fields: Any) -> trial.TrialStatus:
    """What is recorded of a trial whose attempt has ended like this."""
    (action,) = (
        action
        for action in planned(snapshot(one(0, "Running", seen), wanted=scenes.spec(**fields)))
        if isinstance(action, actions.RecordTrial)
    )
    return action.status


LIMIT = {"outcomeConstraints": ["latency_ms <= 20"]}


def test_a_trial_within_the_constraints_is_told_by_how_much() -> None:
    found = recorded(succeeded(summary=reported(accuracy=0.5, latency_ms=15.5)), **LIMIT)
    assert (found.phase, found.reason) == ("Succeeded", "")
    assert found.constraints == [trial.ConstraintOutcome(constraint="latency_ms <= 20", violation=-4.5)]


def test_a_trial_that_breaks_a_constraint_has_succeeded_and_says_what_it_breaks() -> None:
    found = recorded(succeeded(summary=reported(accuracy=0.5, latency_ms=32.5)), **LIMIT)
    assert (found.phase, found.reason) == ("Succeeded", "Infeasible")
    assert found.message == "latency_ms <= 20 is missed by 12.5"
    assert found.values == {"accuracy": 0.5}


def test_without_the_constraints_metric_a_trial_has_failed() -> None:
    found = recorded(succeeded(summary=reported(accuracy=0.5)), **LIMIT)
    assert (found.phase, found.reason) == ("Failed", "ConstraintNotReported")
    assert "latency_ms was never reported; the trial reported accuracy" in found.message


def test_a_constraint_that_cannot_be_evaluated_is_broken() -> None:
    found = recorded(succeeded(), outcomeConstraints=["log(accuracy - 1) <= 1"])
    assert found.reason == "Infeasible"
    assert found.message == "log(accuracy - 1) <= 1 is missed"
    assert found.constraints[0].violation > 1e300


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"objectives": [builders.objective("duration", "minimize")]}, 9.0),
        (
            {
                "objectives": [builders.objective("cost", "minimize")],
                "profiles": [{"name": "cpu", "cost": 2.5, "resources": {}}],
            },
            22.5,
        ),
        ({"objectives": [builders.objective("peakMemory", "minimize")]}, 4096.0),
    ],
    ids=["duration", "cost", "peak memory"],
)
def test_what_is_measured_may_be_the_objective(fields: dict[str, Any], value: float) -> None:
    seen = succeeded(started=ago(10), ended=ago(1), peak_memory=4096, summary=reported(), profile="cpu")
    item = one(0, "Running", seen)
    (action,) = (
        action
        for action in planned(snapshot(item, wanted=scenes.spec(**fields)))
        if isinstance(action, actions.RecordTrial)
    )
    assert list(action.status.values.values()) == [value]
    assert action.status.measured["duration"] == 9.0


def test_memory_that_the_trial_reports_counts_where_nobody_has_measured_it() -> None:
    found = recorded(
        succeeded(summary=reported(accuracy=0.5, peakMemory=2e9)), outcomeConstraints=["peakMemory <= 1e9"]
    )
    assert (found.reason, found.measured["peakMemory"]) == ("Infeasible", 2e9)
    missing = recorded(succeeded(), outcomeConstraints=["peakMemory <= 1e9"])
    assert (missing.phase, missing.reason) == ("Failed", "NotMeasured")
    assert "tuning_trial.report" in missing.message


def infeasible(number: int, value: float, violation: float = 1.0) -> state.Trial:
    judged = [trial.ConstraintOutcome(constraint="latency_ms <= 20", violation=violation)]
    return one(number, "Succeeded", values={"accuracy": value}, constraints=judged)


def test_the_best_trial_is_the_best_that_meets_the_constraints() -> None:
    seen = snapshot(infeasible(0, 0.9), infeasible(1, 0.7, 0.0), infeasible(2, 0.6, -1.0), wanted=scenes.spec(**LIMIT))
    best = report.status(seen, None).best
    assert best is not None
    assert best.trial == "job-1"
    nothing = snapshot(infeasible(0, 0.9), wanted=scenes.spec(trials=1, **LIMIT))
    over = ending.decide(nothing)
    assert over is not None
    assert (over.phase, over.reason) == ("Complete", "MaxTrialsReached")
    assert "no trial meets outcomeConstraints" in over.message
    assert report.status(nothing, over).best is None


def test_a_target_is_only_reached_by_a_trial_that_meets_the_constraints() -> None:
    wanted = scenes.spec(objectives=[builders.objective(target=0.8)], **LIMIT)
    assert ending.decide(snapshot(infeasible(0, 0.9), wanted=wanted)) is None
    assert ending.decide(snapshot(infeasible(0, 0.9, -1.0), wanted=wanted)) is not None


def test_the_search_is_told_by_how_much_constraints_are_broken() -> None:
    seen = snapshot(infeasible(0, 0.9, 3.0), one(1), wanted=scenes.spec(**LIMIT))
    (request,) = proposing.requests(seen.job, seen.trials, [(2, frozenset({0}))])
    assert request.results[0].violations == (3.0,)
    assert not request.results[0].feasible


def test_a_trial_has_to_report_what_is_not_measured() -> None:
    objectives = [builders.objective(), builders.objective("duration", "minimize")]
    wanted = scenes.spec(objectives=objectives, outcomeConstraints=["`val/loss` < 1", "cost + latency < 9"])
    assert outcomes.reported(wanted) == ("accuracy", "val/loss", "latency")
    assert not outcomes.wants(wanted, job.Measure.PEAK_MEMORY)


def test_the_fingerprint_of_a_job_without_outcome_constraints_is_what_it_was_before_they_came() -> None:
    plain, bound = scenes.spec(), scenes.spec(**LIMIT)
    assert report.digest(bound).startswith(report.digest(plain))
    seen = snapshot(wanted=plain)
    changed = state.Job("job", "uid", 2, bound, seen.job.status)
    assert report.changed(changed) == ["outcomeConstraints"]
    back = state.Job("job", "uid", 2, plain, snapshot(wanted=bound).job.status)
    assert report.changed(back) == ["outcomeConstraints"]
