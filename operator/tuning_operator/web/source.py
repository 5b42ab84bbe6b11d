"""What the page asks of whoever serves it: the operator, which knows the cluster, or a folder of local jobs."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Hashable, Mapping, Sequence
from typing import Protocol

from tuning_operator.api import job
from tuning_operator.stopping import curve
from tuning_operator.tuner import state

MAX_LOG_BYTES = 64 * 1024
"""How much of the end of a log is shown."""


@dataclasses.dataclass(frozen=True, slots=True)
class Brief:
    """A job in one line."""

    namespace: str
    name: str
    status: job.JobStatus
    objective: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """A job as it is now. `version` is another one whenever anything has changed."""

    snapshot: state.Snapshot
    version: Hashable
    created: Mapping[int, datetime.datetime] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Log:
    """The end of what a trial wrote, or why there is nothing to show."""

    text: str = ""
    note: str = ""


class Source(Protocol):
    """Where jobs come from. Nothing of it blocks the event loop."""

    async def jobs(self) -> Sequence[Brief]:
        """All jobs."""

    async def job(self, namespace: str, name: str) -> Found | None:
        """One job; None when there is none of that name."""

    async def log(self, namespace: str, name: str, number: int) -> Log:
        """The end of a trial's log."""

    async def curves(self, namespace: str, name: str, number: int) -> Mapping[str, curve.Curve]:
        """What a trial that runs has reported so far, where it can be asked; else nothing."""
