"""Rules that look at one trial alone: a bound that it has to keep, and patience with one that no longer improves.

Prechelt, Early Stopping - But When?, in Neural Networks: Tricks of the Trade, 1998 (patience).
"""

from __future__ import annotations

import dataclasses
import math

import pydantic

from tuning_operator.stopping import case


class Never(pydantic.BaseModel, frozen=True, extra="forbid", strict=True):
    """The rule none has no settings."""


class Patience(pydantic.BaseModel, frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True):
    """Settings of patience."""

    patience_steps: float = pydantic.Field(default=10.0, gt=0)
    """A trial is stopped when this many steps have brought nothing better."""
    min_delta: float = pydantic.Field(default=0.0, ge=0)
    """By how much a value has to be better to count."""
    start_step: float = pydantic.Field(default=0.0, ge=0)
    """No trial is stopped before this step."""


class Threshold(pydantic.BaseModel, frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True):
    """Settings of threshold."""

    bound: float
    """A trial is stopped when its metric is worse than this."""
    start_step: float = pydantic.Field(default=1.0, ge=0)
    """No trial is stopped before this step."""


@dataclasses.dataclass(frozen=True)
class Unstopped:
    """Every trial runs to its end."""

    settings: type[pydantic.BaseModel] = Never
    bounded: bool = False

    def judge(self, _: case.Case) -> case.Verdict:
        """Always to go on."""
        return case.GO_ON


@dataclasses.dataclass(frozen=True)
class Patient:
    """A trial that has not improved for long will not improve."""

    settings: type[pydantic.BaseModel] = Patience
    bounded: bool = False

    def judge(self, about: case.Case) -> case.Verdict:
        """Whether the trial's last improvement is too long ago."""
        settings, curve = about.settings, about.trial.curve
        assert isinstance(settings, Patience)
        if curve.reached < settings.start_step:
            return case.GO_ON
        best, since = math.inf, curve.steps[0] if curve.steps else curve.reached
        for step, loss in curve:
            if loss < best - settings.min_delta:
                best, since = loss, step
        if curve.reached - since < settings.patience_steps:
            return case.GO_ON
        why = f"no better since step {since:g}"
        return case.Verdict(stop=case.Stop(curve.reached, case.best(curve, curve.reached), best, why))


@dataclasses.dataclass(frozen=True)
class Bounded:
    """A trial that is worse than a given bound is of no use."""

    settings: type[pydantic.BaseModel] = Threshold
    bounded: bool = False

    def judge(self, about: case.Case) -> case.Verdict:
        """Whether the trial's value is worse than the bound."""
        settings, curve = about.settings, about.trial.curve
        assert isinstance(settings, Threshold)
        if curve.reached < settings.start_step or not (len(curve) or curve.diverged_at is not None):
            return case.GO_ON
        loss, bound = case.value(curve, curve.reached, about.counts), about.sign * settings.bound
        if loss <= bound:
            return case.GO_ON
        return case.Verdict(stop=case.Stop(curve.reached, loss, bound, "worse than the threshold"))
