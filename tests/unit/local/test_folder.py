"""What is kept on the disk, and that one process at a time keeps it."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuning_operator.api import job, trial
from tuning_operator.local import folder

MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.UTC)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[folder.Folder]:
    found = folder.Folder(tmp_path / "state" / "digits")
    found.lock()
    yield found
    found.unlock()


def record(number: int) -> folder.TrialRecord:
    spec = trial.TrialSpec(
        job=trial.ParentJob(name="digits", uid="u"),
        number=number,
        parameters={"C": 0.1 + 0.2, "tiny": 1e-300, "n": 3, "kernel": "1"},
        origin=trial.Origin.MODEL,
        based_on="0-3",
    )
    attempts = [trial.AttemptStatus(number=1, phase=trial.AttemptPhase.RUNNING, start_time=MOMENT)]
    return folder.TrialRecord(spec=spec, status=trial.TrialStatus(attempts=attempts, values={"accuracy": 1 / 3}))


def test_trials_come_back_exactly_and_in_order(home: folder.Folder) -> None:
    numbers = [10_000, 2, 0]
    for number in numbers:
        home.write_trial(record(number))
    found = home.read_trials()
    assert found == [record(number) for number in sorted(numbers)]
    assert [type(value) for value in found[0].spec.parameters.values()] == [float, float, int, str]


def test_job_comes_back_exactly(home: folder.Folder) -> None:
    assert home.read_job() is None
    status = job.JobStatus(phase=job.JobPhase.RUNNING, start_time=MOMENT, active_seconds=0.1)
    written = folder.JobRecord(uid="u", generation=3, spec={"limits": {"maxTrials": 3}}, status=status)
    home.write_job(written)
    assert home.read_job() == written


def test_writes_leave_no_drafts(home: folder.Folder) -> None:
    home.write_trial(record(1))
    home.write_trial(record(1))
    assert [path.name for path in home.trial(1).iterdir()] == ["trial.json"]


def test_file_is_on_the_disk_before_it_takes_the_old_ones_place(
    home: folder.Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr(os, "fsync", fsync)
    home.write_trial(record(1))
    assert synced == ["trial.new", "0001"]


def test_trial_whose_first_write_was_cut_off_was_never_there(home: folder.Folder) -> None:
    home.trial(4).mkdir(parents=True)
    (home.trial(4) / "trial.new").write_text('{"spec": ')
    assert home.read_trials() == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"uid": 1}'])
def test_damaged_file_is_named_with_a_way_out(home: folder.Folder, text: str) -> None:
    (home.path / "job.json").write_text(text)
    with pytest.raises(folder.FolderError, match=r"job\.json cannot be read \(.+\); --fresh starts the job over"):
        home.read_job()


def test_second_process_is_turned_away_until_the_first_is_done(home: folder.Folder) -> None:
    other = folder.Folder(home.path)
    with pytest.raises(folder.FolderError, match=r"being run by another tuningctl.*--state DIR"):
        other.lock()
    home.unlock()
    other.lock()
    other.unlock()


def test_folder_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(folder.FolderError, match=r"cannot be used \(Not a directory\); choose another with --state"):
        folder.Folder(tmp_path / "file" / "job").lock()


def test_clearing_forgets_the_job_and_nothing_else(home: folder.Folder) -> None:
    home.write_trial(record(1))
    home.write_job(folder.JobRecord(uid="u", generation=1, spec={}, status=job.JobStatus()))
    (home.path / "mine.txt").touch()
    home.clear()
    assert (home.read_job(), home.read_trials()) == (None, [])
    assert (home.path / "mine.txt").exists()


def test_newest_attempt_is_the_one_with_the_highest_number(home: folder.Folder) -> None:
    assert home.newest_attempt(1) == 0
    for attempt in (1, 9, 10):
        folder.prepare(home.attempt(1, attempt))
    assert home.newest_attempt(1) == 10


def test_preparing_removes_what_was_left(home: folder.Folder) -> None:
    place = home.attempt(1, 1)
    folder.prepare(place)
    (place / "metrics" / "metrics.jsonl").write_text("old")
    folder.prepare(place)
    assert sorted(path.name for path in place.rglob("*")) == ["metrics", "work"]


@pytest.mark.parametrize(
    ("stderr", "stdout", "expected"),
    [
        pytest.param(b"boom\n", b"fine\n", "boom", id="standard error"),
        pytest.param(b" \n", b"fine\n", "fine", id="standard output when there is no error"),
        pytest.param(None, None, "", id="nothing"),
        pytest.param(b"x" * 5000 + b"end", None, "x" * 7 + "end", id="the end of much"),
        pytest.param(b"\xff\xfe", None, "\ufffd\ufffd", id="not text"),
    ],
)
def test_tail_of_the_output(tmp_path: Path, stderr: bytes | None, stdout: bytes | None, expected: str) -> None:
    for name, data in (("stderr.log", stderr), ("stdout.log", stdout)):
        if data is not None:
            (tmp_path / name).write_bytes(data)
    assert folder.tail(tmp_path, 10) == expected
