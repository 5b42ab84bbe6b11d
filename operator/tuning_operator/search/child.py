"""The other end of `worker`: a process that answers calls until its parent is gone."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import pickle
import signal
import sys
import threading
import traceback
from multiprocessing import connection

from tuning_operator import lean

LUGGAGE = ("asyncio", "numpy.f2py", "numpy.testing", "skopt", "skopt.learning")
"""Packages that are imported along with what a search needs, and that it does not need: 20 MiB."""
UNWANTED = ("pandas", "pyarrow", "rich")
"""Packages that scikit-learn imports where they are installed, and that no search needs: 70 MiB."""
PR_SET_PDEATHSIG = 1
"""From Linux' sys/prctl.h."""


def main(descriptor: int) -> None:
    """Serves the pipe with this file descriptor."""
    if sys.platform == "linux":
        # The pipe tells too that the parent is gone, but only after the call that is being answered.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    lean.go_without(*UNWANTED)
    lean.set_aside(*LUGGAGE)
    serve(connection.Connection(descriptor))


def serve(line: connection.Connection) -> None:
    """Answers every call with (True, result) or (False, error), until the other end is closed."""
    while True:
        try:
            call = line.recv_bytes()
        except (EOFError, OSError):
            return
        line.send_bytes(_answer(call))


def warm(modules: tuple[str, ...]) -> None:
    """Imports the modules in a thread: a call that comes meanwhile need not wait for those that it does not use."""
    threading.Thread(target=_import, args=(modules,), daemon=True).start()


def _import(modules: tuple[str, ...]) -> None:
    for name in modules:
        # Whoever calls for it will hear of it.
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def _answer(call: bytes) -> bytes:
    try:
        function, args, kwargs = pickle.loads(call)
        return pickle.dumps((True, function(*args, **kwargs)))
    except Exception as error:
        error.add_note(f"in the search's process:\n{traceback.format_exc()}")
        try:
            return pickle.dumps((False, error))
        except Exception:  # whatever such an error holds, its text can be sent
            return pickle.dumps((False, RuntimeError(traceback.format_exc())))
