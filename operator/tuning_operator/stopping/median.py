"""The median rule: a trial ends whose best value is worse than what half of the others had on average by the same step.

Golovin et al., Google Vizier: A Service for Black-Box Optimization, KDD 2017, section 3.2.2.
"""

from __future__ import annotations

import dataclasses
import math
import statistics

import pydantic

from tuning_operator.stopping import case


class Settings(pydantic.BaseModel, frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True):
    """Settings of median, under the names that Katib's medianstop has for them."""

    min_trials_required: int = pydantic.Field(default=3, ge=1)
    """How many trials must have ended before any is stopped."""
    start_step: float = pydantic.Field(default=4.0, ge=0)
    """No trial is stopped before this step."""


@dataclasses.dataclass(frozen=True)
class Median:
    """Compares with all trials that have ended and came as far."""

    settings: type[Settings] = Settings
    bounded: bool = False

    def judge(self, about: case.Case) -> case.Verdict:
        """Whether the trial's best value so far is worse than the median of the others' running averages."""
        settings = about.settings
        assert isinstance(settings, Settings)
        step = about.trial.curve.reached
        if step < settings.start_step or not step:
            return case.GO_ON
        averages = [case.mean(curve, step) for curve in about.record.finished() if curve.reached >= step]
        if len(averages) < settings.min_trials_required:
            return case.GO_ON
        loss, bound = case.best(about.trial.curve, step), statistics.median(averages)
        if about.trial.curve.diverged_at is not None:
            loss = math.inf
        if loss <= bound:
            return case.GO_ON
        why = f"worse than the median of the averages of {len(averages)} finished trials by that step"
        return case.Verdict(stop=case.Stop(step, loss, bound, why))
