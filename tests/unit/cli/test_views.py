"""What people see while a job runs, line by line and as a picture."""

from __future__ import annotations

import datetime
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests import builders
from tuning_operator.api import job, manifest, trial
from tuning_operator.cli import live, plain
from tuning_operator.local import folder
from tuning_operator.tuner import actions, state
from tuning_trial import summary

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
BEGUN = NOW - datetime.timedelta(seconds=2.1)


def finished(number: int, value: float | None = None, message: str = "exit code 1: oh\x1b[2J\nno") -> state.Trial:
    """A trial that succeeded with a value, or failed."""
    phase = trial.TrialPhase.FAILED if value is None else trial.TrialPhase.SUCCEEDED
    attempts = [trial.AttemptStatus(number=1, phase=trial.AttemptPhase.FAILED)]
    fields = {"reason": "NonZeroExit", "message": message} if value is None else {"values": {"accuracy": value}}
    times = {"start_time": BEGUN, "completion_time": NOW}
    return _trial(number, trial.TrialStatus(phase=phase, attempts=attempts, **fields, **times))


def running(number: int, reported: float | None = None) -> state.Trial:
    """A trial that runs, and what it has reported."""
    metric = summary.Metric(count=1, last=reported)
    observed = summary.Summary(metrics={} if reported is None else {"accuracy": metric})
    attempt = state.Attempt(1, trial.AttemptPhase.RUNNING, started=BEGUN, summary=observed)
    return _trial(number, trial.TrialStatus(phase=trial.TrialPhase.RUNNING, start_time=BEGUN), attempt)


def _trial(number: int, status: trial.TrialStatus, attempt: state.Attempt | None = None) -> state.Trial:
    spec = trial.TrialSpec(
        job=trial.ParentJob(name="job", uid="u"),
        number=number,
        parameters={"C": 12.3456, "kernel": "rbf"},
        origin=trial.Origin.RANDOM,
    )
    return state.Trial(f"job-{number}", f"u-{number}", spec, status, attempt)


def snapshot(*trials: state.Trial, limit: int | None = 30, **status: Any) -> state.Snapshot:
    wanted = builders.job(trials=limit, limits={"maxDuration": "1h"})
    spec = manifest.parse(wanted).spec
    return state.Snapshot(state.Job("job", "u", 1, spec, job.JobStatus(**status)), trials, NOW)


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def lines(stream: io.StringIO) -> plain.Lines:
    return plain.Lines(stream, folder.Folder(Path("/jobs/job")))


def test_each_trial_that_ends_has_its_line(lines: plain.Lines, stream: io.StringIO) -> None:
    lines.show(snapshot())
    lines.show(snapshot(finished(0, 0.9905), running(1)))
    lines.show(snapshot(finished(0, 0.9905), finished(1, 0.9871), running(2)))
    assert stream.getvalue().splitlines() == [
        "trial 0 succeeded: accuracy=0.9905 (C=12.35, kernel=rbf) in 2.1s  [1/30] best 0.9905",
        "trial 1 succeeded: accuracy=0.9871 (C=12.35, kernel=rbf) in 2.1s  [2/30] best 0.9905",
    ]


def test_failure_names_its_reason_and_its_logs_in_one_line(lines: plain.Lines, stream: io.StringIO) -> None:
    lines.show(snapshot(limit=None))
    lines.show(snapshot(finished(0), limit=None))
    assert stream.getvalue() == (
        "trial 0 failed: NonZeroExit: exit code 1: oh [2J no (C=12.35, kernel=rbf) in 2.1s; "
        "see /jobs/job/trials/0000/attempt-1  [1]\n"
    )


def test_what_earlier_runs_told_is_not_told_again(lines: plain.Lines, stream: io.StringIO) -> None:
    lines.show(snapshot(finished(0, 0.5)))
    lines.show(snapshot(finished(0, 0.5)))
    assert not stream.getvalue()


def test_what_the_job_waits_for_is_told_once(lines: plain.Lines, stream: io.StringIO) -> None:
    for message in ("job-1 waits: Lost: gone", "job-1 waits: Lost: gone", ""):
        lines.show(snapshot(running(1), message=message))
    assert stream.getvalue() == "job-1 waits: Lost: gone\n"


def test_lost_attempts_are_told_and_other_news_are_seen_anyway(lines: plain.Lines, stream: io.StringIO) -> None:
    lines.tell(actions.Announce("a", "TrialAttemptLost", "attempt 1 of job-1 was lost"))
    lines.tell(actions.Announce("b", "Started", "tuning 1 parameter(s)"))
    assert stream.getvalue() == "attempt 1 of job-1 was lost\n"


def drawn(seen: state.Snapshot, width: int = 100, height: int = 30) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width, height=height, color_system=None, legacy_windows=False)
    picture = live.Picture(console)
    picture.tell(actions.Announce("a", "TrialFailed", "job-0 failed", actions.Severity.WARNING))
    console.print(picture.draw(seen))
    return stream.getvalue().splitlines()


def test_picture_shows_progress_best_and_trials() -> None:
    picture = drawn(snapshot(finished(0), finished(1, 0.9905), running(2, 0.5), message="job-3 waits"))
    text = "\n".join(picture)
    assert "2/30" in picture[0]
    assert picture[1].startswith("best: accuracy=0.9905 C=12.3456 kernel=rbf (trial 1)")
    assert [line.split()[:3] for line in picture[3:6]] == [
        ["2", "Running", "0.5000"],
        ["0", "Failed", "(NonZeroExit)"],
        ["1", "Succeeded", "0.9905"],
    ]
    assert "job-3 waits" in text
    assert "job-0 failed" in text


def test_picture_of_a_job_that_has_just_begun() -> None:
    picture = drawn(snapshot(limit=None))
    assert picture[1].strip() == "best: none yet"


@pytest.mark.parametrize(("width", "height"), [(20, 5), (40, 10), (1, 1), (200, 60)])
def test_picture_fits_into_any_terminal(width: int, height: int) -> None:
    picture = drawn(snapshot(*(finished(number, 0.5) for number in range(100)), message="m" * 300), width, height)
    assert all(len(line) <= width for line in picture)
    assert len(picture) <= max(height, 3 + live.FRAME)
