"""A job in the hands of a program: wait for it, look at its best trial, take all of them as a table."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuning_operator.api.job import JobPhase, JobStatus
from tuning_operator.cli import extending, locating, trials
from tuning_operator.cli.status import Failure
from tuning_operator.local import folder, result
from tuning_operator.sdk import portal
from tuning_operator.sdk.spaces import Space
from tuning_operator.tuner import state

if TYPE_CHECKING:
    import pandas

    from tuning_operator.sdk import background

LOOK_SECONDS = 1.0


class JobFailed(Exception):
    """The job has ended without what it was for; the message says why."""


class NothingYet(Exception):
    """No trial has succeeded yet."""


@dataclasses.dataclass(frozen=True, slots=True)
class Best:
    """The best trial."""

    parameters: Mapping[str, Any]
    """Its configuration, as the function was called with it."""
    values: Mapping[str, float]
    """Its objective values, by metric."""
    trial: int
    """Its number."""


class Job:
    """A job on a cluster, or one of this machine."""

    def __init__(
        self, where: locating.Where, space: Space | None = None, running: background.Background | None = None
    ) -> None:
        """`space` turns configurations into arguments; `running` is the run of a job of this machine, whose folder is
        the name then.
        """
        self._where = where
        self._space = space
        self._running = running

    @property
    def name(self) -> str:
        """Its name, or what it was looked up by."""
        return self._where.name.rsplit("/", 1)[-1]

    @property
    def status(self) -> JobStatus:
        """Phase, counts, conditions and all else, as it is now."""
        return self._snapshot().job.status

    @property
    def best(self) -> Best:
        """The best trial so far. Raises NothingYet."""
        snapshot = self._snapshot()
        winner = result.best(snapshot)
        if winner is None:
            raise NothingYet(f"no trial of {self.name} has succeeded yet; {snapshot.job.status.message}".rstrip("; "))
        return Best(self._arguments(winner.trial), dict(winner.values), winner.trial.number)

    @property
    def trials(self) -> list[dict[str, Any]]:
        """All trials as flat rows: number, phase, each objective, each parameter, times."""
        return trials.rows(self._snapshot())

    def reported(self) -> list[dict[str, Any]]:
        """All trials as in `trials`, each with the last value of every metric under ``reported``."""
        snapshot = self._snapshot()
        last = {
            item.number: {one.metric: one.last for one in item.status.metrics if one.last is not None}
            for item in snapshot.trials
        }
        return [{**row, "reported": last[row["trial"]]} for row in trials.rows(snapshot)]

    def trials_frame(self) -> pandas.DataFrame:
        """All trials as a table of pandas', by number."""
        try:
            import pandas
        except ImportError:
            raise ImportError("trials_frame needs pandas: pip install 'tuning-operator[export]'") from None
        return pandas.DataFrame(self.trials).set_index("trial") if self.trials else pandas.DataFrame()

    def wait(self, seconds: float | None = None, *, progress: bool = True) -> Job:
        """Waits until the job is finished, with a progress bar, also in a notebook.

        Raises JobFailed, or TimeoutError when `seconds` are over; the job goes on then. Ctrl-C stops a job of this
        machine, whose next run goes on, and only the waiting for one on a cluster.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        with _Bar(self.name, shown=progress) as bar:
            try:
                while not self._look(bar):
                    if deadline is not None and time.monotonic() >= deadline:
                        raise TimeoutError(f"{self.name} is not finished after {seconds:g} seconds")
                    self._pause()
            except KeyboardInterrupt:
                self._interrupt()
                raise
        return self

    async def wait_async(self, seconds: float | None = None) -> Job:
        """The same for coroutines, without a progress bar."""
        async with asyncio.timeout(seconds):
            while not await asyncio.to_thread(self._look, None):
                await asyncio.to_thread(self._pause)
        return self

    def stop(self) -> None:
        """Ends the job with what it has found. One of this machine keeps what it knows, and can go on."""
        if self._running is not None:
            self._running.interrupt()
            while self._running.runs():
                self._running.join(LOOK_SECONDS)
        else:
            self._change({"stop": True, "suspend": False})

    def suspend(self) -> None:
        """Lets no trial run for now; for jobs on a cluster."""
        self._change({"suspend": True})

    def resume(self) -> None:
        """Goes on after `suspend` or `stop`; for jobs on a cluster."""
        self._change({"suspend": False, "stop": False})

    def extend(self, trials: int) -> None:
        """So many trials more, also for a finished job; for jobs on a cluster."""
        limits = extending.limits(self._snapshot(), extending.Wish(trials=trials))
        self._change({"limits": limits, "stop": False})

    def _snapshot(self) -> state.Snapshot:
        async def look() -> state.Snapshot:
            if self._running is not None:
                return (await locating.Local(folder.Folder(Path(self._where.name))).look()).snapshot
            async with locating.source(self._where) as source:
                return (await source.look()).snapshot

        return portal.run(look())

    def _change(self, spec: Mapping[str, Any]) -> None:
        async def change() -> None:
            async with locating.remote(self._where, "can be changed") as source:
                await source.look()
                await source.cluster.change(source.body, spec)

        portal.run(change())

    def _arguments(self, item: state.Trial) -> dict[str, Any]:
        chosen = item.spec.parameters
        return self._space.arguments(chosen) if self._space else dict(chosen)

    def _look(self, bar: _Bar | None) -> bool:
        """Whether the job is finished. Raises JobFailed."""
        if self._running is not None and self._running.error is not None:
            raise JobFailed(f"{self.name} cannot go on: {self._running.error}") from self._running.error
        ended = self._running is not None and not self._running.runs()
        try:
            snapshot = self._snapshot()
        except Failure:
            if self._running is None or ended:
                raise
            return False  # Its folder is not written yet.
        if bar is not None:
            bar.show(snapshot)
        status = snapshot.job.status
        finished = status.phase.is_finished() and status.observed_generation >= snapshot.job.generation
        if finished and status.phase is JobPhase.FAILED:
            raise JobFailed(status.message)
        if ended and not finished:
            raise JobFailed(f"{self.name} was stopped; the same call goes on")
        return ended or (finished and self._running is None)

    def _pause(self) -> None:
        if self._running is not None:
            self._running.join(LOOK_SECONDS / 4)
        else:
            time.sleep(LOOK_SECONDS)

    def _interrupt(self) -> None:
        if self._running is not None:
            self._running.interrupt()


def load(name: str, *, namespace: str = "", context: str = "", state: str | Path | None = None) -> Job:
    """A job that exists: on the cluster by its name, of this machine by its manifest, folder or name."""
    job = Job(locating.Where(name, namespace, context, Path(state) if state else None))
    assert job.status
    return job


class _Bar:
    """A progress bar of tqdm's, which knows terminals and notebooks."""

    def __init__(self, name: str, *, shown: bool) -> None:
        self._name = name
        self._shown = shown
        self._bar: Any = None

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, snapshot: state.Snapshot) -> None:
        """Draws the job as it is now."""
        if not self._shown:
            return
        if self._bar is None:
            import tqdm.auto

            self._bar = tqdm.auto.tqdm(total=snapshot.job.spec.limits.max_trials, desc=self._name, unit="trial")
        self._bar.n = sum(item.is_finished() for item in snapshot.trials)
        winner = result.best(snapshot)
        if winner is not None:
            self._bar.set_postfix({name: f"{value:.6g}" for name, value in winner.values.items()}, refresh=False)
        self._bar.refresh()
