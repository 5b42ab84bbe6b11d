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
    """The process ended before it had answered, or was ended because it did not answer in time."""


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
    """One process; calls are answered one after the other. One that died or was ended is replaced at the next call."""

    def __init__(self) -> None:
        self._child: Child | None = None
        self._closed = False
        self._thread = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="search")

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls the function in the process. Raises what it raises, or Died if the process does."""
        return await self.run_within(None, function, *args, **kwargs)

    async def run_within(self, seconds: float | None, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same, but a process that has not answered after so many seconds of this call is ended, and has Died."""
        loop = asyncio.get_running_loop()
        answer: T = await loop.run_in_executor(self._thread, self._ask, seconds, function, args, kwargs)
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

    def _ask(
        self, seconds: float | None, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        process = self._child = self._child or start()
        if self._closed:
            process.kill()
        try:
            process.line.send((function, args, kwargs))
            if not process.line.poll(seconds):
                raise TimeoutError(f"the search's process has not answered within {seconds:g} seconds")
            answered, answer = process.line.recv()
        except (EOFError, OSError) as error:
            self._child = None
            process.kill()
            process.line.close()
            late = str(error) if isinstance(error, TimeoutError) else ""
            raise Died(late or "the search's process has ended; was it killed for its memory?") from error
        if answered:
            return answer
        raise answer
