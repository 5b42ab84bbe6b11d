"""The other end of `worker`: a process that answers calls until its parent is gone."""

from __future__ import annotations

import ctypes
import pickle
import signal
import sys
import traceback
from multiprocessing import connection

PR_SET_PDEATHSIG = 1
"""From Linux' sys/prctl.h."""


def main(descriptor: int) -> None:
    """Serves the pipe with this file descriptor."""
    if sys.platform == "linux":
        # The pipe tells too that the parent is gone, but only after the call that is being answered.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    serve(connection.Connection(descriptor))


def serve(line: connection.Connection) -> None:
    """Answers every call with (True, result) or (False, error), until the other end is closed."""
    while True:
        try:
            call = line.recv_bytes()
        except (EOFError, OSError):
            return
        line.send_bytes(_answer(call))


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
