"""The search in a process of its own: a fit of seconds never blocks the event loop, and its memory stays there.

A pipe, pickle and a thread that waits are all it takes. multiprocessing's pools would let the child import the parent's
main module, hand it every Ctrl-C, and keep one more process, of 13 MiB, to track semaphores.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from multiprocessing import connection
from typing import Any, ParamSpec, TypeVar

from tuning_operator.search import child

P = ParamSpec("P")
T = TypeVar("T")

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables that keep the libraries of linear algebra to one thread."""
CHILD = "import sys; from tuning_operator.search import child; child.main(int(sys.argv[1]))"


class Died(Exception):
    """The process ended before it had answered."""


@dataclasses.dataclass(frozen=True, slots=True)
class Child:
    """A process that answers calls, and how to end it."""

    line: connection.Connection
    kill: Callable[[], None]


def start() -> Child:
    """A fresh process with our module path and one thread, in a process group of its own: Ctrl-C is not for it."""
    ours, theirs = connection.Pipe()
    path = os.pathsep.join(filter(None, sys.path))
    with theirs:
        process = subprocess.Popen(
            # -P: a trial's numpy.py in the current folder is none of our business.
            [sys.executable, "-P", "-c", CHILD, str(theirs.fileno())],
            env={**os.environ, **dict.fromkeys(THREADS, "1"), "PYTHONPATH": path},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=2,
            process_group=0,
        )

    def kill() -> None:
        process.kill()
        process.wait()

    return Child(ours, kill)


class Worker:
    """One process; calls are answered one after the other. One that died is replaced at the next call."""

    def __init__(self) -> None:
        self._child: Child | None = None
        self._closed = False
        self._thread = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="search")

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls the function in the process. Raises what it raises, or Died if the process does."""
        answer: T = await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, function, args, kwargs)
        return answer

    async def warm(self, *modules: str) -> None:
        """Starts the process and lets it begin to import what it will need, so that later calls need not."""
        with contextlib.suppress(Died):
            await self.run(child.warm, modules)

    def close(self) -> None:
        """Ends the process at once, whatever it is doing."""
        self._closed = True
        if self._child is not None:
            self._child.kill()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _ask(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        process = self._child = self._child or start()
        if self._closed:
            process.kill()
        try:
            process.line.send((function, args, kwargs))
            answered, answer = process.line.recv()
        except (EOFError, OSError) as error:
            self._child = None
            process.kill()
            process.line.close()
            raise Died("the search's process has ended; was it killed for its memory?") from error
        if answered:
            return answer
        raise answer
