"""`plan(snapshot)`: the one place where it is decided what happens next.

Pure and level-based: the same snapshot gives the same plan, and carrying a plan out twice is harmless. After
anything was carried out the caller looks again, until a plan is empty; so a plan may ask for one step at a time.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator, Mapping

from tuning_operator.api import job, trial
from tuning_operator.search import insight
from tuning_operator.tuner import actions, basis, checkpoints, ending, judging, report, room, state, trials, warm

DEBOUNCE = datetime.timedelta(seconds=1)
"""Mere counts in the job's status are written at most this often."""

PATIENCE = datetime.timedelta(seconds=5)
"""A job that is to be learnt from and does not exist is looked for again after this time."""

Writes = actions.CreateTrial | actions.StartAttempt | actions.RecordTrial


def plan(snapshot: state.Snapshot) -> actions.Plan:
    """What to do now for one job, and when to look again."""
    over = _sealed(snapshot) or ending.decide(snapshot)
    court = judging.Court(snapshot) if snapshot.job.spec.early_stopping and not snapshot.problems else None
    around = trials.Circumstances(
        snapshot.job, snapshot.now, over.message if over else "", court, counted=snapshot.offer is not None
    )
    steps: list[actions.Action] = []
    for item in snapshot.known.live:
        steps.extend(_announced(trials.step(item, around)))
    steps = list(_tidied(snapshot, steps))
    starts = sum(isinstance(step, actions.StartAttempt) for step in steps)
    wants = room.wants(snapshot, starts) if over is None else 0
    if wants == 0:
        steps = [step for step in steps if not isinstance(step, actions.StartAttempt)]
    elif snapshot.offer is not None:
        steps = list(room.admit(steps, snapshot.offer))
    if wants > starts and not any(isinstance(step, actions.RecordTrial) for step in steps):
        # What is at hand is recorded first: new trials are to know the same as after a crash in between.
        steps.extend(_grow(snapshot, starts))
    wake = _wake(snapshot, around, over)
    if any(isinstance(step, Writes) for step in steps):
        return actions.Plan(tuple(steps), wake, wants)
    if not any(isinstance(step, actions.Suggest) for step in steps):
        steps.extend(_study(snapshot, over))
    written, later = _status(snapshot, over)
    steps.extend(written)
    return actions.Plan(tuple(steps), min(filter(None, (wake, later)), default=None), wants)


def _sealed(snapshot: state.Snapshot) -> ending.Ending | None:
    """The recorded end of the job. It stays, unless the spec was changed since so that nothing ends the job any more.

    Before anything had run, any change of the spec is looked at afresh. A search space that was used up stays so: its
    parameters may not change.
    """
    owner = snapshot.job
    for condition in owner.status.conditions:
        if condition.status != "True" or condition.type not in (job.JobPhase.COMPLETE, job.JobPhase.FAILED):
            continue
        if condition.observed_generation != owner.generation:
            if condition.reason == "InvalidSpec":
                continue
            if condition.reason != "SearchSpaceExhausted" and ending.decide(snapshot) is None:
                continue
        return ending.Ending(job.JobPhase(condition.type), condition.reason, condition.message)
    return None


def _announced(steps: Iterator[actions.Action]) -> Iterator[actions.Action]:
    """Every trial that fails is told to people, before it is recorded: an Event told twice is one Event."""
    for step in steps:
        if isinstance(step, actions.RecordTrial) and step.status.phase is trial.TrialPhase.FAILED:
            message = f"{step.trial.name} failed: {step.status.reason}: {step.status.message}"
            yield actions.Announce(
                f"failed-{step.trial.number}", "TrialFailed", message, actions.Severity.WARNING, step.trial
            )
        yield step


def _tidied(snapshot: state.Snapshot, steps: list[actions.Action]) -> Iterator[actions.Action]:
    """A start is the occasion to remove checkpoints that nobody needs any more."""
    starts = snapshot.job.spec.checkpoints is not None and any(isinstance(one, actions.StartAttempt) for one in steps)
    unneeded = checkpoints.disposable(snapshot.job.spec, snapshot.trials) if starts else frozenset()
    for step in steps:
        yield dataclasses.replace(step, discard=unneeded) if isinstance(step, actions.StartAttempt) else step


def _grow(snapshot: state.Snapshot, starts: int) -> Iterator[actions.Action]:
    """New trials, as far as the limits allow and as there is room for beside the `starts` of trials that exist."""
    live = sum(not item.is_finished() for item in snapshot.known.live)
    slots = room.ceiling(snapshot) - live
    spare = slots if snapshot.offer is None else min(slots, len(snapshot.offer.profiles) - starts)
    if spare <= 0:
        return
    if snapshot.offer is not None and snapshot.offer.shortage is not None:
        # Slots that no room comes for would hold back as many results.
        slots = spare
    numbers = range(snapshot.made, snapshot.made + room.growth(snapshot))
    # Results are handed out as if there were no other limit: the last trials of a job are as crash-safe as the first.
    wanted = tuple(zip(numbers, basis.hand_out(snapshot.trials, slots), strict=False))[:spare]
    ready = _ready(snapshot.proposals, wanted)
    yield from (
        actions.CreateTrial(proposal, f"trial {proposal.number}: {live + index} of its peers are live")
        for index, proposal in enumerate(ready)
    )
    if wanted and not ready:
        # Not beside a creation: a suggestion has to know the configurations of all trials before it.
        yield actions.Suggest(wanted, f"room for {len(wanted)} more trial(s)")


def _study(snapshot: state.Snapshot, over: ending.Ending | None) -> Iterator[actions.Action]:
    """A study of the search, if enough has come since the last one, or all that will come."""
    if snapshot.problems:
        return
    known = sum(bool(item.status.values) for item in snapshot.trials)
    before = max((one.trials for one in (snapshot.job.status.insight, snapshot.insight) if one), default=0)
    last = over is not None and known >= insight.LEAST and known > before
    if last or (over is None and insight.due(known, before)):
        yield actions.Study(known, f"{known} trials have values")


def _ready(
    proposals: Mapping[int, state.Proposal], wanted: tuple[tuple[int, frozenset[int]], ...]
) -> list[state.Proposal]:
    """The proposals with which trials can be created: up to the first that is not there, or that knew other results
    than it may know now because a limit was changed in the meantime.
    """
    ready: list[state.Proposal] = []
    for number, known in wanted:
        proposal = proposals.get(number)
        if proposal is None or proposal.based_on != known:
            break
        ready.append(proposal)
    return ready


def _status(
    snapshot: state.Snapshot, over: ending.Ending | None
) -> tuple[list[actions.Action], datetime.datetime | None]:
    """The write of the job's status, if one is due, and when to look again for one that is not due yet."""
    before, after = snapshot.job.status, report.status(snapshot, over)
    if after == before:
        return [], None
    news = list(_news(snapshot, before, after))
    urgent = (
        bool(news)
        or after.phase is not before.phase
        or after.message != before.message
        or after.observed_generation != before.observed_generation
    )
    if not urgent and report.since(snapshot.now, snapshot.status_written) < DEBOUNCE:
        assert snapshot.status_written is not None
        return [], snapshot.status_written + DEBOUNCE
    return [*news, actions.RecordJob(after, f"{after.phase} {after.progress}".strip())], None


def _news(snapshot: state.Snapshot, before: job.JobStatus, after: job.JobStatus) -> Iterator[actions.Announce]:
    """Events for the conditions that begin to hold."""
    held = {(item.type, item.reason) for item in before.conditions if item.status == "True"}
    for item in after.conditions:
        if item.status != "True" or (item.type, item.reason) in held:
            continue
        calm = item.type in (job.JobPhase.COMPLETE, "Suspended")
        severity = actions.Severity.NORMAL if calm else actions.Severity.WARNING
        told = item.message or "trials are stopped until spec.suspend is false"
        # Resources may be short many times; all else holds once for each generation of the spec.
        repeats = item.type == report.WAITING
        key = f"{item.type}-{item.reason}-{'' if repeats else item.observed_generation}".lower()
        yield actions.Announce(key, item.reason, told, severity, repeats=repeats)
    if before.completion_time and not after.completion_time and before.spec_digest:
        yield actions.Announce(
            f"reopened-{after.observed_generation}",
            "Reopened",
            "the spec was changed: the job goes on from its history",
        )
    if before.warm_start is None and after.warm_start is not None:
        yield actions.Announce("warm-start", "WarmStarted", warm.sentence(after.warm_start))
    if not before.spec_digest and after.spec_digest:
        algorithm = snapshot.job.spec.search.algorithm
        yield actions.Announce(
            "started", "Started", f"tuning {len(snapshot.job.spec.parameters)} parameter(s) with {algorithm}"
        )


def _wake(
    snapshot: state.Snapshot, around: trials.Circumstances, over: ending.Ending | None
) -> datetime.datetime | None:
    moments = [trials.wake(item, around) for item in snapshot.known.live]
    if over is None:
        moments.append(room.rests_until(snapshot.known.live))
        moments.append(ending.unfit_deadline(snapshot))
        moments.append(ending.deadline(snapshot))
        if warm.missing(snapshot):
            moments.append(snapshot.now + PATIENCE)
    # What was due by now has been decided on; were it due still, the caller would look again without end.
    return min((moment for moment in moments if moment is not None and moment > snapshot.now), default=None)
