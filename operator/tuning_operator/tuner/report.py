"""The job's status: derived anew from the snapshot each time, so that it can never drift from the trials."""

from __future__ import annotations

import collections
import datetime
import hashlib
import json
from collections.abc import Sequence

from tuning_operator.api import errors, job, trial
from tuning_operator.tuner import ending, standing, state, warm

FIXED = ("objectives", "parameters", "constraints", "search")
"""What may not change once the job has begun: results found before would not answer the new question."""
FIXED_IF_SET = ("outcome_constraints",)
"""The same, of fields that came later: where they are not set the fingerprint is as it was before they came."""
REPEATS = "trial.repeats"
"""A field below another one that may change; it is part of the fingerprint in the same way."""

WAITING = "WaitingForResources"

MAX_MESSAGE = 32_768
"""Characters that the schema allows in a condition's message."""

UNSCHEDULABLE = "Unschedulable"


def digest(spec: job.JobSpec) -> str:
    """A fingerprint of each part of the spec that may not change.

    Defaults are left out: an operator that knows one more field must not find every running job changed.
    """
    wire = spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, include={*FIXED, *FIXED_IF_SET})
    if spec.trial.repeats != 1:
        wire[REPEATS] = spec.trial.repeats
    return " ".join(
        f"{part}={hashlib.sha256(json.dumps(wire.get(part), sort_keys=True).encode()).hexdigest()[:12]}"
        for part in dict.fromkeys([*FIXED, *wire])
    )


def changed(owner: state.Job) -> list[str]:
    """Which of the parts that may not change did change since the job began; all where that cannot be told."""
    if not owner.status.spec_digest:
        return []
    before, now = _parts(owner.status.spec_digest), _parts(digest(owner.spec))
    if not before.keys() >= set(FIXED):
        return list(FIXED)
    return [part for part in {**now, **before} if before.get(part) != now.get(part)]


def _parts(fingerprint: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in fingerprint.split() if "=" in part)


def status(snapshot: state.Snapshot, over: ending.Ending | None) -> job.JobStatus:
    """The status that the job should have now."""
    before = snapshot.job.status
    phase = over.phase if over else _phase(snapshot)
    waiting = "" if over else _waiting(snapshot)
    draft = before.model_copy(
        update={
            "phase": phase,
            "message": over.message if over else waiting,
            "observed_generation": snapshot.job.generation,
            "spec_digest": before.spec_digest or ("" if snapshot.problems else digest(snapshot.job.spec)),
            "trials": _counts(snapshot.known),
            "progress": _progress(snapshot),
            "start_time": before.start_time or snapshot.now,
            "completion_time": (before.completion_time or snapshot.now) if over else None,
            "warm_start": _warm_start(snapshot, over),
            "unfit_since": before.unfit_since if over else _unfit_since(snapshot),
            "insight": _insight(snapshot),
            "search": _search(snapshot.known),
            **_best(snapshot),
            **_clock(snapshot, phase),
        }
    )
    return draft.model_copy(update={"conditions": _conditions(snapshot, over, waiting, draft)})


def refused(
    before: job.JobStatus, generation: int, problems: Sequence[errors.Problem], now: datetime.datetime
) -> job.JobStatus:
    """The status of a job whose spec cannot even be read. A mended spec is looked at afresh; a job that has ended
    keeps its end.
    """
    if before.phase.is_finished() and all(item.reason != "InvalidSpec" for item in before.conditions):
        return before.model_copy(update={"observed_generation": generation})
    message = "\n".join(str(problem) for problem in problems)[:MAX_MESSAGE]
    others = [item for item in before.conditions if item.type != job.JobPhase.FAILED]
    failed = job.Condition(
        type=job.JobPhase.FAILED,
        status="True",
        reason="InvalidSpec",
        message=message,
        last_transition_time=now,
        observed_generation=generation,
    )
    return before.model_copy(
        update={
            "phase": job.JobPhase.FAILED,
            "message": message,
            "observed_generation": generation,
            "conditions": [*others, failed],
            "completion_time": before.completion_time or now,
        }
    )


def _phase(snapshot: state.Snapshot) -> job.JobPhase:
    if snapshot.job.spec.suspend:
        return job.JobPhase.SUSPENDED
    known = snapshot.known
    started = len(known.past) or any(item.status.phase is not trial.TrialPhase.PENDING for item in known.live)
    return job.JobPhase.RUNNING if started else job.JobPhase.PENDING


def _waiting(snapshot: state.Snapshot) -> str:
    """Why something that should run does not, or why nothing new starts; empty when all is well."""
    parts = changed(snapshot.job)
    if parts:
        fields = ", ".join(f"spec.{part}" for part in parts)
        return f"no new trials: {fields} changed since the job began; change it back, or create a new job"
    if absent := warm.missing(snapshot):
        mend = "create it, or create this job anew without it"
        return f"no trials yet: {', '.join(absent)}, named in spec.search.warmStartFrom, does not exist; {mend}"
    if snapshot.obstacle is not None:
        return str(snapshot.obstacle)
    if shortage := _offered(snapshot):
        return shortage[1]
    stuck = [
        item
        for item in snapshot.known.live
        if item.status.phase is trial.TrialPhase.PENDING and item.status.reason not in ("", state.SUSPENDED)
    ]
    if not stuck:
        return snapshot.trouble
    first = stuck[0]
    others = f" (and {len(stuck) - 1} more)" if len(stuck) > 1 else ""
    return f"{first.name}{others} waits: {first.status.reason}: {first.status.message}"


def _shortage(snapshot: state.Snapshot) -> str:
    """The reason for which resources are waited for, in one word; empty when they are not."""
    if snapshot.obstacle is not None:
        return snapshot.obstacle.reason
    if shortage := _offered(snapshot):
        return shortage[0]
    short = any(
        item.status.phase is trial.TrialPhase.PENDING and item.status.reason in (UNSCHEDULABLE, state.WITHDRAWN)
        for item in snapshot.known.live
    )
    return UNSCHEDULABLE if short else ""


def _offered(snapshot: state.Snapshot) -> tuple[str, str] | None:
    """Reason and message of the shortage that keeps trials from being started. While an operator that has just started
    does not know, what was told before still holds.
    """
    offer = snapshot.offer
    if offer is None or snapshot.job.spec.suspend:
        return None
    if not offer.known:
        before = next((item for item in snapshot.job.status.conditions if item.type == WAITING), None)
        return (before.reason, before.message) if before is not None and before.status == "True" else None
    if offer.shortage is None:
        return None
    deadline = ending.unfit_deadline(snapshot)
    unless = f"; the job ends at {deadline:%H:%M:%S} UTC unless that changes" if deadline is not None else ""
    return offer.shortage.reason, f"waits for room: {offer.shortage.message}{unless}"


def _unfit_since(snapshot: state.Snapshot) -> datetime.datetime | None:
    """Since when no trial of the job could run, however long it waited."""
    offer, before = snapshot.offer, snapshot.job.status.unfit_since
    if offer is None or snapshot.job.spec.suspend:
        return None
    if not offer.known:
        return before
    runs = any(item.status.phase is trial.TrialPhase.RUNNING for item in snapshot.known.live)
    return (before or snapshot.now) if offer.shortage is not None and offer.shortage.forever and not runs else None


def _search(trials: state.Trials) -> trial.Chooser | None:
    newest = trials.newest
    if newest is None or not newest.spec.algorithm:
        return None
    return trial.Chooser(algorithm=newest.spec.algorithm, why=newest.spec.why)


def _counts(trials: state.Trials) -> job.TrialCounts:
    phases = trials.past.fold("phases", collections.Counter[trial.TrialPhase], _count)
    phases = phases + collections.Counter(item.status.phase for item in trials.live)
    return job.TrialCounts(
        total=len(trials),
        pending=phases[trial.TrialPhase.PENDING],
        running=phases[trial.TrialPhase.RUNNING],
        succeeded=phases[trial.TrialPhase.SUCCEEDED],
        failed=phases[trial.TrialPhase.FAILED],
        stopped=phases[trial.TrialPhase.STOPPED],
    )


def _count(before: collections.Counter[trial.TrialPhase], item: state.Trial) -> collections.Counter[trial.TrialPhase]:
    before[item.status.phase] += 1
    return before


def _progress(snapshot: state.Snapshot) -> str:
    done = len(snapshot.known.past) + sum(item.is_finished() for item in snapshot.known.live)
    limit = snapshot.job.spec.limits.max_trials
    return f"{done}/{limit}" if limit is not None else f"{done}"


def _best(snapshot: state.Snapshot) -> dict[str, object]:
    found = standing.contenders(snapshot.job.spec, snapshot.known)
    winner = standing.best(found)
    if winner is None:
        return {"best": None, "best_value": "", **_front(snapshot, found)}
    values = [f"{winner.values[objective.metric]:.6g}" for objective in snapshot.job.spec.objectives]
    return {"best": winner.wire(), "best_value": ", ".join(values), **_front(snapshot, found)}


def _front(snapshot: state.Snapshot, found: Sequence[standing.Candidate]) -> dict[str, object]:
    """The Pareto front; nothing where there is one objective, or no trial with values yet."""
    objectives = snapshot.job.spec.objectives
    if len(objectives) == 1 or not found:
        return {"pareto_front": [], "front_size": None, "hypervolume": None, "hypervolume_reference": None}
    members = standing.front(found)
    shown, edge = standing.shown(members), standing.reference(found)
    return {
        "pareto_front": [one.wire() for one in shown],
        "front_size": len(members),
        "hypervolume": standing.hypervolume(shown, edge),
        "hypervolume_reference": standing.signed(objectives, edge),
    }


def _insight(snapshot: state.Snapshot) -> job.Insight | None:
    before, after = snapshot.job.status.insight, snapshot.insight
    return after if after is not None and (before is None or after.trials > before.trials) else before


def _warm_start(snapshot: state.Snapshot, over: ending.Ending | None) -> job.WarmStart | None:
    """What was taken over from other jobs; taken now, if that is due and all of them are there."""
    before = snapshot.job.status.warm_start
    if over or snapshot.problems or not warm.due(snapshot) or warm.missing(snapshot):
        return before
    return warm.take(snapshot.job.spec, snapshot.sources)


def _clock(snapshot: state.Snapshot, phase: job.JobPhase) -> dict[str, object]:
    """Starts or stops the clock that maxDuration is compared with."""
    before = snapshot.job.status
    runs = phase in (job.JobPhase.PENDING, job.JobPhase.RUNNING)
    if runs and before.active_since is None:
        return {"active_since": snapshot.now}
    if not runs and before.active_since is not None:
        elapsed = ending.active(snapshot.job, snapshot.now)
        return {"active_since": None, "active_seconds": round(elapsed.total_seconds(), 3)}
    return {}


def _conditions(
    snapshot: state.Snapshot, over: ending.Ending | None, waiting: str, draft: job.JobStatus
) -> list[job.Condition]:
    facts: dict[str, tuple[bool, str, str]] = {}
    for name in (job.JobPhase.COMPLETE, job.JobPhase.FAILED):
        holds = over is not None and over.phase is name
        facts[name] = (holds, over.reason, over.message) if over and holds else (False, "NotFinished", "")
    suspended = draft.phase is job.JobPhase.SUSPENDED
    facts["Suspended"] = (suspended, "SuspendRequested" if suspended else "NotSuspended", "")
    shortage = "" if over else _shortage(snapshot)
    facts[WAITING] = (bool(shortage), shortage or "NotWaiting", waiting if shortage else "")
    moved = not over and bool(changed(snapshot.job))
    facts["SpecChanged"] = (moved, "ImmutableFieldChanged" if moved else "Unchanged", waiting if moved else "")
    before = {condition.type: condition for condition in snapshot.job.status.conditions}
    return [
        _condition(name, fact, before.get(name), snapshot) for name, fact in facts.items() if fact[0] or name in before
    ]


def _condition(
    name: str, fact: tuple[bool, str, str], before: job.Condition | None, snapshot: state.Snapshot
) -> job.Condition:
    holds, reason, message = fact
    value = "True" if holds else "False"
    same = before is not None and before.status == value
    return job.Condition(
        type=name,
        status=value,
        reason=reason,
        message=message[:MAX_MESSAGE],
        last_transition_time=before.last_transition_time if before is not None and same else snapshot.now,
        observed_generation=snapshot.job.generation,
    )


def since(now: datetime.datetime, before: datetime.datetime | None) -> datetime.timedelta:
    """Time since `before`; very long when that never was."""
    return now - before if before is not None else datetime.timedelta.max
