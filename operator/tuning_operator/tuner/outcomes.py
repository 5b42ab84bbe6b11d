"""What is known of a trial's end beside what it reported: what it took, and whether it meets the outcome constraints."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence

from tuning_operator.api import job, trial
from tuning_operator.search import expressions
from tuning_operator.tuner import results, state
from tuning_trial import summary

INFEASIBLE = "Infeasible"
"""The reason of a trial that has succeeded and breaks an outcome constraint."""


def reported(spec: job.JobSpec) -> tuple[str, ...]:
    """The metrics that trials have to report: those of objectives and outcome constraints that we do not measure."""
    constrained = (sorted(expressions.parse(text).names) for text in spec.outcome_constraints)
    names = [objective.metric for objective in spec.objectives] + [name for group in constrained for name in group]
    return tuple(name for name in dict.fromkeys(names) if name not in set(job.Measure))


def wants(spec: job.JobSpec, measure: job.Measure) -> bool:
    """Whether an objective or an outcome constraint needs that measure."""
    constrained = any(measure in expressions.parse(text).names for text in spec.outcome_constraints)
    return constrained or any(objective.metric == measure for objective in spec.objectives)


def measured(spec: job.JobSpec, attempt: state.Attempt) -> dict[str, float]:
    """What an attempt that ran to its end took, by measure."""
    found: dict[str, float] = {}
    if attempt.started is not None and attempt.ended is not None:
        seconds = max(0.0, round((attempt.ended - attempt.started).total_seconds(), 3))
        price = next((one.cost for one in spec.profiles if attempt.profile in ("", one.name)), 1.0)
        found = {job.Measure.DURATION: seconds, job.Measure.COST: round(seconds * price, 6)}
    told = attempt.summary.metrics.get(job.Measure.PEAK_MEMORY) if attempt.summary else None
    if attempt.peak_memory is not None:
        found[job.Measure.PEAK_MEMORY] = float(attempt.peak_memory)
    elif told is not None and told.max is not None:
        found[job.Measure.PEAK_MEMORY] = told.max
    return found


def judge(
    constraints: Sequence[str],
    values: Mapping[str, float],
    took: Mapping[str, float],
    observed: summary.Summary | None,
) -> list[trial.ConstraintOutcome] | results.Missing:
    """By how much each outcome constraint is broken, given the objectives' values, the measures and what was reported.

    A metric that is no objective counts with its last value.
    """
    outcomes: list[trial.ConstraintOutcome] = []
    for text in constraints:
        expression = expressions.parse(text)
        known: dict[str, int | float | str] = {}
        for name in sorted(expression.names):
            value = took[name] if name in took else values[name] if name in values else results.last(name, observed)
            if isinstance(value, results.Missing):
                return value
            known[name] = value
        violation = expression.violation(known)
        bound = sys.float_info.max
        outcomes.append(trial.ConstraintOutcome(constraint=text, violation=min(max(violation, -bound), bound)))
    return outcomes


def feasible(spec: job.JobSpec, group: Sequence[trial.TrialStatus]) -> bool:
    """Whether the trials of a configuration are known to meet all outcome constraints in the mean.

    Of one that was stopped early nobody knows.
    """
    if any(len(status.constraints) < len(spec.outcome_constraints) for status in group):
        return False
    columns = zip(*(status.constraints for status in group), strict=False)
    return all(math.fsum(outcome.violation / len(group) for outcome in column) <= 0 for column in columns)


def broken(outcomes: Iterable[trial.ConstraintOutcome]) -> str:
    """Which constraints are broken and by how much, for people; empty where none is."""
    return "; ".join(
        f"{outcome.constraint} is missed"
        + (f" by {outcome.violation:.4g}" if 1e-300 < outcome.violation < 1e300 else "")
        for outcome in outcomes
        if outcome.violation > 0 and not math.isnan(outcome.violation)
    )
