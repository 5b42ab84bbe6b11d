"""The folder that a local job lives in, so that running it again goes on where it was left.

    NAME/lock                                   held by the one process that runs the job
    NAME/job.json                               the spec as it was last seen, and the job's status
    NAME/trials/0007/trial.json                 the configuration, stored before anything runs, and what became of it
    NAME/trials/0007/checkpoints/               what its attempts leave to each other, if the job wants checkpoints
    NAME/trials/0007/attempt-1/exit.json        how the attempt's process ended, written by its warden
    NAME/trials/0007/attempt-1/{metrics/,work/,stdout.log,stderr.log}

Files are replaced as a whole: whenever the machine stops, each is the old one or the new one.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from tuning_operator.api import base, job, trial

Record = TypeVar("Record", bound=base.Model)


class FolderError(Exception):
    """The folder cannot be used; the message says why and what to do."""


class JobRecord(base.Model):
    """What is kept of a job."""

    uid: str
    """Tells this job from others of its name."""
    generation: int
    """Counts the changes of the spec."""
    spec: dict[str, Any]
    """The spec of that generation."""
    status: job.JobStatus
    """What became of the job so far."""


class TrialRecord(base.Model):
    """What is kept of a trial."""

    spec: trial.TrialSpec
    """Its configuration."""
    status: trial.TrialStatus
    """What became of it so far."""


class Folder:
    """One job's folder. Nobody else may use it between `lock` and `unlock`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = -1

    def lock(self) -> None:
        """Takes the folder. Raises FolderError when another process has it, or when it cannot be written."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.unlock()
            raise FolderError(
                f"this job is being run by another tuningctl, which holds {self.path}; wait for it or stop it, "
                "or run a second copy with --state DIR"
            ) from None
        except OSError as error:
            self.unlock()
            raise FolderError(
                f"{self.path} cannot be used ({error.strerror}); choose another with --state DIR"
            ) from error

    def unlock(self) -> None:
        """Lets others have the folder."""
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1

    def clear(self) -> None:
        """Forgets the job."""
        (self.path / "job.json").unlink(missing_ok=True)
        if (self.path / "trials").exists():
            shutil.rmtree(self.path / "trials")

    def beat(self) -> None:
        """Leaves a sign of life, so that the time in which nobody ran the job can be told later."""
        os.utime(self._lock)

    def last_beat(self) -> datetime.datetime:
        """When the last sign of life was left."""
        return datetime.datetime.fromtimestamp(os.fstat(self._lock).st_mtime, datetime.UTC)

    def read_job(self) -> JobRecord | None:
        """What is kept of the job; None when there is nothing yet. Raises FolderError when it cannot be read."""
        path = self.path / "job.json"
        return _read(path, JobRecord) if path.exists() else None

    def read_trials(self) -> list[TrialRecord]:
        """What is kept of the trials, by number. Raises FolderError when it cannot be read."""
        found = (self.path / "trials").glob("*/trial.json")
        return sorted((_read(path, TrialRecord) for path in found), key=lambda record: record.spec.number)

    def read_trial(self, number: int) -> TrialRecord:
        """What is kept of one trial. Raises FolderError when it cannot be read."""
        return _read(self.trial(number) / "trial.json", TrialRecord)

    def write_job(self, record: JobRecord) -> None:
        """Stores the job; when this returns, it is on the disk."""
        _write(self.path / "job.json", record)

    def write_trial(self, record: TrialRecord) -> None:
        """Stores a trial; when this returns, it is on the disk."""
        _write(self.trial(record.spec.number) / "trial.json", record)

    def trial(self, number: int) -> Path:
        """A trial's folder."""
        return self.path / "trials" / f"{number:04d}"

    def attempt(self, number: int, attempt: int) -> Path:
        """An attempt's folder."""
        return self.trial(number) / f"attempt-{attempt}"

    def checkpoints(self, number: int, instead: Path | None = None) -> Path:
        """A trial's folder for checkpoints: its own one, or one in another place that the job's author has chosen."""
        return self.trial(number) / "checkpoints" if instead is None else instead / f"{number:04d}"

    def newest_attempt(self, number: int) -> int:
        """The number of a trial's newest attempt that has a folder; 0 when none has."""
        return max((int(path.name.partition("-")[2]) for path in self.trial(number).glob("attempt-*")), default=0)


def prepare(attempt: Path) -> None:
    """Makes an attempt's folders. What an attempt of the same number left, that never began, is removed."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(attempt)
    for name in ("metrics", "work"):
        (attempt / name).mkdir(parents=True)


def tail(attempt: Path, size: int = 1024) -> str:
    """The end of what an attempt wrote to standard error, or else to standard output; at most `size` bytes."""
    for name in ("stderr.log", "stdout.log"):
        with contextlib.suppress(OSError), (attempt / name).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            if text := file.read(size).decode("utf-8", "replace").strip():
                return text
    return ""


def _read(path: Path, model: type[Record]) -> Record:
    try:
        return model.model_validate_json(path.read_bytes())
    except (OSError, pydantic.ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.errors()[0]["msg"]
        raise FolderError(f"{path} cannot be read ({reason}); --fresh starts the job over") from error


def _write(path: Path, record: base.Model) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(record.to_wire(), file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    with _directory(path.parent) as descriptor:
        os.fsync(descriptor)


@contextlib.contextmanager
def _directory(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
