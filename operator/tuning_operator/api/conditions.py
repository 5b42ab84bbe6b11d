"""What the status of a job is made of: conditions, as all Kubernetes objects have them, counts, and trials."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

import pydantic

from tuning_operator.api import base


class Condition(base.Model):
    """A condition, as all Kubernetes objects have them."""

    type: Annotated[str, pydantic.Field(max_length=316)]
    """Complete, Failed, Suspended or WaitingForResources."""
    status: Literal["True", "False", "Unknown"]
    """True, False or Unknown."""
    reason: Annotated[str, pydantic.Field(max_length=1024)]
    """One word for programs."""
    message: Annotated[str, pydantic.Field(max_length=32768)] = ""
    """The same for people."""
    last_transition_time: datetime.datetime
    """When the status last changed."""
    observed_generation: int = 0
    """The generation of the spec that this was derived from."""


class TrialCounts(base.Model):
    """How many trials there are, by phase."""

    total: int = 0
    """All trials so far."""
    pending: int = 0
    """Trials whose Pod does not run yet."""
    running: int = 0
    """Trials whose Pod runs."""
    succeeded: int = 0
    """Trials that ended with an objective value."""
    failed: int = 0
    """Trials that ended without one."""
    stopped: int = 0
    """Trials that were ended before they were done."""


class BestTrial(base.Model):
    """A trial worth knowing."""

    trial: str
    """Name of the TuningTrial."""
    values: dict[str, float]
    """Its objective values, by metric; with trial.repeats the means."""
    errors: dict[str, float] | None = None
    """With trial.repeats: the standard errors of the means."""
    repeats: int | None = None
    """With trial.repeats: of how many trials, beginning with this one."""
    parameters: dict[str, int | float | str]
    """Its configuration."""
