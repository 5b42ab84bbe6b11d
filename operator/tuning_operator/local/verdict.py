"""Whose doing the end of a trial's process was: its own, or nobody's, in which case it is started again."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tuning_operator.api import trial

if TYPE_CHECKING:
    from tuning_operator.local import warden

Verdict = tuple[trial.AttemptPhase, str, str]
"""Phase, reason and message, as for a Pod."""

INTERRUPTED: Verdict = (trial.AttemptPhase.LOST, "Interrupted", "tuningctl ended while the trial ran")
UNGUARDED: Verdict = (trial.AttemptPhase.LOST, "WardenLost", "the process that watches over the trial was killed")


def judge(record: warden.Record, tail: str) -> Verdict:
    """The verdict on a process that ended; `tail` is the end of its output."""
    if record["stopped"]:
        return trial.AttemptPhase.LOST, "Stopped", "the process was told to stop"
    if record["error"]:
        return trial.AttemptPhase.FAILED, "StartError", f"the command cannot be run: {record['error']}"
    if record["signal"] is None and not record["code"]:
        return trial.AttemptPhase.SUCCEEDED, "", ""
    return trial.AttemptPhase.FAILED, "NonZeroExit", _end(record) + (f": {tail}" if tail else "")


def exit_code(record: warden.Record) -> int | None:
    """The exit code as a container's is given: 128 and the signal's number for a process that was killed."""
    return 128 + record["signal"] if record["signal"] is not None else record["code"]


def _end(record: warden.Record) -> str:
    number = record["signal"]
    if number is None:
        return f"exit code {record['code']}"
    name = signal.Signals(number).name if number in set(signal.Signals) else "real-time"
    hint = "; perhaps the machine had no memory left" if number == signal.SIGKILL else ""
    return f"killed by signal {number} ({name}){hint}"
