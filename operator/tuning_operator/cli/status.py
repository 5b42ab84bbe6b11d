"""Exit statuses that scripts can use, the same for every command, and the one place where failures are told."""

from __future__ import annotations

import asyncio
import enum
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from tuning_operator.api.errors import SpecError
from tuning_operator.cluster import trouble


class Status(enum.IntEnum):
    """How a command ended."""

    DONE = 0
    FAILED = 1
    """The job failed, or there is nothing to show yet."""
    REFUSED = 2
    """The manifest, an option or what it asks for makes no sense."""
    ABSENT = 3
    """There is no such job, trial or context."""
    UNREACHABLE = 4
    """No cluster is configured, or it does not answer."""
    FORBIDDEN = 5
    """The cluster does not allow it."""
    TIMEOUT = 6
    """The time to wait is over."""
    INTERRUPTED = 130


BY_KIND = {
    trouble.Kind.ABSENT: Status.ABSENT,
    trouble.Kind.FORBIDDEN: Status.FORBIDDEN,
    trouble.Kind.REFUSED: Status.REFUSED,
    trouble.Kind.UNREACHABLE: Status.UNREACHABLE,
}


class Failure(Exception):
    """A command cannot do what it was asked for: an exit status, and a message that says why and what to do."""

    def __init__(self, status: Status, message: str) -> None:
        self.status = status
        super().__init__(message)


def run(command: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Runs a command and tells its failure in one line; answers the exit status."""
    try:
        return asyncio.run(command())
    except trouble.Trouble as problem:
        return complain(str(problem), BY_KIND[problem.kind])
    except Failure as failure:
        return complain(str(failure), failure.status)
    except SpecError as error:
        for mistake in error.problems:
            complain(str(mistake), Status.REFUSED)
        return Status.REFUSED
    except KeyboardInterrupt:
        return Status.INTERRUPTED


def complain(message: str, status: Status) -> int:
    """Tells a failure; answers the exit status."""
    if message:
        sys.stderr.write(" ".join(message.split()) + "\n")
    return int(status)
