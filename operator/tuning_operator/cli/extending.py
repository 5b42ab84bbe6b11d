"""What a change of a job's limits would come to. Pure: the same rules as the operator's."""

from __future__ import annotations

import dataclasses
from typing import Any

from tuning_operator.api import job, rules
from tuning_operator.api.errors import SpecError
from tuning_operator.cli.status import Failure, Status
from tuning_operator.local import result
from tuning_operator.tuner import ending, state


@dataclasses.dataclass(frozen=True, slots=True)
class Wish:
    """How much further a job may go."""

    trials: int | None = None
    """So many trials more."""
    max_trials: int | None = None
    duration: str = ""
    """The new limits.maxDuration."""
    failures: int | None = None
    """The new limits.maxFailedTrials."""
    parallel: int | None = None


FOR_GOOD = {
    "TargetReached": "its target is reached; create a new job with another target",
    "SearchSpaceExhausted": "every configuration has been tried; create a new job with a larger space",
    "InvalidSpec": "its spec cannot be run; mend that first",
}
"""Ends of a job that no limit can lift."""


def limits(snapshot: state.Snapshot, wish: Wish) -> dict[str, Any]:
    """The fields of ``spec.limits`` to change. Raises Failure where the job would not go on with them."""
    current, made = snapshot.job.spec.limits, snapshot.made
    change: dict[str, Any] = {}
    if wish.max_trials is not None:
        change["maxTrials"] = wish.max_trials
    elif wish.trials is not None:
        finished = snapshot.job.status.phase.is_finished()
        start = made if finished or current.max_trials is None else current.max_trials
        change["maxTrials"] = start + wish.trials
    if wish.duration:
        change["maxDuration"] = wish.duration
    if wish.failures is not None:
        change["maxFailedTrials"] = wish.failures
    if wish.parallel is not None:
        change["parallelTrials"] = wish.parallel
    if not change:
        raise Failure(
            Status.REFUSED, "nothing to change: give --trials, --max-trials, --duration, --failures or --parallel"
        )
    _check(snapshot, change)
    return change


def _check(snapshot: state.Snapshot, change: dict[str, Any]) -> None:
    owner = snapshot.job
    try:
        wanted = job.Limits.model_validate({**owner.spec.limits.to_wire(), **change})
        problems = list(rules.part(wanted, "limits"))
    except ValueError as error:
        raise Failure(Status.REFUSED, f"limits: {str(error).splitlines()[-2].strip()}") from None
    if problems:
        raise SpecError(problems)
    if not owner.status.phase.is_finished():
        return
    reason = result.reason(owner.status)
    if reason in FOR_GOOD:
        raise Failure(Status.REFUSED, f"{owner.name} has ended for good: {FOR_GOOD[reason]}")
    spec = owner.spec.model_copy(update={"limits": wanted, "stop": False})
    over = ending.decide(dataclasses.replace(snapshot, job=dataclasses.replace(owner, spec=spec)))
    if over is not None:
        raise Failure(
            Status.REFUSED, f"{owner.name} would not go on: {over.message}; {MENDS.get(over.reason, 'give it more')}"
        )


MENDS = {
    "MaxTrialsReached": "give it more with --trials",
    "NoSuccessfulTrial": "give it more with --trials, or --duration",
    "MaxDurationReached": "give it more with --duration",
    "MaxFailedTrialsExceeded": "allow more with --failures",
}
