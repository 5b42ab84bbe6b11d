"""What a person sees who has nothing but kubectl."""

from __future__ import annotations

import re

import pytest_asyncio

from tests.e2e.ground import Ground

JOB = "seen"


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def finished(ground: Ground) -> None:
    """A job that is complete."""
    await ground.submit(ground.job(JOB, trials=2, parallel=2))
    await ground.reaches(JOB, "Complete")


def table(ground: Ground, kind: str, *options: str) -> list[list[str]]:
    """The cells of a printed table, row by row."""
    printed = ground.kubectl("get", kind, "--namespace", ground.namespace, *options)
    return [re.split(r" {2,}", line.strip()) for line in printed.splitlines()]


async def test_get_shows_progress_and_the_best_value(ground: Ground) -> None:
    head, row = table(ground, "tj")
    assert head == ["NAME", "PHASE", "TRIALS", "RUNNING", "BEST", "AGE"]
    best = (await ground.reaches(JOB, "Complete"))["bestValue"]
    assert row[:5] == [JOB, "Complete", "2/2", "0", best]


def test_get_wide_shows_what_is_optimised_and_how(ground: Ground) -> None:
    head, row = table(ground, "tuningjobs", "--output=wide")
    assert head[6:] == ["ALGORITHM", "OBJECTIVE", "MESSAGE"]
    assert row[6:] == ["random", "accuracy", "all 2 trials are finished"]


async def test_get_shows_trials_with_their_values(ground: Ground) -> None:
    head, *rows = table(ground, "tt")
    assert head == ["NAME", "JOB", "PHASE", "VALUES", "REASON", "AGE"]
    trials = await ground.trials(JOB)
    assert [row[:3] for row in rows] == [[trial["metadata"]["name"], JOB, "Succeeded"] for trial in trials]
    for row, trial in zip(rows, trials, strict=True):
        assert f"{trial['status']['values']['accuracy']:.4g}"[:5] in row[3]


def test_get_all_shows_jobs_and_trials(ground: Ground) -> None:
    printed = ground.kubectl("get", "all", "--namespace", ground.namespace)
    assert f"tuningjob.tuning-operator.dev/{JOB}" in printed
    assert f"tuningtrial.tuning-operator.dev/{JOB}-" in printed


def test_explain_documents_every_field_of_a_parameter(ground: Ground) -> None:
    said = ground.kubectl("explain", "tuningjob.spec.parameters")
    fields = re.split(r"\n +(\w+)\t", said.partition("FIELDS:")[2])
    documented = dict(zip(fields[1::2], fields[2::2], strict=True))
    assert set(documented) == {"name", "type", "min", "max", "step", "scale", "values", "when", "prior"}
    for name, text in documented.items():
        assert len(text.split()) > 5, f"{name} is not documented: {text}"


def test_describe_tells_how_the_job_began_and_ended(ground: Ground) -> None:
    events = ground.kubectl("describe", "tj", JOB, "--namespace", ground.namespace).partition("Events:")[2]
    told = [line.split()[:2] for line in events.splitlines() if line.split()[:1] in (["Normal"], ["Warning"])]
    assert told == [["Normal", "Started"], ["Normal", "MaxTrialsReached"]]
