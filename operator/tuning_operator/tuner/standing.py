"""Which of a job's trials stand out: the best one, the ranking, and with several objectives the Pareto front.

Derived from the trials each time it is asked for, so that the status, the terminal and the end of the job agree.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence

from tuning_operator.api import job
from tuning_operator.search import pareto
from tuning_operator.tuner import outcomes, repeats, state

FRONT_SHOWN, FRONT_BYTES = 50, 128 * 1024
"""How many trials of the front the status shows at most, and how many bytes: it is rewritten with every result, and an
object of 1.5 MB is more than etcd takes. What is shown represents the whole front."""

REFERENCE_TRIALS = 10
"""The worst values of so many trials, the first that had any, are the reference point of the hypervolume."""

MOST_DIMENSIONS = 6
"""Objectives beyond which the hypervolume of a front would take longer than a look at a job may."""


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """A trial with objective values."""

    trial: state.Trial
    values: Mapping[str, float]
    """Its objectives' values; of a configuration that was tried several times the means."""
    costs: pareto.Point
    """The values in the objectives' order, signed so that smaller is better."""
    errors: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """The means' standard errors."""
    repeats: int = 1

    def wire(self) -> job.BestTrial:
        """The trial as the job's status shows it."""
        return job.BestTrial(
            trial=self.trial.name,
            values=dict(self.values),
            errors=dict(self.errors) or None,
            repeats=self.repeats if self.repeats > 1 else None,
            parameters=self.trial.spec.parameters,
        )


def candidates(spec: job.JobSpec, trials: Iterable[state.Trial]) -> list[Candidate]:
    """The trials that have a value of every objective and break no outcome constraint, by number.

    Of a configuration that is tried several times: the first of its trials, once all of them have ended well.
    """
    groups = repeats.grouped(spec, trials).values()
    return [found for group in groups if (found := _candidate(spec, group)) is not None]


def _candidate(spec: job.JobSpec, group: Sequence[state.Trial]) -> Candidate | None:
    rows = [item.status.values for item in group if all(one.metric in item.status.values for one in spec.objectives)]
    if len(rows) != spec.trial.repeats or not outcomes.feasible(spec, [item.status for item in group]):
        return None
    values = repeats.means(rows)
    costs = tuple(cost(one, values[one.metric]) for one in spec.objectives)
    return Candidate(group[0], values, costs, repeats.errors(rows), len(rows))


def contenders(spec: job.JobSpec, trials: state.Trials) -> list[Candidate]:
    """The candidates that may still be the best, or in the front: with one objective the best of those that are over,
    and all that are not.
    """
    if spec.trial.repeats > 1:
        return candidates(spec, trials)
    lone = len(spec.objectives) == 1

    def collect(before: list[Candidate], item: state.Trial) -> list[Candidate]:
        before += candidates(spec, (item,))
        if lone and len(before) > 1:
            before[:] = [min(before, key=_rank)]
        return before

    return [*trials.past.fold("contenders", list[Candidate], collect), *candidates(spec, trials.live)]


def first(spec: job.JobSpec, trials: state.Trials, holds: Callable[[Candidate], bool]) -> Candidate | None:
    """The candidate with the lowest number of those for which something holds, the same thing at each look."""
    if spec.trial.repeats > 1:
        return next(filter(holds, candidates(spec, trials)), None)

    def step(before: Candidate | None, item: state.Trial) -> Candidate | None:
        if before is not None and before.trial.number < item.number:
            return before
        return next(filter(holds, candidates(spec, (item,))), before)

    return trials.fold("first", _nobody, step)


def _nobody() -> Candidate | None:
    return None


def ranked(found: Sequence[Candidate]) -> list[Candidate]:
    """From the best on, the earlier first where several are equal; with several objectives by the first one."""
    return sorted(found, key=_rank)


def front(found: Sequence[Candidate]) -> list[Candidate]:
    """Those that no other one beats in all objectives, by the first objective."""
    return ranked([found[index] for index in _front(tuple(one.costs for one in found))])


def best(found: Sequence[Candidate]) -> Candidate | None:
    """The best one. With several objectives: the one of the front whose worst objective, within the front's range, is best."""
    if not found:
        return None
    if len(found[0].costs) == 1:
        return min(found, key=_rank)
    members = front(found)
    return members[pareto.knee([one.costs for one in members])]


def shown(members: Sequence[Candidate]) -> list[Candidate]:
    """The part of a front that fits into the status."""
    largest = max((len(json.dumps(one.wire().to_wire())) for one in members), default=1)
    most = max(1, min(FRONT_SHOWN, FRONT_BYTES // largest))
    return [members[index] for index in pareto.thin([one.costs for one in members], most)]


def reference(found: Sequence[Candidate]) -> pareto.Point:
    """The worst costs of the first trials: a point that stays, so that the hypervolume only grows once these have ended."""
    first = sorted(found, key=_completion)[:REFERENCE_TRIALS]
    return tuple(map(max, zip(*(one.costs for one in first), strict=True)))


def hypervolume(members: Sequence[Candidate], edge: pareto.Point) -> float | None:
    """How much of the objectives' space, up to the reference, the trials dominate; None for very many objectives."""
    if len(edge) > MOST_DIMENSIONS:
        return None
    return pareto.hypervolume(tuple(one.costs for one in members), edge)


def signed(objectives: Sequence[job.Objective], costs: pareto.Point) -> dict[str, float]:
    """Costs as the objectives' values."""
    return {one.metric: cost(one, value) for one, value in zip(objectives, costs, strict=True)}


def _rank(one: Candidate) -> tuple[pareto.Point, int]:
    return one.costs, one.trial.number


def cost(objective: job.Objective, value: float) -> float:
    """A value signed so that smaller is better, and the other way round."""
    return -value if objective.goal is job.Goal.MAXIMIZE else value


def _completion(one: Candidate) -> tuple[float, int]:
    ended = one.trial.status.completion_time
    return (ended.timestamp() if ended else 0.0, one.trial.number)


@functools.lru_cache(maxsize=16)
def _front(points: tuple[pareto.Point, ...]) -> tuple[int, ...]:
    """Kept, as a job is looked at far more often than a trial of it ends."""
    return tuple(pareto.front(points))
