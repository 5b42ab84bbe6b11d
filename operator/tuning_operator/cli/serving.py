"""`tuningctl web`, and the page of `tuningctl run --web`: the jobs of a folder in a browser."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

PORT = 8088
SERVED, FAILED, REFUSED = 0, 1, 2


def run(state: Path, port: int) -> int:
    """Serve until interrupted; answers the exit status."""
    if not state.is_dir():
        sys.stderr.write(f"{state} is no folder; tuningctl run keeps its jobs in .tuning beside the manifest\n")
        return REFUSED
    try:
        asyncio.run(_run(state, port))
    except OSError as error:
        sys.stderr.write(f"{refusal(port, error)}\n")
        return FAILED
    return SERVED


def refusal(port: int, error: OSError) -> str:
    """Why there is no page, and the mend."""
    return f"port {port} cannot be used ({error.strerror}); choose another one with --port, 0 takes any"


@contextlib.asynccontextmanager
async def served(state: Path, port: int) -> AsyncIterator[str]:
    """Serves the jobs of a folder; gives the address. Raises OSError when the port is taken."""
    from tuning_operator.local import serving
    from tuning_operator.web import server

    pages = server.Server(serving.Folders(state.absolute(), _now), _now)
    runner, port = await pages.serve(port)
    try:
        yield f"http://localhost:{port}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def beside(state: Path, say: Callable[[str], None], *, wanted: bool) -> AsyncIterator[None]:
    """Serves the jobs of a folder while something else goes on, if that is wanted; at any port where the usual is taken."""
    async with contextlib.AsyncExitStack() as stack:
        if wanted:
            try:
                address = await stack.enter_async_context(served(state, PORT))
            except OSError:
                address = await stack.enter_async_context(served(state, 0))
            say(f"{address} shows it in a browser")
        yield


async def _run(state: Path, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with served(state, port) as address:
        sys.stdout.write(f"{address} shows the jobs in {state}; Ctrl-C ends it\n")
        sys.stdout.flush()
        await stop.wait()


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
