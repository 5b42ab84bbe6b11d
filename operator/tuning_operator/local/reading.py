"""What a job's folder tells those who only look, whether or not somebody runs the job at the moment."""

from __future__ import annotations

import datetime
from collections.abc import Hashable, Mapping
from pathlib import Path

from tuning_operator.api import job
from tuning_operator.local import attempt, folder, metrics
from tuning_operator.stopping import curve
from tuning_operator.tuner import results, state
from tuning_trial import kinds

Stamp = tuple[object, ...]
"""Tells whether files are still what they were."""
MAX_BYTES = 16 * 1024 * 1024
"""How much of one trial's metrics is read."""


def snapshot(home: folder.Folder, now: datetime.datetime) -> state.Snapshot:
    """The job as it was last stored, with its learning curves. Raises FolderError when there is none, or it cannot be read."""
    return Reader(home).snapshot(now)


class Reader:
    """Reads a job again and again, and of it only the files that have changed. Not for two threads at once."""

    def __init__(self, home: folder.Folder) -> None:
        self._home = home
        self._trials: dict[int, tuple[Stamp, state.Trial]] = {}
        self.version: Hashable = None
        """Another one after each `snapshot` that found something new."""

    def snapshot(self, now: datetime.datetime) -> state.Snapshot:
        """The job as it was last stored. Raises FolderError."""
        home = self._home
        stamp = _stamp(home.path / "job.json")
        record = home.read_job()
        if record is None:
            mend = "tuningctl run keeps its jobs in .tuning beside the manifest"
            raise folder.FolderError(f"there is no job in {home.path}; {mend}")
        spec = job.JobSpec.model_validate(record.spec, extra="ignore")
        names = [path.parent.name for path in (home.path / "trials").glob("*/trial.json")]
        numbers = sorted(int(name) for name in names if name.isdigit())
        self._trials = {number: self._trial(number, spec) for number in numbers}
        self.version = (stamp, hash(tuple(stamp for stamp, _ in self._trials.values())))
        owner = state.Job(home.path.name, record.uid, record.generation, spec, record.status)
        return state.Snapshot(job=owner, trials=tuple(item for _, item in self._trials.values()), now=now)

    def _trial(self, number: int, spec: job.JobSpec) -> tuple[Stamp, state.Trial]:
        home, known = self._home, self._trials.get(number)
        path = home.trial(number) / "trial.json"
        # What a finished trial has reported does not change any more, so its metrics need not even be looked for.
        if known is not None and known[1].is_finished() and known[0][:1] == (_stamp(path),):
            return known
        place = home.attempt(number, home.newest_attempt(number))
        stamp = (_stamp(path), *map(_stamp, metrics.files(place, spec)))
        if known is not None and known[0] == stamp:
            return known
        one = home.read_trial(number)
        name = f"{home.path.name}-{number}"
        # What a trial served itself is nowhere but in its status.
        seen = curves(place, spec) or results.recorded(results.unpacked(one.status)[1])
        return stamp, state.Trial(name, name, one.spec, one.status, curves=seen)


def curves(place: Path, spec: job.JobSpec) -> Mapping[str, curve.Curve]:
    """What an attempt has reported; nothing where its file is gone."""
    follower = metrics.collecting(place, spec)
    recorders: dict[str, curve.Recorder] = {}
    seen = 0
    for _ in range(MAX_BYTES // attempt.POLL_BYTES):
        more = follower.poll(attempt.POLL_BYTES)
        seen = _take(follower, seen, recorders)
        if not more:
            break
    follower.finish(0)  # The last line may have no end.
    _take(follower, seen, recorders)
    return {name: recorder.curve() for name, recorder in recorders.items()}


def _take(follower: kinds.Collecting, seen: int, recorders: dict[str, curve.Recorder]) -> int:
    """Record the observations after the one that was seen last; answers which that is now."""
    while page := follower.observations(seen):
        seen = page[-1].id
        for row in page:
            for name, value in row.values.items():
                recorders.setdefault(name, curve.Recorder()).add(row.step, value)
    return seen


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
