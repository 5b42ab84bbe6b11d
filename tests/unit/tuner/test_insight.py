"""When the search is studied, what becomes of it in the status, and that a job may end on it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.unit.tuner import scenes
from tests.unit.tuner.scenes import one, snapshot
from tuning_operator.api import job
from tuning_operator.tuner import actions, ending, plan, proposing, report, state


def succeeded(count: int) -> list[state.Trial]:
    return [one(number, "Succeeded", values={"accuracy": number / 100}) for number in range(count)]


def seen(count: int, *more: state.Trial, insight: job.Insight | None = None, **fields: Any) -> state.Snapshot:
    """A job with so many results, and what was found out about it in its status."""
    now = snapshot(*succeeded(count), *more, wanted=scenes.spec(trials=40, **fields))
    status = now.job.status.model_copy(update={"insight": insight})
    return dataclasses.replace(now, job=dataclasses.replace(now.job, status=status))


def studies(now: state.Snapshot) -> list[int]:
    return [action.trials for action in plan.plan(now).actions if isinstance(action, actions.Study)]


@pytest.mark.parametrize(
    ("count", "before", "due"),
    [(9, None, []), (10, None, [10]), (11, 10, []), (12, 10, [12]), (39, 36, []), (40, 36, [40])],
)
def test_the_search_is_studied_when_enough_has_come_and_nothing_else_is_wanted(
    count: int, before: int | None, due: list[int]
) -> None:
    known = job.Insight(trials=before) if before else None
    assert studies(seen(count, one(count, "Running", scenes.attempt()), insight=known)) == due
    assert studies(seen(count, insight=known)) == ([40] if count == 40 else [])


def test_what_was_found_goes_into_the_status_once() -> None:
    found = job.Insight(trials=12, importance={"x": 1.0}, improvement=0.25)
    running = one(12, "Running", scenes.attempt())
    now = dataclasses.replace(seen(12, running, insight=job.Insight(trials=10)), insight=found)
    assert report.status(now, None).insight == found
    written = dataclasses.replace(now, job=dataclasses.replace(now.job, status=report.status(now, None)))
    assert plan.plan(written).actions == ()
    restarted = dataclasses.replace(written, insight=None)
    assert plan.plan(restarted).actions == ()


def test_a_study_of_a_job_says_what_matters() -> None:
    now = seen(12)
    found = proposing.studied(proposing.subject(now.job, now.trials), 12)
    assert found.trials == 12
    assert found.importance["x"] > 0.9


@pytest.mark.parametrize(
    ("limit", "improvement", "over"),
    [(0.1, 0.05, True), (0.1, 0.2, False), (None, 0.05, False), (0.1, None, False)],
)
def test_a_job_ends_when_there_is_little_left_to_gain(
    limit: float | None, improvement: float | None, over: bool
) -> None:
    limits = {"minImprovement": limit} if limit else {}
    found = ending.decide(seen(12, insight=job.Insight(trials=12, improvement=improvement), limits=limits))
    assert (found is not None) == over
    if found is not None:
        assert (found.phase, found.reason) == ("Complete", "Converged")
        assert "unlikely to improve accuracy by more than 0.05, as 12 trials tell" in found.message
