"""Commands that wait: watch, and `--wait` of all others. They look every few seconds, at the job first and foremost."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TextIO

import rich.console

from tuning_operator.api import base
from tuning_operator.api.job import JobPhase
from tuning_operator.cli import live, locating, plain, words
from tuning_operator.cli.status import Failure, Status
from tuning_operator.cluster import trouble
from tuning_operator.local import result
from tuning_operator.report import objects

LOOK_SECONDS = 2.0
PATIENCE = 30
"""So many looks in a row may fail: a minute's trouble with the network ends no watch."""

View = live.Picture | plain.Lines


async def watch(where: locating.Where, longest: str) -> int:
    """`tuningctl watch`."""
    async with locating.source(where) as source:
        return await follow(source, longest, sys.stdout)


async def follow(source: locating.Source, longest: str, stream: TextIO) -> int:
    """Shows a job until it is finished; answers the exit status."""
    with shown(stream) as view:
        found = await until(source, _finished, longest, view)
    status = found.snapshot.job.status
    winner = result.best(found.snapshot)
    lines = [f"{status.phase.lower()}: {words.clean(status.message)}"]
    lines.append(words.best(winner) if winner else "best: none, no trial has succeeded")
    stream.writelines(f"{line}\n" for line in lines)
    stream.flush()
    return Status.DONE if status.phase is JobPhase.COMPLETE else Status.FAILED


def _finished(found: objects.Found) -> bool:
    owner = found.snapshot.job
    return owner.status.phase.is_finished() and owner.status.observed_generation >= owner.generation


async def until(
    source: locating.Source, done: Callable[[objects.Found], bool], longest: str, view: View | None = None
) -> objects.Found:
    """Looks until it is done; shows what it sees. Raises Failure when the time is over."""
    deadline = time.monotonic() + base.parse_duration(longest).total_seconds() if longest else None
    failed = 0
    while True:
        try:
            found = await source.look()
            failed = 0
        except trouble.Trouble as problem:
            failed += 1
            if problem.kind is not trouble.Kind.UNREACHABLE or failed >= PATIENCE:
                raise
            if view is not None:
                view.say(str(problem))
        else:
            if view is not None:
                view.show(found.snapshot)
            if done(found):
                return found
        if deadline is not None and time.monotonic() + LOOK_SECONDS > deadline:
            raise Failure(Status.TIMEOUT, f"not done within {longest}; it goes on without being watched")
        await asyncio.sleep(LOOK_SECONDS)


@contextlib.contextmanager
def shown(stream: TextIO) -> Iterator[View]:
    """A live picture on a terminal, lines elsewhere."""
    console = rich.console.Console(file=stream)
    if console.is_terminal and not console.is_dumb_terminal:
        with live.Picture(console) as picture:
            yield picture
    else:
        yield plain.Lines(stream)
