"""What a run came to, as a document for programs (`tuningctl run -o json`)."""

from __future__ import annotations

from typing import Any

from tuning_operator.api import job
from tuning_operator.tuner import standing, state


def best(snapshot: state.Snapshot) -> standing.Candidate | None:
    """The best trial; None when none has succeeded."""
    return standing.best(_candidates(snapshot))


def top(snapshot: state.Snapshot) -> list[standing.Candidate]:
    """What is worth showing in a table: the trials from the best one on, with several objectives the Pareto front."""
    found = _candidates(snapshot)
    return standing.ranked(found) if len(snapshot.job.spec.objectives) == 1 else standing.front(found)


def _candidates(snapshot: state.Snapshot) -> list[standing.Candidate]:
    return standing.candidates(snapshot.job.spec, snapshot.trials)


def reason(status: job.JobStatus) -> str:
    """Why the job is over, in one word; empty while it is not."""
    return next((one.reason for one in status.conditions if one.type == status.phase and one.status == "True"), "")


def document(snapshot: state.Snapshot, *, everything: bool = False) -> dict[str, Any]:
    """The job's end and its best trial; with `everything` all trials."""
    status = snapshot.job.status
    wire = status.to_wire()
    winner = best(snapshot)
    return {
        "job": snapshot.job.name,
        "phase": status.phase.value,
        "reason": reason(status),
        "message": status.message,
        "trials": wire["trials"],
        "best": _standing(winner) if winner else None,
        **({"paretoFront": [_standing(one) for one in top(snapshot)]} if _several(snapshot) else {}),
        "startTime": wire.get("startTime"),
        "completionTime": wire.get("completionTime"),
        **({"allTrials": [_full(item) for item in snapshot.trials]} if everything else {}),
    }


def _several(snapshot: state.Snapshot) -> bool:
    return len(snapshot.job.spec.objectives) > 1


def _standing(one: standing.Candidate) -> dict[str, Any]:
    more = {"errors": dict(one.errors), "repeats": one.repeats} if one.repeats > 1 else {}
    return {**_trial(one.trial), "values": dict(one.values), **more}


def _trial(item: state.Trial) -> dict[str, Any]:
    return {
        "trial": item.number,
        "name": item.name,
        "values": item.status.values,
        "parameters": item.spec.parameters,
    }


def _full(item: state.Trial) -> dict[str, Any]:
    wire = item.status.to_wire()
    told = ("phase", "reason", "message", "startTime", "completionTime")
    return {**_trial(item), "origin": item.spec.origin.value, **{name: wire[name] for name in told if name in wire}}
