"""Asynchronous successive halving, by stopping: at each rung only the best part of those that came there goes on.

Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020 (ASHA); that a trial is stopped at a rung
instead of paused and perhaps promoted later is Klein et al., Model-based Asynchronous Hyperparameter and Neural
Architecture Search, 2020. Rungs and brackets are those of Li et al., Hyperband, JMLR 18 (2018).
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence

import pydantic

from tuning_operator.stopping import case

GOLDEN = (math.sqrt(5) - 1) / 2
"""Multiples of it modulo 1 fill the unit interval evenly (Weyl), so that brackets fill in proportion from the start."""

EPSILON = 1e-9
"""Room for rounding in logarithms."""


class Settings(pydantic.BaseModel, frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True):
    """Settings of asha."""

    reduction_factor: float = pydantic.Field(default=3.0, ge=2, le=100)
    """One in this many trials goes on from a rung, and the next rung is at this many times its step."""
    grace_steps: float = pydantic.Field(default=1.0, gt=0)
    """The step of the first rung: no trial is stopped before it."""


class Brackets(Settings):
    """Settings of hyperband and bohb."""

    brackets: int = pydantic.Field(default=0, ge=0, le=20)
    """How many brackets there are, each of which begins a rung later than the one before; 0 for as many as fit."""


@dataclasses.dataclass(frozen=True)
class Asha:
    """One bracket: all trials compete at all rungs."""

    settings: type[Settings] = Settings
    bounded: bool = False

    def judge(self, about: case.Case) -> case.Verdict:
        """Whether the trial is among the best of each rung that it has come to."""
        settings = about.settings
        assert isinstance(settings, Settings)
        return climb(about, settings, 0)


@dataclasses.dataclass(frozen=True)
class Hyperband:
    """Several brackets, in case that early values mislead: the later a bracket's first rung, the fewer are stopped."""

    settings: type[Settings] = Brackets
    bounded: bool = True

    def judge(self, about: case.Case) -> case.Verdict:
        """Whether the trial is among the best of its bracket at each rung that it has come to."""
        settings = about.settings
        assert isinstance(settings, Brackets)
        assert about.max_steps is not None
        return climb(about, settings, bracket(about.trial.number, sizes(settings, about.max_steps)))


def climb(about: case.Case, settings: Settings, group: int) -> case.Verdict:
    """Enters the trial at the rungs that it has come to since the last time, until one of them is its end."""
    curve = about.trial.curve
    passed = max((entry.rung for entry in about.trial.entries), default=0.0)
    entries: list[case.Entry] = []
    for rung in rungs(settings, group, about.max_steps, curve.reached):
        if rung <= passed:
            continue
        step = case.arrived(curve, rung)
        if step is None:
            break
        entry = case.Entry(rung, case.value(curve, step, about.counts), group)
        entries.append(entry)
        before = about.record.losses(rung, group)
        bound = cutoff([*before, entry.loss], settings.reduction_factor)
        if entry.loss > bound or (entry.loss == math.inf and before):
            why = f"not among the best 1/{settings.reduction_factor:g} of {len(before) + 1} trials at that step"
            return case.Verdict(tuple(entries), case.Stop(step, entry.loss, bound, why))
    return case.Verdict(tuple(entries))


def cutoff(losses: Sequence[float], reduction_factor: float) -> float:
    """The loss up to which trials go on: the quantile 1/reduction_factor, linearly interpolated.

    Infinite where there are fewer losses than `reduction_factor`: then even the best part is less than one trial.
    """
    if len(losses) < reduction_factor:
        return math.inf
    ordered = sorted(losses)
    position = (len(ordered) - 1) / reduction_factor
    low = math.floor(position)
    share = position - low
    if share == 0 or ordered[low] == ordered[low + 1]:
        return ordered[low]
    return ordered[low] + share * (ordered[low + 1] - ordered[low])


def rungs(settings: Settings, group: int, max_steps: float | None, reached: float) -> Iterator[float]:
    """The steps of a bracket's rungs, up to the one that was reached; at `max_steps` a trial is done anyway."""
    rung = settings.grace_steps * settings.reduction_factor**group
    while rung <= reached * (1 + EPSILON) and (max_steps is None or rung < max_steps * (1 - EPSILON)):
        yield rung
        rung *= settings.reduction_factor


@functools.lru_cache
def sizes(settings: Brackets, max_steps: float) -> tuple[int, ...]:
    """How many trials of one round each bracket takes (Hyperband, table 1): 81, 27, 9, 6 and 5 for 81 steps and 3."""
    fit = 1 + math.floor(math.log(max(1.0, max_steps / settings.grace_steps), settings.reduction_factor) + EPSILON)
    count = min(settings.brackets or fit, fit)
    return tuple(
        max(1, fit // (fit - index)) * math.floor(settings.reduction_factor ** (fit - 1 - index) + EPSILON)
        for index in range(count)
    )


def bracket(number: int, shares: Sequence[int]) -> int:
    """The bracket of a trial, by its number: in any stretch of trials each bracket has its share."""
    place = (number + 0.5) * GOLDEN % 1.0 * sum(shares)
    for index, share in enumerate(shares):
        place -= share
        if place < 0:
            return index
    return len(shares) - 1
