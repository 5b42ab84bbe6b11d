"""What one trial needs next: to be recorded, started, collected, stopped, or left alone.

Attempts that were lost to the infrastructure (eviction, preemption, a lost node, a deleted Pod) are started again and
cost the trial nothing but one of its retries. What the trial's own code did is its result.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator

from tuning_operator.api import base, trial
from tuning_operator.tuner import actions, attempts, judging, outcomes, results, room, state

HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
"""Reasons for which a Pod waits that no waiting will mend."""

PATIENCE = {
    "ClaimNotFound": datetime.timedelta(minutes=2),
    "ErrImagePull": datetime.timedelta(minutes=2),
    "ImagePullBackOff": datetime.timedelta(minutes=2),
    "ImageInspectError": datetime.timedelta(minutes=2),
    "RegistryUnavailable": datetime.timedelta(minutes=5),
    "CreateContainerConfigError": datetime.timedelta(minutes=2),
    "CreateContainerError": datetime.timedelta(minutes=2),
    "RunContainerError": datetime.timedelta(minutes=2),
}
"""How long a Pod that cannot start is given, by the reason for which it waits. Waiting for resources has no end."""

ROUTINE = frozenset({"", "ContainerCreating", "PodInitializing", "Scheduled"})
"""Reasons for waiting that every Pod goes through and that are not worth a write."""

PULL = frozenset({"ErrImagePull", "ImagePullBackOff"})
"""Reasons that the kubelet gives in turn while one and the same thing is wrong."""

DRAIN_PATIENCE = datetime.timedelta(seconds=60)
"""How long the sidecar may take to hand over, once the trial's process has ended."""

REMOVAL_PATIENCE = datetime.timedelta(seconds=60)
"""How long a Pod may stay beyond the moment when it was due to be gone, before its node counts as lost."""


@dataclasses.dataclass(frozen=True, slots=True)
class Circumstances:
    """What a trial's next step depends on beside the trial itself."""

    job: state.Job
    now: datetime.datetime
    ending: str = ""
    """Why all trials are to end; empty while the job goes on."""
    court: judging.Court | None = None
    """The stopping rule at this look."""
    counted: bool = False
    """Whether Pods are made only when there is room for them, so that one that finds none is taken away."""

    @property
    def suspended(self) -> bool:
        """Whether nothing may run for now."""
        return self.job.spec.suspend


def step(item: state.Trial, around: Circumstances) -> Iterator[actions.Action]:
    """The next actions for one trial, in order."""
    attempt = _newest(item)
    if item.is_finished():
        if attempt is not None and not attempt.phase.is_finished() and attempt.gone_by is None:
            yield actions.StopAttempt(item, f"{item.name} is {item.status.phase}, its attempt still runs")
        elif attempt is not None and attempt.phase.is_finished():
            yield from _complement(item, attempt)
    elif attempt is not None and attempt.phase.is_finished():
        yield from _settle(item, attempt, around)
    elif around.ending:
        yield _finish(item, trial.TrialPhase.STOPPED, "JobEnded", around.ending, attempt, around)
    elif attempt is not None:
        yield from _watch(item, attempt, around)
    elif not around.suspended:
        number = item.recorded.number + 1 if item.recorded else 1
        yield actions.StartAttempt(item, number, f"attempt {number} of {item.name}")


def is_over(item: state.Trial) -> bool:
    """Whether nothing is left to be done about the trial, whatever becomes of its job."""
    if not item.is_finished() or (item.attempt is not None and not item.attempt.phase.is_finished()):
        return False
    attempt = _newest(item)
    return attempt is None or (attempt.phase.is_finished() and not list(_complement(item, attempt)))


def _newest(item: state.Trial) -> state.Attempt | None:
    """The newest attempt, seen or recorded; None when there was none, or when it is known to be over and is gone.

    Remains of older attempts may still be there to see when the newest one has been removed.
    """
    recorded, seen = item.recorded, item.attempt
    if recorded is None or (seen is not None and seen.number >= recorded.number):
        return seen
    if recorded.phase.is_finished():
        return None
    return dataclasses.replace(
        attempts.revive(recorded), phase=trial.AttemptPhase.LOST, reason="PodDeleted", message="the Pod is gone"
    )


def wake(item: state.Trial, around: Circumstances) -> datetime.datetime | None:
    """When the trial has to be looked at again although nothing happens to it."""
    attempt = item.attempt
    if item.is_finished() or attempt is None or attempt.phase.is_finished() or attempt.unread:
        return None
    if attempt.gone_by is not None:
        return attempt.gone_by + REMOVAL_PATIENCE
    if attempt.draining:
        return _drained_by(attempt)
    if attempt.phase is trial.AttemptPhase.WAITING:
        return _given_up_at(item, attempt) or room.search_ends(item, attempt, around.counted)
    limit = around.job.spec.trial.max_duration
    if attempt.started is not None and limit is not None:
        return attempt.started + base.parse_duration(limit)
    return None


def _settle(item: state.Trial, attempt: state.Attempt, around: Circumstances) -> Iterator[actions.Action]:
    match attempt.phase:
        case trial.AttemptPhase.SUCCEEDED:
            yield _conclude(item, attempt, around)
        case trial.AttemptPhase.FAILED:
            yield _finish(item, trial.TrialPhase.FAILED, attempt.reason, attempt.message, attempt, around)
        case _:
            yield from _lose(item, attempt, around)


def _watch(item: state.Trial, attempt: state.Attempt, around: Circumstances) -> Iterator[actions.Action]:
    """An attempt that waits or runs."""
    if attempt.unread:
        return
    if attempt.gone_by is not None:
        yield from _expect_gone(item, attempt, attempt.gone_by, around)
        return
    if attempt.draining:
        yield from _drain(item, attempt, around)
    elif around.suspended:
        # Recorded before it is stopped: whoever finds it gone later knows that this was no loss.
        over = _given_up(item, attempt)
        yield actions.StopAttempt(item, "the job is suspended") if over else _suspend(item, attempt)
    elif room.withdrawn(item, attempt):
        yield actions.StopAttempt(item, "it found no node")
    elif attempt.phase is trial.AttemptPhase.WAITING:
        yield from _wait(item, attempt, around)
    elif _overdue(attempt, around):
        message = f"ran longer than trial.maxDuration ({around.job.spec.trial.max_duration})"
        yield _finish(item, trial.TrialPhase.FAILED, "DeadlineExceeded", message, attempt, around)
    elif item.status.phase is not trial.TrialPhase.RUNNING or not _known(item, attempt):
        yield actions.RecordTrial(item, _going(item, attempt), f"attempt {attempt.number} runs on {attempt.node}")
    elif around.court is not None and (found := around.court.judge(item)) is not None:
        yield _judged(item, attempt, found, around)


def _judged(
    item: state.Trial, attempt: state.Attempt, found: judging.Judgement, around: Circumstances
) -> actions.RecordTrial:
    """Records how far a running trial has come, and its end if the stopping rule ends it."""
    climbed = item.status.model_copy(update={"rungs": found.rungs})
    if not found.stop:
        return actions.RecordTrial(item, climbed, f"came to step {found.rungs[-1].step:g}")
    seen = results.measured(results.reported(item))
    values = results.evaluate(around.job.spec.objectives, seen)
    values = {} if isinstance(values, results.Missing) else values
    attempt = dataclasses.replace(attempt, summary=attempt.summary or seen)
    item = dataclasses.replace(item, status=climbed)
    return _finish(item, trial.TrialPhase.STOPPED, judging.REASON, found.stop, attempt, around, values)


def _complement(item: state.Trial, attempt: state.Attempt) -> Iterator[actions.Action]:
    """What a trial that was stopped early has still reported until its process was gone.

    Its values stay: the search may have been told of them.
    """
    if item.status.reason != judging.REASON or attempt.summary is None:
        return
    told = results.curves(attempt.summary)
    known = {metric.metric: metric.count + metric.not_finite for metric in item.status.metrics}
    if any(metric.count + metric.not_finite > known.get(metric.metric, 0) for metric in told):
        yield actions.RecordTrial(item, item.status.model_copy(update={"metrics": told}), "its last observations")


def _expect_gone(
    item: state.Trial, attempt: state.Attempt, due: datetime.datetime, around: Circumstances
) -> Iterator[actions.Action]:
    """An attempt that is being removed. Until it is gone, nothing may take its place."""
    if around.now >= due + REMOVAL_PATIENCE:
        message = f"the Pod was due to be gone by {due:%H:%M:%S}; its node does not answer"
        lost = dataclasses.replace(attempt, phase=trial.AttemptPhase.LOST, reason="NodeLost", message=message)
        yield from _lose(item, lost, around)
    elif item.recorded is None or item.recorded.number < attempt.number:
        # Once it is gone nothing else tells that it was there, and it would be started a second time.
        yield actions.RecordTrial(item, _going(item, attempt), f"attempt {attempt.number} is being removed")


def _drain(item: state.Trial, attempt: state.Attempt, around: Circumstances) -> Iterator[actions.Action]:
    due = _drained_by(attempt)
    if due is not None and around.now >= due:
        yield actions.StopAttempt(item, "the sidecar did not hand over; removing the Pod makes it do so")
    else:
        yield actions.Collect(item, "the trial's process has ended")


def _drained_by(attempt: state.Attempt) -> datetime.datetime | None:
    """When the sidecar's time to hand over is up: an operator that was away gives it all of that time, too."""
    since = attempt.draining_since or attempt.ended
    return since + DRAIN_PATIENCE if since is not None else None


def _wait(item: state.Trial, attempt: state.Attempt, around: Circumstances) -> Iterator[actions.Action]:
    end = _given_up_at(item, attempt)
    if attempt.reason in HOPELESS or (end is not None and around.now >= end):
        yield _finish(item, trial.TrialPhase.FAILED, attempt.reason, attempt.message, attempt, around)
    elif (due := room.search_ends(item, attempt, around.counted)) is not None and around.now >= due:
        yield _withdraw(item, attempt, around)
    elif _tells(item, attempt):
        waits = _going(item, attempt).model_copy(update={"waiting_since": around.now})
        yield actions.RecordTrial(item, waits, f"waits: {attempt.reason or 'to be started'}")


def _given_up_at(item: state.Trial, attempt: state.Attempt) -> datetime.datetime | None:
    """When an attempt that cannot start is given up: counted from when that was first recorded, as an image that takes
    long to pull is no error until the kubelet says so.
    """
    patience, since = PATIENCE.get(attempt.reason), item.status.waiting_since
    same = attempt.reason == item.status.reason or {attempt.reason, item.status.reason} <= PULL
    return since + patience if patience is not None and since is not None and same else None


def _withdraw(item: state.Trial, attempt: state.Attempt, around: Circumstances) -> actions.RecordTrial:
    """Give an attempt up that finds no node, which costs the trial nothing. Recorded before it is removed."""
    given_up = dataclasses.replace(
        attempt, phase=trial.AttemptPhase.LOST, reason=state.WITHDRAWN, message=attempt.message, ended=around.now
    )
    return actions.RecordTrial(item, _pending(item, given_up), "it found no node")


def _tells(item: state.Trial, attempt: state.Attempt) -> bool:
    """Whether what an attempt waits for is worth a write."""
    before = item.status.reason
    if attempt.reason in ROUTINE:
        told = item.recorded is not None and item.recorded.number == attempt.number
        return told and before not in ROUTINE
    return attempt.reason != before and not {attempt.reason, before} <= PULL


def _known(item: state.Trial, attempt: state.Attempt) -> bool:
    recorded = item.recorded
    return recorded is not None and (recorded.number, recorded.phase) == (attempt.number, attempt.phase)


def _overdue(attempt: state.Attempt, around: Circumstances) -> bool:
    limit = around.job.spec.trial.max_duration
    return (
        limit is not None
        and attempt.started is not None
        and (around.now >= attempt.started + base.parse_duration(limit))
    )


def _lose(item: state.Trial, attempt: state.Attempt, around: Circumstances) -> Iterator[actions.Action]:
    """An attempt that ended through no fault of the trial: try again, unless that has happened too often."""
    retries = around.job.spec.trial.retries
    if around.ending:
        yield _finish(item, trial.TrialPhase.STOPPED, "JobEnded", around.ending, attempt, around)
    elif item.recorded is not None and _given_up(item, attempt):
        if not around.suspended:
            number = item.recorded.number
            yield actions.StartAttempt(item, number + 1, f"attempt {number} was lost: {item.recorded.reason}")
    elif around.suspended:
        yield _suspend(item, attempt)
    elif item.status.losses >= retries:
        times = item.status.losses + 1
        message = f"lost {times} time(s) to the infrastructure, more than trial.retries ({retries}); {attempt.message}"
        yield _finish(item, trial.TrialPhase.FAILED, attempt.reason, message, attempt, around)
    else:
        yield actions.Announce(
            f"lost-{item.number}-{attempt.number}",
            "TrialAttemptLost",
            f"attempt {attempt.number} of {item.name} was lost ({attempt.reason}: {attempt.message}); it starts again",
            actions.Severity.WARNING,
            item,
        )
        lost = _pending(item, attempt).model_copy(update={"losses": item.status.losses + 1})
        yield actions.RecordTrial(item, lost, f"attempt {attempt.number} was lost: {attempt.reason}")


def _given_up(item: state.Trial, attempt: state.Attempt) -> bool:
    """Whether the attempt's end has been recorded, whatever may still be seen of it."""
    recorded = item.recorded
    return recorded is not None and recorded.number >= attempt.number and recorded.phase.is_finished()


def _suspend(item: state.Trial, attempt: state.Attempt) -> actions.RecordTrial:
    """Give an attempt up because its job is suspended, which costs the trial nothing."""
    given_up = dataclasses.replace(
        attempt, phase=trial.AttemptPhase.LOST, reason=state.SUSPENDED, message="the job was suspended"
    )
    return actions.RecordTrial(item, _pending(item, given_up), "the job is suspended")


def _pending(item: state.Trial, attempt: state.Attempt) -> trial.TrialStatus:
    return item.status.model_copy(
        update={
            "phase": trial.TrialPhase.PENDING,
            "reason": "" if attempt.reason in ROUTINE else attempt.reason,
            "message": attempt.message,
            "attempts": attempts.recorded(item, attempt),
            "waiting_since": None,
        }
    )


def _going(item: state.Trial, attempt: state.Attempt) -> trial.TrialStatus:
    """The status of a trial whose attempt waits or runs."""
    pending = _pending(item, attempt)
    if attempt.phase is trial.AttemptPhase.WAITING:
        return pending
    started = item.status.start_time or attempt.started
    return pending.model_copy(update={"phase": trial.TrialPhase.RUNNING, "start_time": started})


def _conclude(item: state.Trial, attempt: state.Attempt, around: Circumstances) -> actions.RecordTrial:
    """Record the end of a trial whose process ended well: with its values, or as failed because it has none."""
    spec = around.job.spec
    took = outcomes.measured(spec, attempt)
    values = results.evaluate(spec.objectives, attempt.summary, took)
    if isinstance(values, results.Missing):
        return _finish(item, trial.TrialPhase.FAILED, values.reason, values.message, attempt, around)
    judged = outcomes.judge(spec.outcome_constraints, values, took, attempt.summary)
    if isinstance(judged, results.Missing):
        return _finish(item, trial.TrialPhase.FAILED, judged.reason, judged.message, attempt, around)
    broken = outcomes.broken(judged)
    reason = outcomes.INFEASIBLE if broken else ""
    return _finish(item, trial.TrialPhase.SUCCEEDED, reason, broken, attempt, around, values, judged)


def _finish(
    item: state.Trial,
    phase: trial.TrialPhase,
    reason: str,
    message: str,
    attempt: state.Attempt | None,
    around: Circumstances,
    values: dict[str, float] | None = None,
    judged: list[trial.ConstraintOutcome] | None = None,
) -> actions.RecordTrial:
    """Record the trial's end. If its attempt still runs, the next look at the finished trial stops it."""
    ended = attempt.ended if attempt is not None and attempt.ended is not None else around.now
    if attempt is not None and not attempt.phase.is_finished():
        attempt = dataclasses.replace(
            attempt, phase=trial.AttemptPhase.FAILED, reason=reason, message=message, ended=ended
        )
    climbed = around.court.judge(item) if around.court is not None and phase is trial.TrialPhase.SUCCEEDED else None
    status = item.status.model_copy(
        update={
            "phase": phase,
            "rungs": climbed.rungs if climbed is not None else item.status.rungs,
            "reason": reason,
            "message": message,
            "attempts": attempts.recorded(item, attempt) if attempt else item.status.attempts,
            "metrics": results.curves(attempt.summary if attempt else None),
            "values": values or {},
            "measured": outcomes.measured(around.job.spec, attempt) if attempt else {},
            "constraints": judged or [],
            "start_time": item.status.start_time or (attempt.started if attempt else None),
            "completion_time": ended,
        }
    )
    return actions.RecordTrial(item, status, f"{phase}{f': {reason}' if reason else ''}")
