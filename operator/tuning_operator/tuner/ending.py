"""When a job is over, and why. The order of the checks is the order in which reasons win."""

from __future__ import annotations

import dataclasses
import datetime

from tuning_operator.api import base, job, trial
from tuning_operator.tuner import repeats, results, standing, state

NONE_FEASIBLE = (
    "no trial meets outcomeConstraints, so there is no best one; relax them, or widen the parameters' ranges"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Ending:
    """The end of a job: phase Complete or Failed, a reason for programs, a message for people."""

    phase: job.JobPhase
    reason: str
    message: str


def decide(snapshot: state.Snapshot) -> Ending | None:
    """Why the job is over; None while it goes on."""
    if snapshot.problems:
        lines = "\n".join(str(problem) for problem in snapshot.problems)
        return Ending(job.JobPhase.FAILED, "InvalidSpec", lines)
    if snapshot.job.spec.stop:
        return _complete(snapshot, "Stopped", "spec.stop is true")
    failure = _failures(snapshot)
    if failure is not None:
        return failure
    return _target(snapshot) or _duration(snapshot) or _converged(snapshot) or _unfit(snapshot) or _used_up(snapshot)


def active(owner: state.Job, now: datetime.datetime) -> datetime.timedelta:
    """The time that counts against maxDuration: since the start, without suspensions."""
    since = owner.status.active_since
    running = now - since if since is not None else datetime.timedelta()
    return datetime.timedelta(seconds=owner.status.active_seconds) + running


def deadline(snapshot: state.Snapshot) -> datetime.datetime | None:
    """When maxDuration will have passed; None without a limit or while suspended."""
    limit = snapshot.job.spec.limits.max_duration
    if limit is None or snapshot.job.status.active_since is None:
        return None
    return snapshot.now + base.parse_duration(limit) - active(snapshot.job, snapshot.now)


def unfit_deadline(snapshot: state.Snapshot) -> datetime.datetime | None:
    """When a job ends whose trials fit no node, nor its namespace's quota; None while they do."""
    since = snapshot.job.status.unfit_since
    return since + base.parse_duration(snapshot.job.spec.limits.max_unfit) if since is not None else None


def _unfit(snapshot: state.Snapshot) -> Ending | None:
    due = unfit_deadline(snapshot)
    offer = snapshot.offer
    if due is None or snapshot.now < due or offer is None or offer.shortage is None or not offer.shortage.forever:
        return None
    message = (
        f"for limits.maxUnfit ({snapshot.job.spec.limits.max_unfit}) no trial could have run: {offer.shortage.message}"
    )
    return _complete(snapshot, offer.shortage.reason, message)


def _failures(snapshot: state.Snapshot) -> Ending | None:
    failed, last = snapshot.known.fold("failures", _none_failed, _count_failure)
    limit = snapshot.job.spec.limits.max_failed_trials
    if failed <= limit or last is None:
        return None
    message = (
        f"{failed} trials failed, more than limits.maxFailedTrials ({limit}); "
        f"the last one, {last.name}: {last.status.reason}: {last.status.message}"
    )
    return Ending(job.JobPhase.FAILED, "MaxFailedTrialsExceeded", message)


def _target(snapshot: state.Snapshot) -> Ending | None:
    objectives = snapshot.job.spec.objectives
    if all(objective.target is None for objective in objectives):
        return None
    found = standing.first(
        snapshot.job.spec,
        snapshot.known,
        lambda one: all(results.reaches(o, one.values[o.metric]) for o in objectives if o.target is not None),
    )
    if found is None:
        return None
    reached = ", ".join(f"{o.metric}={found.values[o.metric]:g}" for o in objectives)
    return Ending(job.JobPhase.COMPLETE, "TargetReached", f"{found.trial.name} reached the target with {reached}")


def _duration(snapshot: state.Snapshot) -> Ending | None:
    limit = snapshot.job.spec.limits.max_duration
    if limit is None or active(snapshot.job, snapshot.now) < base.parse_duration(limit):
        return None
    return _complete(snapshot, "MaxDurationReached", f"limits.maxDuration ({limit}) has passed")


def _converged(snapshot: state.Snapshot) -> Ending | None:
    limit, known = snapshot.job.spec.limits.min_improvement, snapshot.job.status.insight
    if limit is None or known is None or known.improvement is None or known.improvement > limit:
        return None
    message = (
        f"the next trial is unlikely to improve {snapshot.job.spec.objectives[0].metric} by more than "
        f"{known.improvement:.3g}, as {known.trials} trials tell; limits.minImprovement is {limit:g}"
    )
    return _complete(snapshot, "Converged", message)


def _used_up(snapshot: state.Snapshot) -> Ending | None:
    if not all(item.is_finished() for item in snapshot.known.live):
        return None
    limit = snapshot.job.spec.limits.max_trials
    if limit is not None and snapshot.made >= limit:
        return _complete(snapshot, "MaxTrialsReached", f"all {len(snapshot.trials)} trials are finished")
    if snapshot.exhausted_at is not None and snapshot.made >= snapshot.exhausted_at:
        tried = len(repeats.grouped(snapshot.job.spec, snapshot.trials))
        message = f"all {tried} configurations of the search space have been tried"
        return _complete(snapshot, "SearchSpaceExhausted", message)
    return None


def _complete(snapshot: state.Snapshot, reason: str, message: str) -> Ending:
    # A trial that was stopped early has a value, too, if not its last one.
    if snapshot.known.fold("valued", bool, _is_valued):
        none = "" if standing.contenders(snapshot.job.spec, snapshot.known) else f"; {NONE_FEASIBLE}"
        return Ending(job.JobPhase.COMPLETE, reason, message + none)
    _, last = snapshot.known.fold("failures", _none_failed, _count_failure)
    why = f"; the last one: {last.status.reason}: {last.status.message}" if last else ""
    return Ending(job.JobPhase.FAILED, "NoSuccessfulTrial", f"{message} and none has succeeded{why}")


def _none_failed() -> tuple[int, state.Trial | None]:
    return 0, None


def _count_failure(before: tuple[int, state.Trial | None], item: state.Trial) -> tuple[int, state.Trial | None]:
    """How many failed, and the one of them with the highest number."""
    if item.status.phase is not trial.TrialPhase.FAILED:
        return before
    count, last = before
    return count + 1, item if last is None or item.number > last.number else last


def _is_valued(before: bool, item: state.Trial) -> bool:
    return before or item.status.phase is trial.TrialPhase.SUCCEEDED or bool(item.status.values)
