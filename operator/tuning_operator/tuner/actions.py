"""What the tuner may ask for. Each action carries the reason for it, which becomes the log line and the audit trail."""

from __future__ import annotations

import dataclasses
import datetime
import enum

from tuning_operator.api import job
from tuning_operator.api import trial as trials
from tuning_operator.tuner import state


@dataclasses.dataclass(frozen=True, slots=True)
class Suggest:
    """Find configurations for the trials `wanted`: (number, trials whose results it may use), in order of number.

    What is found takes the place of all earlier proposals: those knew of configurations that were never tried.
    """

    wanted: tuple[tuple[int, frozenset[int]], ...]
    why: str


@dataclasses.dataclass(frozen=True, slots=True)
class Study:
    """Find out what the results so far say about the search itself, when nothing else is wanted of it."""

    trials: int
    """How many trials have values."""
    why: str


@dataclasses.dataclass(frozen=True, slots=True)
class CreateTrial:
    """Record a new trial; it is stored before anything runs."""

    proposal: state.Proposal
    why: str


@dataclasses.dataclass(frozen=True, slots=True)
class StartAttempt:
    """Start attempt `number` of a trial, in the shape of a profile where the job has some."""

    trial: state.Trial
    number: int
    why: str
    profile: str = ""
    discard: frozenset[int] = frozenset()
    """Trials whose checkpoints are removed on this occasion."""


@dataclasses.dataclass(frozen=True, slots=True)
class StopAttempt:
    """End a trial's newest attempt and remove it."""

    trial: state.Trial
    why: str


@dataclasses.dataclass(frozen=True, slots=True)
class Collect:
    """Tell the sidecar that the trial's process has ended, so that it hands over the observations and ends too."""

    trial: state.Trial
    why: str


@dataclasses.dataclass(frozen=True, slots=True)
class RecordTrial:
    """Write a trial's status."""

    trial: state.Trial
    status: trials.TrialStatus
    why: str


@dataclasses.dataclass(frozen=True, slots=True)
class RecordJob:
    """Write the job's status."""

    status: job.JobStatus
    why: str


class Severity(enum.StrEnum):
    """The two types that Kubernetes knows for Events."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclasses.dataclass(frozen=True, slots=True)
class Announce:
    """Tell people, as an Event. The same `key` is told once, however often it is planned, unless it `repeats`."""

    key: str
    reason: str
    message: str
    severity: Severity = Severity.NORMAL
    trial: state.Trial | None = None
    """The trial that it is about; None when it is about the job."""
    repeats: bool = False
    """It may happen many times, and is then counted."""


Action = Suggest | Study | CreateTrial | StartAttempt | StopAttempt | Collect | RecordTrial | RecordJob | Announce


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """Actions in the order in which they are to be carried out, and when to look again if nothing happens before."""

    actions: tuple[Action, ...] = ()
    wake: datetime.datetime | None = None
    wants: int = 0
    """How many attempts would be started now if there were room for all of them."""
