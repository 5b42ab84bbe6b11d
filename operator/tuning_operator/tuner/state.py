"""What the tuner looks at: one job at one moment, as immutable data.

A snapshot holds what was recorded (the objects' spec and status) beside what was observed (the Pods or processes).
Decisions compare the two. They never depend on having seen a transition, so an operator that was away for an hour
decides what one that never left would have decided.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping

from tuning_operator.api import errors, job, trial
from tuning_operator.scheduling import cluster
from tuning_operator.search import suggest
from tuning_operator.stopping import curve
from tuning_trial import summary

SUSPENDED = "Suspended"
"""Why an attempt was given up that was stopped with its job."""

WITHDRAWN = "Withdrawn"
"""Why an attempt was given up that found no node although there had seemed to be room."""


@dataclasses.dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a trial as it is now: a Pod on the cluster, a process on one machine."""

    number: int
    phase: trial.AttemptPhase
    reason: str = ""
    message: str = ""
    node: str = ""
    profile: str = ""
    exit_code: int | None = None
    started: datetime.datetime | None = None
    ended: datetime.datetime | None = None
    gone_by: datetime.datetime | None = None
    """It is being removed, and due to be gone by then; until it is, it may still run."""
    draining: bool = False
    """The trial's own process has ended (at `ended`), but its sidecar waits to be told."""
    draining_since: datetime.datetime | None = None
    """Since when that has been seen; later than `ended` if nobody could look in between."""
    unread: bool = False
    """The trial's own process has ended, but its log, which holds its metrics, is still being read."""
    summary: summary.Summary | None = None
    peak_memory: int | None = None
    """The most memory that it had at a time, in bytes, where somebody has measured it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Trial:
    """A trial: what was recorded about it, and its newest attempt as observed (None when there is none to see)."""

    name: str
    uid: str
    spec: trial.TrialSpec
    status: trial.TrialStatus
    attempt: Attempt | None = None
    curves: Mapping[str, curve.Curve] = dataclasses.field(default_factory=dict)
    """What its newest attempt has reported so far, by metric; empty where nobody has looked."""

    @property
    def number(self) -> int:
        """Number of the trial in its job."""
        return self.spec.number

    @property
    def recorded(self) -> trial.AttemptStatus | None:
        """The newest attempt that the trial's status knows."""
        return self.status.attempts[-1] if self.status.attempts else None

    def is_finished(self) -> bool:
        """Whether the trial's end has been recorded."""
        return self.status.phase.is_finished()


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """A job: its identity, what its author wants, and what was recorded."""

    name: str
    uid: str
    generation: int
    spec: job.JobSpec
    status: job.JobStatus


@dataclasses.dataclass(frozen=True, slots=True)
class Proposal:
    """A configuration for trial `number`, and the trials whose results it knew."""

    number: int
    suggestion: suggest.Suggestion
    based_on: frozenset[int]


@dataclasses.dataclass(frozen=True, slots=True)
class Obstacle:
    """Why nothing new can be started for now: one word for programs, a sentence for people."""

    reason: str
    message: str

    def __str__(self) -> str:
        return f"nothing new is started: {self.reason}: {self.message}"


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """Another job, to learn from."""

    name: str
    uid: str
    trials: tuple[Trial, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Offer:
    """What the job may start now: one trial for each of the profiles, and if that is less than it wants, why.

    `known` is false while that is still being found out.
    """

    profiles: tuple[str, ...] = ()
    shortage: cluster.Shortage | None = None
    known: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """One job at one moment.

    `proposals` are suggestions that are ready; `exhausted_at` is the first trial number for which the search has no
    configuration left; `problems` tell why the spec cannot run; `obstacle` why the platform refused the last Pod for
    now (a quota, say); `trouble` why no suggestion comes; `status_written` is when the job's status was last written, for the debounce of mere counts.
    """

    job: Job
    trials: tuple[Trial, ...]
    now: datetime.datetime
    proposals: Mapping[int, Proposal] = dataclasses.field(default_factory=dict)
    exhausted_at: int | None = None
    problems: tuple[errors.Problem, ...] = ()
    obstacle: Obstacle | None = None
    trouble: str = ""
    offer: Offer | None = None
    """None where nobody counts what there is room for: everything may start."""
    status_written: datetime.datetime | None = None
    sources: tuple[Source, ...] = ()
    """The jobs to learn from that exist, as long as nothing has been taken over from them."""

    @property
    def made(self) -> int:
        """How many trials the job has made, which is the next one's number; those that a user deleted are among them."""
        return self.trials[-1].number + 1 if self.trials else 0
