"""Progress for a terminal: one picture that is drawn again and again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tuning_operator.api import trial
from tuning_operator.cli import words
from tuning_operator.local import result
from tuning_operator.tuner import actions, state

STYLES = {
    trial.TrialPhase.PENDING: "dim",
    trial.TrialPhase.RUNNING: "cyan",
    trial.TrialPhase.SUCCEEDED: "green",
    trial.TrialPhase.FAILED: "red",
    trial.TrialPhase.STOPPED: "yellow",
}
FRAME = 6
"""Lines of the picture that are no rows of its table."""


class Picture:
    """A progress bar, the best trial so far, and the trials that run or have just ended."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._news = ""
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the picture."""
        self._live.stop()

    def show(self, snapshot: state.Snapshot) -> None:
        """Draw the job as it is now."""
        self._live.update(self.draw(snapshot), refresh=True)

    def tell(self, news: actions.Announce) -> None:
        """Keep the news, to be drawn below the table."""
        if news.severity is actions.Severity.WARNING:
            self._news = words.clean(news.message)

    def say(self, line: str) -> None:
        """Keep a line, to be drawn below the table."""
        self._news = line

    def draw(self, snapshot: state.Snapshot) -> RenderableType:
        """The job as it is now, fit for the console."""
        room = max(3, self._console.size.height - FRAME)
        message = words.clean(snapshot.job.status.message)
        notes = [
            Text(note, style="yellow", no_wrap=True, overflow="ellipsis") for note in (message, self._news) if note
        ]
        return Group(_bar(snapshot), _best(snapshot), _table(snapshot, room - len(notes)), *notes)


def _bar(snapshot: state.Snapshot) -> RenderableType:
    limit = snapshot.job.spec.limits.max_trials
    done = sum(item.is_finished() for item in snapshot.trials)
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, overflow="ellipsis")
    grid.add_column()
    grid.add_column(no_wrap=True)
    bar = ProgressBar(total=limit or max(1, len(snapshot.trials)), completed=done, width=30)
    grid.add_row(Text(snapshot.job.name, style="bold"), bar, f"{done}/{limit}" if limit else f"{done}")
    return grid


def _best(snapshot: state.Snapshot) -> RenderableType:
    winner = result.best(snapshot)
    line = words.best(winner) if winner else "best: none yet"
    return Text(line, style="bold green" if winner else "dim", no_wrap=True, overflow="ellipsis")


def _table(snapshot: state.Snapshot, room: int) -> RenderableType:
    table = Table(box=None, pad_edge=False, expand=True)
    table.add_column("trial", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for objective in snapshot.job.spec.objectives:
        table.add_column(objective.metric, no_wrap=True, overflow="ellipsis")
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("parameters", no_wrap=True, overflow="ellipsis", ratio=1)
    for item in itertools.islice(_chosen(snapshot), room):
        time = words.ran(item, snapshot.now)
        table.add_row(
            str(item.number),
            Text(_state(item), style=STYLES[item.status.phase]),
            *(_value(item, objective.metric) for objective in snapshot.job.spec.objectives),
            words.duration(time) if time is not None else "",
            Text(words.parameters(item.spec.parameters)),
        )
    return table


def _chosen(snapshot: state.Snapshot) -> Iterator[state.Trial]:
    """The trials that are not finished, then those that have finished last."""
    yield from (item for item in snapshot.trials if not item.is_finished())
    finished = [item for item in snapshot.trials if item.is_finished()]
    yield from sorted(finished, key=lambda item: item.status.completion_time or snapshot.now, reverse=True)


def _state(item: state.Trial) -> str:
    phase = item.status.phase.value
    return f"{phase} ({item.status.reason})" if item.status.reason else phase


def _value(item: state.Trial, metric: str) -> str:
    if metric in item.status.values:
        return words.value(item.status.values[metric])
    summary = item.attempt.summary if item.attempt else None
    curve = summary.metrics.get(metric) if summary else None
    return words.value(curve.last) if curve and curve.last is not None else ""
