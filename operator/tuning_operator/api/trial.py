"""`TuningTrial`: one evaluation of one configuration, as the operator records it.

A trial is an object of its own so that no object grows with the number of trials, and so that its parameters are
stored before anything runs.
"""

from __future__ import annotations

import datetime
import enum
from typing import Annotated

import pydantic

from tuning_operator.api import base


class TrialPhase(enum.StrEnum):
    """Where a trial stands."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    STOPPED = "Stopped"

    def is_finished(self) -> bool:
        """Whether the trial will not run any more."""
        # Asked millions of times in a long job: this is several times as fast as a look into a tuple.
        return self is not TrialPhase.PENDING and self is not TrialPhase.RUNNING


class AttemptPhase(enum.StrEnum):
    """Where one attempt (one Pod, or locally one process) of a trial stands."""

    WAITING = "Waiting"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    LOST = "Lost"

    def is_finished(self) -> bool:
        """Whether the attempt will not run any more."""
        return self in (AttemptPhase.SUCCEEDED, AttemptPhase.FAILED, AttemptPhase.LOST)


class Origin(enum.StrEnum):
    """How a trial's configuration came about."""

    START_FROM = "startFrom"
    PRIOR = "prior"
    REPEAT = "repeat"
    INITIAL = "initial"
    MODEL = "model"
    RANDOM = "random"
    GRID = "grid"
    DESIGN = "design"


class ParentJob(base.Model):
    """The job that a trial belongs to."""

    name: str
    """Name of the TuningJob."""
    uid: str
    """Its uid: a job of the same name that was deleted earlier is another job."""


class Chooser(base.Model):
    """What chose a trial."""

    algorithm: str
    """The algorithm."""
    why: Annotated[str, pydantic.Field(max_length=1024)] = ""
    """Why that one."""


class TrialSpec(base.Model):
    """The configuration, stored before the trial's Pod is made, and what it was based on."""

    job: ParentJob
    """The job that this trial belongs to."""
    number: Annotated[int, pydantic.Field(ge=0)]
    """Number of the trial in its job, from 0."""
    parameters: dict[str, int | float | str]
    """The configuration."""
    origin: Origin
    """How the configuration came about: startFrom, prior, repeat (of the trial before it), initial, model, random, grid or design (a sequence that covers the space evenly)."""
    algorithm: str = ""
    """The algorithm that chose it, where that is not the one that the job names: what auto decided for, or random where the search did not answer in time."""
    why: Annotated[str, pydantic.Field(max_length=1024)] = ""
    """Why that algorithm."""
    based_on: str = ""
    """The trials whose results the suggestion knew, such as 0-17,19. With the job's seed it makes the suggestion reproducible."""


class AttemptStatus(base.Model):
    """One attempt: one Pod of the trial."""

    number: int
    """Number of the attempt, from 1."""
    phase: AttemptPhase
    """Waiting, Running, Succeeded, Failed or Lost."""
    node: str = ""
    """The node that it ran on."""
    profile: str = ""
    """The resource shape that it ran in."""
    reason: str = ""
    """Why it ended or what it waits for, in one word."""
    message: str = ""
    """The same for people."""
    exit_code: int | None = None
    """Exit code of the trial's container."""
    start_time: datetime.datetime | None = None
    """When the trial's container started."""
    completion_time: datetime.datetime | None = None
    """When it ended."""


class MetricSummary(base.Model):
    """A metric's curve in short."""

    metric: str
    """Name of the metric."""
    count: int
    """How many finite values were reported."""
    first: float | None = None
    """The first value."""
    last: float | None = None
    """The last value."""
    min: float | None = None
    """The smallest value."""
    max: float | None = None
    """The largest value."""
    mean: float | None = None
    """The mean of the values."""
    not_finite: int = 0
    """How many values were NaN or infinite."""
    last_step: float | None = None
    """The step of the last value."""
    diverged: bool = False
    """Whether the newest value was NaN or infinite."""
    steps: Annotated[list[float], pydantic.Field(max_length=64)] | None = None
    """For an objective: the steps of its curve, thinned to a few dozen points from the first to the last."""
    values: Annotated[list[float], pydantic.Field(max_length=64)] | None = None
    """The values at those steps."""


class Rung(base.Model):
    """A trial's arrival at a rung of the stopping rule, kept so that nothing is decided twice."""

    step: float
    """The rung's step."""
    value: float | None = None
    """What counted there; missing for a trial that has diverged."""
    bracket: int = 0
    """The bracket that the trial competes in."""


class ConstraintOutcome(base.Model):
    """How a trial stands to an outcome constraint."""

    constraint: str
    """The constraint, as the job has it."""
    violation: float
    """By how much it is broken, in its own unit; 0 or less where it is met."""


class TrialStatus(base.Model):
    """What became of the trial so far."""

    phase: TrialPhase = TrialPhase.PENDING
    """Pending, Running, Succeeded, Failed or Stopped."""
    reason: str = ""
    """Why, in one word."""
    message: str = ""
    """The same for people."""
    attempts: Annotated[list[AttemptStatus], pydantic.Field(max_length=16)] = []
    """The latest attempts, oldest first."""
    losses: int = 0
    """How many attempts were lost through no fault of the trial; compared with retries."""
    metrics: Annotated[list[MetricSummary], pydantic.Field(max_length=64)] = []
    """The curves in short."""
    values: dict[str, float] = {}
    """The objective values, by metric. Those of a stopped trial are the values when it was stopped."""
    rungs: Annotated[list[Rung], pydantic.Field(max_length=64)] = []
    """The rungs of the stopping rule that it has come to; if it was stopped at one, that is the last."""
    measured: dict[str, float] = {}
    """What the trial took: duration in seconds, cost, and where it is known peakMemory in bytes."""
    constraints: Annotated[list[ConstraintOutcome], pydantic.Field(max_length=16)] = []
    """How the trial stands to each outcome constraint of the job."""
    waiting_since: datetime.datetime | None = None
    """Since when it waits for what `reason` says."""
    start_time: datetime.datetime | None = None
    """When the trial's container first started."""
    completion_time: datetime.datetime | None = None
    """When the trial ended."""

    @property
    def profile(self) -> str:
        """The resource shape of the newest attempt."""
        return self.attempts[-1].profile if self.attempts else ""
