"""Runs jobs whose trials are small shell scripts, with real processes and a search in this process."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from tests import builders
from tuning_operator.local import command, folder, runtime
from tuning_operator.search import worker
from tuning_operator.tuner import actions, admission, state

P = ParamSpec("P")
T = TypeVar("T")

REPORT = 'echo "{\\"accuracy\\": $HP_x}" >> "$TUNING_METRICS_FILE"'
"""The shortest trial: its parameter is its result."""


class Direct(worker.Worker):
    """Searches where it is asked, without a process."""

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function."""
        await asyncio.sleep(0)
        return function(*args, **kwargs)

    async def run_within(self, seconds: float | None, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function, without looking at the time."""
        return await self.run(function, *args, **kwargs)


@dataclasses.dataclass
class Notes:
    """A view that keeps everything."""

    snapshots: list[state.Snapshot] = dataclasses.field(default_factory=list)
    news: list[actions.Announce] = dataclasses.field(default_factory=list)
    watch: Callable[[state.Snapshot], None] = lambda _: None

    def show(self, snapshot: state.Snapshot) -> None:
        """Keep the snapshot."""
        self.snapshots.append(snapshot)
        self.watch(snapshot)

    def tell(self, news: actions.Announce) -> None:
        """Keep the news."""
        self.news.append(news)


def job(script: str = REPORT, *, name: str = "job", trials: int | None = 3, **spec: Any) -> builders.Manifest:
    """A job whose trials run a shell script."""
    return builders.job(name, trials=trials, **{"template": builders.template(["sh", "-c", script]), **spec})


def now() -> datetime.datetime:
    """The time."""
    return datetime.datetime.now(datetime.UTC)


@contextlib.asynccontextmanager
async def opened(
    tmp_path: Path,
    manifest: builders.Manifest,
    notes: Notes | None = None,
    *,
    parallel: int | None = None,
    search: worker.Worker | None = None,
    clock: Callable[[], datetime.datetime] = now,
) -> AsyncIterator[runtime.Runtime]:
    """The job, ready to run, in the folder that its earlier runs have left."""
    home = folder.Folder(tmp_path / "state")
    home.lock()
    machine = command.Machine(tmp_path, dict(os.environ), cores=4)
    try:
        wanted = admission.admit(manifest)
        options = runtime.Options(machine, parallel)
        made = runtime.Runtime(wanted, home, options, notes or Notes(), search or Direct(), "uid", clock)
        async with contextlib.aclosing(made):
            yield made
    finally:
        home.unlock()


async def run(
    tmp_path: Path, manifest: builders.Manifest, notes: Notes | None = None, **options: Any
) -> state.Snapshot:
    """Run the job to its end."""
    async with opened(tmp_path, manifest, notes, **options) as made:
        return await asyncio.wait_for(made.run(), 60)


def place(tmp_path: Path, number: int = 0, attempt: int = 1) -> Path:
    """An attempt's folder."""
    return folder.Folder(tmp_path / "state").attempt(number, attempt)
