"""`tuningctl run`: from a command line to a runtime, and from its end to an exit status."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import json
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TextIO

import rich.console
import yaml

from tuning_operator.api import manifest
from tuning_operator.api.errors import Problem, SpecError
from tuning_operator.api.job import JobPhase
from tuning_operator.cli import live, manifests, plain, serving, words
from tuning_operator.local import command, folder, result, runtime
from tuning_operator.search import worker
from tuning_operator.tuner import admission, state

REDRAW_SECONDS = 0.25
BEST_SHOWN, FRONT_SHOWN = 5, 20
COMPLETE, FAILED, REFUSED = 0, 1, 2


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What the command line says."""

    manifest: str
    state: Path | None = None
    parallel: int | None = None
    fresh: bool = False
    output: str = ""
    everything: bool = False
    web: bool = False


def run(request: Request) -> int:
    """Run the job; answers the exit status."""
    try:
        return asyncio.run(_run(request, _job(request.manifest)))
    except SpecError as error:
        return _complain(manifests.lines(request.manifest, error.problems), REFUSED)
    except folder.FolderError as error:
        return _complain([str(error)], REFUSED)
    except (OSError, runtime.SearchError) as error:
        return _complain([f"the job cannot go on: {error}; run it again to go on where it was left"], FAILED)


def _job(source: str) -> manifest.Job:
    documents = manifests.read(source)
    if len(documents) > 1:
        message = f"there are {len(documents)} documents in it"
        raise SpecError([Problem("manifest", message, "run one TuningJob at a time")])
    job = admission.admit(documents[0])
    if problems := command.problems(job.spec.template):
        raise SpecError(problems)
    return job


async def _run(request: Request, wanted: manifest.Job) -> int:
    base = manifests.folder(request.manifest)
    home = folder.Folder((request.state or base / ".tuning").absolute() / wanted.metadata.name)
    home.lock()
    try:
        if request.fresh:
            home.clear()
        stream = sys.stderr if request.output else sys.stdout
        here = command.Machine(folder=base, environ=dict(os.environ), cores=command.cores())
        options = runtime.Options(here, request.parallel)
        view = _view(stream, home)
        search = worker.Worker()
        job = runtime.Runtime(wanted, home, options, view, search, str(uuid.uuid4()), _now)
        with _drawn(view):
            _greet(view, job.observe(), home)
            for name in command.ignored(wanted.spec.template):
                view.say(f"note: {name} of the trial's container is not there on this machine")
            shown = serving.beside(home.path.parent, view.say, wanted=request.web)
            async with (
                shown,
                contextlib.aclosing(job),
                _signals(job, view) as caught,
                _redrawn(job, view),
                _warmed(search),
            ):
                snapshot = await job.run()
        return _finish(request, snapshot, caught, home, stream)
    finally:
        home.unlock()


View = live.Picture | plain.Lines


def _view(stream: TextIO, home: folder.Folder) -> View:
    console = rich.console.Console(file=stream)
    lively = console.is_terminal and not console.is_dumb_terminal
    return live.Picture(console) if lively else plain.Lines(stream, home)


@contextlib.contextmanager
def _drawn(view: View) -> Iterator[None]:
    if isinstance(view, live.Picture):
        with view:
            yield
    else:
        yield


def _greet(view: View, snapshot: state.Snapshot, home: folder.Folder) -> None:
    limits, search = snapshot.job.spec.limits, snapshot.job.spec.search
    done = sum(item.is_finished() for item in snapshot.trials)
    many = f"{limits.max_trials} trial{'s' * (limits.max_trials != 1)}" if limits.max_trials else "trials"
    begun = f", {done} of them done in earlier runs" if snapshot.trials else ""
    view.say(
        f"job {snapshot.job.name}: {many}, {limits.parallel_trials} at a time, {search.algorithm} search{begun}; "
        f"kept in {home.path}"
    )


@contextlib.asynccontextmanager
async def _signals(job: runtime.Runtime, view: View) -> AsyncIterator[list[signal.Signals]]:
    """Interrupts the job on SIGINT and SIGTERM; gives those that came."""
    loop = asyncio.get_running_loop()
    caught: list[signal.Signals] = []

    def interrupt(number: signal.Signals) -> None:
        caught.append(number)
        again = "; once more kills them" if len(caught) == 1 else " at once"
        view.say(f"stopping the trials that run{again}")
        job.interrupt()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt, number)
    try:
        yield caught
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def _warmed(search: worker.Worker) -> AsyncIterator[None]:
    """Starts the search's process."""
    warming = asyncio.create_task(search.warm("tuning_operator.tuner.proposing"))
    try:
        yield
    finally:
        warming.cancel()


@contextlib.asynccontextmanager
async def _redrawn(job: runtime.Runtime, view: View) -> AsyncIterator[None]:
    """Draws a live view again, also while nothing happens but time."""

    async def redraw() -> None:
        while True:
            await asyncio.sleep(REDRAW_SECONDS)
            view.show(job.observe())

    task = asyncio.create_task(redraw()) if isinstance(view, live.Picture) else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()


def _finish(
    request: Request, snapshot: state.Snapshot, caught: list[signal.Signals], home: folder.Folder, stream: TextIO
) -> int:
    """Tell the end; answers the exit status."""
    status = snapshot.job.status
    code, message = _code(snapshot, caught)
    winner = result.best(snapshot)
    if request.output:
        document = result.document(snapshot, everything=request.everything)
        text = (
            json.dumps(document, indent=2) + "\n"
            if request.output == "json"
            else yaml.safe_dump(document, sort_keys=False)
        )
        sys.stdout.write(text)
        sys.stdout.flush()
    lines = [f"{status.phase.lower()}: {words.clean(message)}"]
    if winner is not None:
        lines += ["", *_table(snapshot), "", words.best(winner)]
    else:
        lines.append("best: none, no trial has succeeded yet" if caught else "best: none, no trial has succeeded")
    stream.writelines(f"{line}\n" for line in lines)
    stream.flush()
    return code


def _code(snapshot: state.Snapshot, caught: list[signal.Signals]) -> tuple[int, str]:
    """The exit status, and the reason for people."""
    status = snapshot.job.status
    if status.phase is JobPhase.COMPLETE:
        return COMPLETE, status.message
    if status.phase is JobPhase.FAILED:
        return FAILED, status.message
    if caught:
        return 128 + caught[0], "interrupted; run the same command again to go on"
    return REFUSED, "spec.suspend is true; set it to false and run the job again"


def _table(snapshot: state.Snapshot) -> list[str]:
    metrics = [objective.metric for objective in snapshot.job.spec.objectives]
    top, shown = result.top(snapshot), BEST_SHOWN if len(metrics) == 1 else FRONT_SHOWN
    rows = [
        (
            str(one.trial.number),
            *(words.value(one.values[metric]) for metric in metrics),
            words.duration(words.ran(one.trial, snapshot.now) or datetime.timedelta()),
            words.parameters(one.trial.spec.parameters),
        )
        for one in top[:shown]
    ]
    lines = words.table(("trial", *metrics, "time", "parameters"), rows)
    if len(metrics) == 1:
        return lines
    more = f", the first {shown} of them" if len(top) > shown else ""
    return [f"Pareto front, {len(top)} trial{'s' * (len(top) != 1)}{more}:", *lines]


def _complain(lines: list[str], code: int) -> int:
    sys.stderr.writelines(f"{line}\n" for line in lines)
    return code


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
