"""One job as people look at it: flat rows and plain numbers, from which every chart is drawn.

The cluster, a local folder and a file all give the tuner's own snapshot of a job; this module turns it into a view,
so that no chart knows where its job comes from.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
from collections.abc import Mapping, Sequence

from tuning_operator.api import job, trial
from tuning_operator.api.base import Scalar
from tuning_operator.stopping import curve
from tuning_operator.tuner import results, state

RECORDED = "Each parameter's share in how the objective varies, as the job's own random forest has learnt it."
MAX_POINTS = 160
"""Points of a learning curve that are drawn; no more fit on a screen."""


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """An attempt in time: seconds since the job's start."""

    phase: trial.AttemptPhase
    start: float
    end: float
    node: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One trial. Times are seconds since the job's start; `rank` counts from 0 for the best, None without a value."""

    number: int
    name: str
    phase: trial.TrialPhase
    reason: str
    message: str
    parameters: Mapping[str, Scalar]
    values: Mapping[str, float]
    profile: str
    origin: str
    created: float
    start: float | None
    end: float | None
    spans: tuple[Span, ...]
    metrics: tuple[trial.MetricSummary, ...]
    curves: Mapping[str, curve.Curve]
    rank: int | None = None

    @property
    def ran(self) -> float:
        """Seconds that its attempts have run, all together."""
        return sum(span.end - span.start for span in self.spans)

    @property
    def finished(self) -> bool:
        """Whether it will not run any more."""
        return self.phase.is_finished()


@dataclasses.dataclass(frozen=True)
class View:
    """A job and its trials at one moment. `elapsed` is in seconds, from the job's start to its end or to now."""

    name: str
    namespace: str
    spec: job.JobSpec
    status: job.JobStatus
    rows: tuple[Row, ...]
    now: datetime.datetime
    start: datetime.datetime
    elapsed: float
    importance: Mapping[str, float]
    importance_note: str

    @property
    def objective(self) -> job.Objective:
        """The first objective, which most charts are about."""
        return self.spec.objectives[0]

    @property
    def metric(self) -> str:
        """The first objective's metric."""
        return self.objective.metric

    @property
    def direction(self) -> int:
        """1 where more is better, -1 where less is."""
        return 1 if self.objective.goal is job.Goal.MAXIMIZE else -1

    @functools.cached_property
    def by_number(self) -> Mapping[int, Row]:
        """The rows by the trial's number."""
        return {row.number: row for row in self.rows}

    @functools.cached_property
    def ranked(self) -> tuple[Row, ...]:
        """The trials with a value of the first objective, the best one first."""
        return tuple(sorted((row for row in self.rows if row.rank is not None), key=lambda row: row.rank or 0))

    @functools.cached_property
    def best(self) -> Row | None:
        """The best trial, as the job's status names it; else the one with the best value."""
        named = self.status.best.trial if self.status.best else ""
        known = next((row for row in self.rows if row.name == named), None)
        return known or (self.ranked[0] if self.ranked else None)

    @functools.cached_property
    def front(self) -> tuple[Row, ...]:
        """With several objectives: the trials that no other one beats in all of them."""
        if len(self.spec.objectives) < 2:
            return ()
        named = {one.trial for one in self.status.pareto_front}
        if named:
            return tuple(row for row in self.rows if row.name in named)
        return pareto(self.rows, self.spec.objectives)

    def objective_value(self, row: Row) -> float | None:
        """A trial's value of the first objective."""
        return row.values.get(self.metric)


def of(
    snapshot: state.Snapshot,
    *,
    namespace: str = "",
    created: Mapping[int, datetime.datetime] | None = None,
    importance: Mapping[str, float] | None = None,
    importance_note: str = "",
) -> View:
    """The view of a snapshot. `created` tells when trials were made, where somebody knows; by number."""
    status = snapshot.job.status
    made = created or {}
    start = status.start_time or min(
        (_first(item, made) or snapshot.now for item in snapshot.trials), default=snapshot.now
    )
    end = status.completion_time or snapshot.now
    ranks = _ranks(snapshot)
    rows = tuple(_row(item, start, end, made.get(item.number), ranks.get(item.number)) for item in snapshot.trials)
    insight = status.insight.importance if status.insight else {}
    found = importance if importance is not None else insight
    return View(
        name=snapshot.job.name,
        namespace=namespace,
        spec=snapshot.job.spec,
        status=status,
        rows=rows,
        now=snapshot.now,
        start=start,
        elapsed=max(0.0, (end - start).total_seconds()),
        importance=dict(sorted(found.items(), key=lambda item: -item[1])),
        importance_note=importance_note or RECORDED,
    )


def pareto(rows: Sequence[Row], objectives: Sequence[job.Objective]) -> tuple[Row, ...]:
    """The rows that no other row beats in all objectives, in order of the first one."""
    signs = [1.0 if one.goal is job.Goal.MAXIMIZE else -1.0 for one in objectives]
    points = [
        (tuple(sign * row.values[one.metric] for sign, one in zip(signs, objectives, strict=True)), row)
        for row in rows
        if all(one.metric in row.values for one in objectives)
    ]
    points.sort(key=lambda point: point[0], reverse=True)
    front: list[tuple[tuple[float, ...], Row]] = []
    for point, row in points:
        # Whoever beats this one stands before it in the order, and so is in the front or beaten by the front.
        if not any(point != other and all(a >= b for a, b in zip(other, point, strict=True)) for other, _ in front):
            front.append((point, row))
    return tuple(row for _, row in front)


def thin(whole: curve.Curve, points: int = MAX_POINTS) -> curve.Curve:
    """At most so many points of a curve, with both ends."""
    size = len(whole)
    if size <= points:
        return whole
    kept = [round(index * (size - 1) / (points - 1)) for index in range(points)]
    return curve.Curve(tuple(whole.steps[i] for i in kept), tuple(whole.values[i] for i in kept), whole.diverged_at)


def _ranks(snapshot: state.Snapshot) -> dict[int, int]:
    objective = snapshot.job.spec.objectives[0]
    sign = -1.0 if objective.goal is job.Goal.MAXIMIZE else 1.0
    valued = [item for item in snapshot.trials if objective.metric in item.status.values]
    valued.sort(key=lambda item: (sign * item.status.values[objective.metric], item.number))
    return {item.number: rank for rank, item in enumerate(valued)}


def _row(
    item: state.Trial,
    start: datetime.datetime,
    end: datetime.datetime,
    created: datetime.datetime | None,
    rank: int | None,
) -> Row:
    status = item.status
    observed = item.attempt
    began = status.start_time or (observed.started if observed else None)
    last = status.completion_time or end
    spans = tuple(_spans(item, start, last))
    first = created or status.waiting_since or began or last
    summaries = tuple(status.metrics) or tuple(results.curves(observed.summary if observed else None))
    return Row(
        number=item.number,
        name=item.name,
        phase=status.phase,
        reason=status.reason,
        message=status.message,
        parameters=item.spec.parameters,
        values=status.values,
        profile=status.profile,
        origin=str(item.spec.origin),
        created=_seconds(first, start),
        start=_seconds(began, start) if began else None,
        end=_seconds(status.completion_time, start) if status.completion_time else None,
        spans=spans,
        metrics=summaries,
        curves=item.curves,
        rank=rank,
    )


def _spans(item: state.Trial, start: datetime.datetime, last: datetime.datetime) -> list[Span]:
    """The attempts that have run. Older ones than the status keeps are not known any more."""
    spans = []
    for one in item.status.attempts:
        if one.start_time is None:
            continue
        until = max(one.start_time, one.completion_time or last)
        spans.append(Span(one.phase, _seconds(one.start_time, start), _seconds(until, start), one.node, one.reason))
    begun = item.status.start_time
    if not spans and begun is not None:
        phase = trial.AttemptPhase.SUCCEEDED if item.is_finished() else trial.AttemptPhase.RUNNING
        spans.append(Span(phase, _seconds(begun, start), _seconds(max(begun, last), start), "", ""))
    return spans


def _first(item: state.Trial, created: Mapping[int, datetime.datetime]) -> datetime.datetime | None:
    return created.get(item.number) or item.status.start_time


def _seconds(moment: datetime.datetime, start: datetime.datetime) -> float:
    return max(0.0, (moment - start).total_seconds())
