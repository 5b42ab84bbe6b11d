"""What a job's folder tells those who only look, whether or not somebody runs the job at the moment."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

from tuning_operator.api import job
from tuning_operator.local import attempt, folder
from tuning_operator.stopping import curve
from tuning_operator.tuner import outcomes, state
from tuning_trial import collector

MAX_BYTES = 16 * 1024 * 1024
"""How much of one trial's metrics is read."""


def snapshot(home: folder.Folder, now: datetime.datetime) -> state.Snapshot:
    """The job as it was last stored, with its learning curves. Raises FolderError when there is none, or it cannot be read."""
    record = home.read_job()
    if record is None:
        raise folder.FolderError(
            f"there is no job in {home.path}; tuningctl run keeps its jobs in .tuning beside the manifest"
        )
    spec = job.JobSpec.model_validate(record.spec, extra="ignore")
    owner = state.Job(home.path.name, record.uid, record.generation, spec, record.status)
    trials = tuple(
        state.Trial(
            name=f"{home.path.name}-{one.spec.number}",
            uid="",
            spec=one.spec,
            status=one.status,
            curves=curves(home.attempt(one.spec.number, home.newest_attempt(one.spec.number)), spec),
        )
        for one in home.read_trials()
    )
    return state.Snapshot(job=owner, trials=trials, now=now)


def curves(place: Path, spec: job.JobSpec) -> Mapping[str, curve.Curve]:
    """What an attempt has reported; nothing where its file is gone."""
    follower = collector.Collector(
        str(attempt.metrics_file(place, spec)),
        spec.metrics.format,
        spec.metrics.pattern,
        outcomes.reported(spec),
        root=str(place / "metrics"),
    )
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


def _take(follower: collector.Collector, seen: int, recorders: dict[str, curve.Recorder]) -> int:
    """Record the observations after the one that was seen last; answers which that is now."""
    while page := follower.observations(seen):
        seen = page[-1].id
        for row in page:
            for name, value in row.values.items():
                recorders.setdefault(name, curve.Recorder()).add(row.step, value)
    return seen
