"""From what a trial reported to its objective value, or to the reason why it has none."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests import builders
from tests.unit.tuner import scenes
from tests.unit.tuner.scenes import one
from tuning_operator.api import job
from tuning_operator.search import suggest
from tuning_operator.tuner import proposing, results
from tuning_trial import summary

CURVE = summary.Metric(count=3, first=0.1, last=0.3, min=0.1, max=0.7, mean=0.4, last_step=2)


def objective(**fields: Any) -> job.Objective:
    return job.Objective.model_validate({"metric": "accuracy", "goal": "maximize", **fields})


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({}, 0.7),
        ({"goal": "minimize"}, 0.1),
        ({"from": "last"}, 0.3),
        ({"from": "mean"}, 0.4),
        ({"goal": "minimize", "from": "last"}, 0.3),
        ({"from": "worst"}, 0.1),
        ({"goal": "minimize", "from": "worst"}, 0.7),
    ],
)
def test_which_observation_counts(fields: dict[str, Any], value: float) -> None:
    assert results.evaluate([objective(**fields)], summary.Summary({"accuracy": CURVE})) == {"accuracy": value}


@pytest.mark.parametrize(
    ("observed", "reason", "message"),
    [
        (None, "MetricsUnavailable", "the sidecar ended without handing over"),
        (summary.Summary(), "ObjectiveNotReported", "the metrics file is empty; write to the file"),
        (summary.Summary(problem="binary file"), "ObjectiveNotReported", "never reported: binary file"),
        (summary.Summary(bad_lines=4), "ObjectiveNotReported", "4 line(s) of the metrics file could not be read"),
        (summary.Summary({"loss": CURVE, "acc": CURVE}), "ObjectiveNotReported", "the trial reported acc, loss"),
        (summary.Summary({"accuracy": summary.Metric(not_finite=2)}), "ObjectiveNotFinite", "NaN or infinite 2 time"),
    ],
    ids=["no summary", "empty", "problem", "broken lines", "another metric", "only NaN"],
)
def test_why_there_is_no_value(observed: summary.Summary | None, reason: str, message: str) -> None:
    missing = results.evaluate([objective()], observed)
    assert isinstance(missing, results.Missing)
    assert missing.reason == reason
    assert message in missing.message


@pytest.mark.parametrize(
    ("wanted", "diverged", "finite"),
    [
        ("best", False, True),
        ("best", True, True),
        ("last", False, True),
        ("last", True, False),
        ("mean", False, False),
        ("worst", False, False),
    ],
)
def test_a_nan_spoils_the_mean_and_at_the_end_the_last_value(wanted: str, diverged: bool, finite: bool) -> None:
    curve = summary.Metric(count=1, first=0.5, last=0.5, min=0.5, max=0.5, mean=0.5, not_finite=1, diverged=diverged)
    value = results.evaluate([objective(**{"from": wanted})], summary.Summary({"accuracy": curve}))
    assert (value == {"accuracy": 0.5}) is finite


def test_a_value_that_is_not_finite_is_no_value_whatever_the_summary_says() -> None:
    curve = summary.Metric(count=1, max=math.inf)
    assert isinstance(results.evaluate([objective()], summary.Summary({"accuracy": curve})), results.Missing)


@pytest.mark.parametrize(
    ("goal", "target", "value", "reached"),
    [
        ("maximize", 0.5, 0.5, True),
        ("maximize", 0.5, 0.49, False),
        ("minimize", 0.5, 0.5, True),
        ("minimize", 0.5, 0.51, False),
        ("maximize", None, 1.0, False),
        ("minimize", 0.0, 0.0, True),
    ],
)
def test_targets(goal: str, target: float | None, value: float, reached: bool) -> None:
    assert results.reaches(objective(goal=goal, target=target), value) is reached


def test_a_request_tells_what_it_may_know_as_results_and_all_else_as_pending() -> None:
    seen = scenes.snapshot(one(0, "Succeeded"), one(1, "Failed"), one(2, "Succeeded"), one(3), one(4))
    (request,) = proposing.requests(seen.job, seen.trials, [(4, frozenset({0, 1}))])
    assert [(r.number, r.outcome, r.values) for r in request.results] == [(0, "Succeeded", (0.5,)), (1, "Failed", ())]
    assert [pending.number for pending in request.pending] == [2, 3]


def test_suggestions_asked_for_together_know_of_one_another() -> None:
    seen = scenes.snapshot(wanted=scenes.spec(algorithm="grid", parameters=[builders.whole("n", 1, 3)]))
    asked = [(number, frozenset[int]()) for number in range(5)]
    answers = proposing.propose(proposing.requests(seen.job, (), asked))
    assert [answer.configuration["n"] for answer in answers] == [1, 2, 3]
    assert sorted(proposing.proposals(asked, answers)) == [0, 1, 2]


def test_a_search_that_finds_nothing_more_is_over_and_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(request: object) -> None:
        raise suggest.Infeasible("the constraints leave nothing")

    seen = scenes.snapshot()
    monkeypatch.setattr(suggest, "suggest", nothing)
    assert proposing.propose(proposing.requests(seen.job, (), [(0, frozenset())])) == ()
