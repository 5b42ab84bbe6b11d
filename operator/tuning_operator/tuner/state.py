"""What the tuner looks at: one job at one moment, as immutable data.

A snapshot holds what was recorded (the objects' spec and status) beside what was observed (the Pods or processes).
Decisions compare the two. They never depend on having seen a transition, so an operator that was away for an hour
decides what one that never left would have decided.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, overload

from tuning_operator.api import errors, job, trial
from tuning_operator.api.job import Insight
from tuning_operator.scheduling import cluster
from tuning_operator.search import suggest
from tuning_operator.stopping import curve
from tuning_trial import summary

A = TypeVar("A")

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


class Past:
    """Trials of one job that are over for good: nothing is left to be done about them, or to be seen of them.

    There may be ten thousand of them and each may be looked at again and again, so what is derived from them is carried
    on from where it was: `fold`. Trials are only ever added.
    """

    def __init__(self, trials: Iterable[Trial] = ()) -> None:
        self._trials = list(trials)
        self._folds: dict[str, tuple[int, Any]] = {}

    def add(self, item: Trial) -> None:
        """One more is over."""
        self._trials.append(item)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._trials)

    def __len__(self) -> int:
        return len(self._trials)

    def fold(self, name: str, start: Callable[[], A], step: Callable[[A, Trial], A]) -> A:
        """`step` over all of them, in the order in which they were added; each is stepped over once.

        The name stands for `start` and `step`, which must give the same for the same job.
        """
        done, value = self._folds.get(name) or (0, start())
        for item in self._trials[done:]:
            value = step(value, item)
        self._folds[name] = len(self._trials), value
        return value


class Trials(Sequence[Trial]):
    """A job's trials in order of number: those that are over for good, and those that are not."""

    def __init__(self, past: Past, live: Iterable[Trial]) -> None:
        self.past = past
        self.live = tuple(live)
        """In order of number; among them those that have ended, but not for good."""

    @functools.cached_property
    def _all(self) -> tuple[Trial, ...]:
        return tuple(sorted((*self.past, *self.live), key=lambda item: item.number))

    @overload
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Trial, ...]: ...
    def __getitem__(self, index: int | slice) -> Trial | tuple[Trial, ...]:
        return self._all[index]

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self.past) + len(self.live)

    @property
    def newest(self) -> Trial | None:
        """The one with the highest number."""
        last = self.past.fold("newest", _nobody, _newer)
        return _newer(last, self.live[-1]) if self.live else last

    def fold(self, name: str, start: Callable[[], A], step: Callable[[A, Trial], A]) -> A:
        """`step` over all of them, the past ones first and in no order. It must not change its first argument."""
        return functools.reduce(step, self.live, self.past.fold(name, start, step))


def sort_out(trials: Sequence[Trial]) -> Trials:
    """The same trials; where nobody has told which of them are over for good, none is."""
    return trials if isinstance(trials, Trials) else Trials(Past(), trials)


def _nobody() -> Trial | None:
    return None


def _newer(before: Trial | None, item: Trial) -> Trial:
    return item if before is None or item.number > before.number else before


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
    trials: Sequence[Trial]
    now: datetime.datetime
    proposals: Mapping[int, Proposal] = dataclasses.field(default_factory=dict)
    exhausted_at: int | None = None
    problems: tuple[errors.Problem, ...] = ()
    obstacle: Obstacle | None = None
    trouble: str = ""
    offer: Offer | None = None
    """None where nobody counts what there is room for: everything may start."""
    status_written: datetime.datetime | None = None
    insight: Insight | None = None
    """What the latest study has found; None before there was one."""
    sources: tuple[Source, ...] = ()
    """The jobs to learn from that exist, as long as nothing has been taken over from them."""

    @property
    def made(self) -> int:
        """How many trials the job has made, which is the next one's number; those that a user deleted are among them."""
        newest = self.known.newest
        return newest.number + 1 if newest else 0

    @property
    def known(self) -> Trials:
        """The trials, those that are over for good told from the others as far as the caller did."""
        return sort_out(self.trials)
