"""What a job takes over from earlier ones (`search.warmStartFrom`), once and for all when it begins.

It is stored in the job's status, as values and not as a reference: the suggestions of a job must not depend on whether
other jobs are still there. So it is bounded, and where there is more, what is taken represents all of it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence

from tuning_operator.api import errors, job, trial
from tuning_operator.search import space as spaces
from tuning_operator.search import suggest
from tuning_operator.search.dimension import Configuration, Dimension, Scalar, Stepped
from tuning_operator.tuner import outcomes, repeats, results, standing, state
from tuning_trial import summary

MOST, MOST_BYTES = 100, 64 * 1024
"""How many results are taken at most, and how many bytes: they are in every write of the job's status."""


@dataclasses.dataclass(frozen=True)
class Found:
    """A configuration of this job's space, and what earlier jobs made of it."""

    lesson: job.Lesson
    cost: float
    """Its first objective, signed so that smaller is better."""


def problems(name: str, spec: job.JobSpec) -> Iterator[errors.Problem]:
    """References that can never be followed."""
    for index, reference in enumerate(spec.search.warm_start_from):
        if reference.name == name:
            field = f"spec.search.warmStartFrom[{index}].name"
            yield errors.Problem(field, "a job cannot learn from itself", "name another job, or remove it")


def due(snapshot: state.Snapshot) -> bool:
    """Whether the job has yet to take over what earlier jobs have found."""
    return bool(snapshot.job.spec.search.warm_start_from) and snapshot.job.status.warm_start is None


def missing(snapshot: state.Snapshot) -> list[str]:
    """The jobs that it waits for because they do not exist."""
    if not due(snapshot):
        return []
    known = {source.name for source in snapshot.sources}
    return [one.name for one in snapshot.job.spec.search.warm_start_from if one.name not in known]


def take(spec: job.JobSpec, sources: Sequence[state.Source]) -> job.WarmStart:
    """What is to be remembered of the results of other jobs.

    Parameters that a job did not have are at the middle of their range (a categorical one at its first value); trials
    outside of the ranges, in breach of the constraints or without a value of every objective are left out.
    """
    space = spaces.Space.from_spec(spec)
    found: dict[spaces.Key, list[Found]] = {}
    counts: list[job.WarmStartSource] = []
    for source in sources:
        ended = [item for item in source.trials if item.status.phase is trial.TrialPhase.SUCCEEDED]
        told = [(item, one) for item in ended if (one := _told(spec, space, item)) is not None]
        for _, one in told:
            found.setdefault(space.key(one.lesson.parameters), []).append(one)
        count = len(source.trials)
        counts.append(
            job.WarmStartSource(name=source.name, uid=source.uid, usable=len(told), unusable=count - len(told))
        )
    lessons = _bounded([_mean(group) for group in found.values()])
    wire = json.dumps([lesson.to_wire() for lesson in lessons], sort_keys=True)
    digest = hashlib.sha256(wire.encode()).hexdigest()[:16]
    return job.WarmStart(sources=counts, digest=digest, results=lessons)


def told(owner: state.Job) -> tuple[suggest.Result, ...]:
    """What was taken over, as results with numbers below 0."""
    start = owner.status.warm_start
    names = [objective.metric for objective in owner.spec.objectives]
    return tuple(
        suggest.Result(
            number=-1 - index,
            configuration=one.parameters,
            outcome=suggest.Outcome.SUCCEEDED,
            values=tuple(one.values[name] for name in names),
            violations=tuple(one.violations),
        )
        for index, one in enumerate(start.results if start else ())
    )


def sentence(start: job.WarmStart) -> str:
    """What was taken, for people."""
    parts = [f"{one.usable} of {one.usable + one.unusable} trials of {one.name}" for one in start.sources]
    return f"learns from {', '.join(parts)}: {len(start.results)} results are kept in status.warmStart"


def convert(space: spaces.Space, raw: Mapping[str, Scalar]) -> Configuration | None:
    """Another job's configuration as one of this space; None where it has no place there."""
    chosen: dict[str, Scalar] = {}
    for slot in space.slots:
        if not slot.active(chosen):
            continue
        value = _nearest(slot.dimension, raw[slot.name]) if slot.name in raw else slot.dimension.at(_default(slot))
        if value is None:
            return None
        chosen[slot.name] = value
    return space.coerce(chosen) if space.contains(chosen) else None


def _default(slot: spaces.Slot) -> float:
    return 0.5 if slot.dimension.count is None or isinstance(slot.dimension, Stepped) else 0.0


def _nearest(dimension: Dimension, value: Scalar) -> Scalar | None:
    """The value itself, or in between two steps the nearer one; None outside of the range."""
    own = dimension.coerce(value)
    if own is not None or not isinstance(dimension, Stepped) or isinstance(value, str):
        return own
    inside = dimension.nth(0) <= value <= dimension.nth(dimension.count - 1)
    return dimension.at(dimension.unit(value)) if inside else None


def _told(spec: job.JobSpec, space: spaces.Space, item: state.Trial) -> Found | None:
    """What a trial of another job says about this one's space and objectives; None where it says nothing."""
    configuration = convert(space, item.spec.parameters)
    if configuration is None:
        return None
    status = item.status
    fields = set(summary.Metric.__dataclass_fields__)
    curves = {one.metric: summary.Metric(**one.model_dump(include=fields)) for one in status.metrics}
    observed = summary.Summary(metrics=curves)
    values = results.evaluate(spec.objectives, observed, status.measured)
    if isinstance(values, results.Missing):
        if any(objective.metric not in status.values for objective in spec.objectives):
            return None
        values = {objective.metric: status.values[objective.metric] for objective in spec.objectives}
    judged = outcomes.judge(spec.outcome_constraints, values, status.measured, observed)
    if isinstance(judged, results.Missing):
        return None
    violations = [outcome.violation for outcome in judged]
    lesson = job.Lesson(parameters=dict(configuration), values=values, violations=violations)
    first = spec.objectives[0]
    return Found(lesson, standing.cost(first, values[first.metric]))


def _mean(group: Sequence[Found]) -> Found:
    """Several trials of one configuration as one result."""
    lessons = [one.lesson for one in group]
    columns = zip(*(lesson.violations for lesson in lessons), strict=True)
    mean = job.Lesson(
        parameters=lessons[0].parameters,
        values=repeats.means([lesson.values for lesson in lessons]),
        violations=[sum(part / len(group) for part in column) for column in columns],
    )
    return Found(mean, sum(one.cost / len(group) for one in group))


def _bounded(found: Sequence[Found]) -> list[job.Lesson]:
    """The better half of what there is room for, and the rest of the room spread over all others."""
    ranked = [one.lesson for one in sorted(found, key=lambda one: one.cost)]
    largest = max((len(json.dumps(lesson.to_wire())) for lesson in ranked), default=1)
    room = min(MOST, MOST_BYTES // largest)
    if len(ranked) <= room:
        return ranked
    best = room - room // 2
    others, left = ranked[best:], room - best
    return ranked[:best] + [others[(2 * index + 1) * len(others) // (2 * left)] for index in range(left)]
