"""A job of this machine that runs beside the program that began it, in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import threading
import uuid
from pathlib import Path

from tuning_operator.api import manifest
from tuning_operator.local import command, folder, runtime
from tuning_operator.search import worker
from tuning_operator.tuner import actions, state


class Background:
    """One run of a job; begins at once."""

    def __init__(self, wanted: manifest.Job, home: folder.Folder, place: Path, parallel: int | None) -> None:
        """`home` is locked, and is unlocked at the end. Raises what the runtime raises for a job that cannot go on."""
        self.error: BaseException | None = None
        self._home = home
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begun = threading.Event()
        self._search = worker.Worker()
        machine = command.Machine(folder=place, environ=dict(os.environ), cores=command.cores())
        self._runtime = runtime.Runtime(
            wanted, home, runtime.Options(machine, parallel), _Silent(), self._search, str(uuid.uuid4()), _now
        )
        self._thread = threading.Thread(target=self._run, name=f"tuning-{wanted.metadata.name}", daemon=True)
        self._thread.start()

    def runs(self) -> bool:
        """Whether it is still at work."""
        return self._thread.is_alive()

    def join(self, seconds: float) -> None:
        """Waits for the end, but no longer than that."""
        self._thread.join(seconds)

    def interrupt(self) -> None:
        """Stops the trials that run; what is known is kept."""
        self._begun.wait()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # It has just ended.
                self._loop.call_soon_threadsafe(self._runtime.interrupt)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:
            self.error = error
        finally:
            self._begun.set()
            self._home.unlock()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._begun.set()
        async with contextlib.aclosing(self._runtime):
            await self._runtime.run()


class _Silent:
    """Who wants to see the job reads its folder."""

    def show(self, snapshot: state.Snapshot) -> None:
        """Nothing."""

    def tell(self, news: actions.Announce) -> None:
        """Nothing."""


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
