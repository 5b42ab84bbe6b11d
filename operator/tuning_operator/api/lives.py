"""How trials end early and go on later: the parts of a job that say so."""

from __future__ import annotations

from typing import Annotated

import pydantic

from tuning_operator.api import base


class EarlyStopping(base.Model):
    """A rule that ends hopeless trials before they are done."""

    algorithm: Annotated[str, pydantic.Field(min_length=1, max_length=63)]
    """Name of the stopping rule: asha, hyperband, bohb, median (or, as in Katib, medianstop), patience, threshold or none."""
    metric: Annotated[str, pydantic.Field(min_length=1, max_length=128)] | None = None
    """The objective that trials are judged by; the first one if left out. Trials report it step by step."""
    max_steps: Annotated[float, pydantic.Field(gt=0)] | None = None
    """The step at which a trial is done. The trial finds it in TUNING_MAX_STEPS. hyperband and bohb need it."""
    settings: dict[str, bool | int | float | str] = {}
    """Settings of the rule, by name, such as {reduction_factor: 3, grace_steps: 1} for asha."""


class Checkpoints(base.Model):
    """Where trials keep what they need to go on from where they were."""

    claim: Annotated[str, pydantic.Field(min_length=1, max_length=253)] | None = None
    """On a cluster: the PersistentVolumeClaim, of the job's namespace, in which each trial has a folder of its own. Trials on several nodes need one that several nodes may write to."""
    path: Annotated[str, pydantic.Field(min_length=1, max_length=1024)] | None = None
    """On one machine: the folder in which each trial has a folder of its own; the job's own folder if left out."""
    keep: Annotated[int, pydantic.Field(ge=0, le=1000)] = 1
    """Of how many trials, the best ones, the checkpoints are kept when they have ended. Those of others are removed when a trial starts, and those of trials that have not ended stay."""
