"""The search in a process of its own: a fit of seconds never blocks the event loop, and its memory stays there.

The process gets one BLAS thread. A process that died is replaced at the next call; the call that it died in fails.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import ctypes
import importlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
START_METHOD = "spawn"
"""A fork would take the operator's memory and its locks along."""
PR_SET_PDEATHSIG = 1
"""From Linux' sys/prctl.h."""


class Worker:
    """One worker process; calls are answered one after the other."""

    def __init__(self) -> None:
        self._pool: concurrent.futures.ProcessPoolExecutor | None = None

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls the function in the worker process. Raises what it raises, or BrokenExecutor if the process dies."""
        pool = self._pool = self._pool or _pool()
        try:
            return await asyncio.wrap_future(pool.submit(function, *args, **kwargs))
        except concurrent.futures.BrokenExecutor:
            if self._pool is pool:
                self._pool = None
            raise

    async def warm(self, *modules: str) -> None:
        """Starts the process and lets it import what it will need, so that the first job need not wait for that."""
        with contextlib.suppress(concurrent.futures.BrokenExecutor):
            await self.run(_import, modules)

    def close(self) -> None:
        """Ends the process at once, whatever it is doing."""
        pool, self._pool = self._pool, None
        if pool is not None:
            processes = list((pool._processes or {}).values())
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.kill()


def _pool() -> concurrent.futures.ProcessPoolExecutor:
    context = multiprocessing.get_context(START_METHOD)
    pool = concurrent.futures.ProcessPoolExecutor(max_workers=1, mp_context=context, initializer=_prepare)
    # A Ctrl-C reaches the whole process group, also a child that is not yet prepared for it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        pool.submit(os.getpid)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pool


def _prepare() -> None:
    """One thread, no Ctrl-C, and no life beyond the parent's: a killed parent cannot say goodbye."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _import(modules: tuple[str, ...]) -> None:
    for name in modules:
        importlib.import_module(name)
