"""What a suggestion is a function of, and what it says: the search layer's data, immutable and picklable.

They are plain values so that they can be sent to a worker process, stored, and replayed later: the same request gives
the same suggestion on any machine of the same kind.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import random
from collections.abc import Mapping

from tuning_operator.api import job, trial
from tuning_operator.search.dimension import Configuration
from tuning_operator.search.space import Key, Space


class Outcome(enum.StrEnum):
    """How a trial ended."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    STOPPED = "Stopped"


@dataclasses.dataclass(frozen=True)
class Result:
    """A trial that has ended. `values` are in the objectives' order, and empty where the trial has none.

    Numbers below 0 are those of trials of earlier jobs, from which this one may learn.
    """

    number: int
    configuration: Configuration
    outcome: Outcome
    values: tuple[float, ...] = ()
    errors: tuple[float, ...] = ()
    """The standard error of each value where it is known, which it is of repeated trials."""
    violations: tuple[float, ...] = ()
    """By how much the values break each outcome constraint, in the constraint's own unit; 0 or less where they meet it."""

    @property
    def feasible(self) -> bool:
        """Whether all outcome constraints are met."""
        return all(violation <= 0 for violation in self.violations)

    @property
    def censored(self) -> bool:
        """Whether the trial was stopped: its values are what it had reached by then."""
        return self.outcome is Outcome.STOPPED


@dataclasses.dataclass(frozen=True)
class Pending:
    """A trial whose result is not known yet."""

    number: int
    configuration: Configuration


@dataclasses.dataclass(frozen=True)
class Request:
    """Everything that trial `number`'s configuration depends on. The order of results and pending trials does not matter."""

    space: Space
    goals: tuple[job.Goal, ...]
    algorithm: str
    settings: Mapping[str, bool | int | float | str]
    seed: int
    number: int
    results: tuple[Result, ...] = ()
    pending: tuple[Pending, ...] = ()
    start_from: tuple[Configuration, ...] = ()
    repeat: int = 0
    """Which of the configuration's trials this is, from 0; then `number` counts configurations."""
    again: Configuration | None = None
    """The configuration that is to be repeated, where it has been stored."""

    @functools.cached_property
    def used(self) -> frozenset[Key]:
        """The keys of all configurations that this job has proposed; those of earlier jobs may be tried again."""
        known: tuple[Result | Pending, ...] = (*self.results, *self.pending)
        return frozenset(self.space.key(one.configuration) for one in known if one.number >= 0)

    def rng(self, purpose: str) -> random.Random:
        """Random numbers for one purpose of this trial, the same on every machine and in every process."""
        return stream(self.seed, self.number, purpose)


@dataclasses.dataclass(frozen=True)
class Suggestion:
    """A configuration to try, and how it came about."""

    configuration: Configuration
    origin: trial.Origin
    algorithm: str = ""
    """The algorithm that chose it, where that is not the one that was asked for."""
    why: str = ""
    """Why that one, for people."""


class Exhausted(Exception):
    """Every configuration of the space has been proposed."""


def stream(*parts: int | str) -> random.Random:
    """Random numbers that depend on `parts` alone."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))
