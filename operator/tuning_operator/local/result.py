"""What a run came to, as a document for programs (`tuningctl run -o json`)."""

from __future__ import annotations

from typing import Any

from tuning_operator.api import job
from tuning_operator.tuner import results, state


def best(snapshot: state.Snapshot) -> state.Trial | None:
    """The trial with the best objective; None when none has succeeded."""
    return results.best(snapshot.job.spec.objectives[0], snapshot.trials)


def ranked(snapshot: state.Snapshot) -> list[state.Trial]:
    """The trials that have succeeded, the best one first."""
    objective = snapshot.job.spec.objectives[0]
    sign = -1 if objective.goal is job.Goal.MAXIMIZE else 1
    succeeded = [item for item in snapshot.trials if objective.metric in item.status.values]
    return sorted(succeeded, key=lambda item: (sign * item.status.values[objective.metric], item.number))


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
        "best": _trial(winner) if winner else None,
        "startTime": wire.get("startTime"),
        "completionTime": wire.get("completionTime"),
        **({"allTrials": [_full(item) for item in snapshot.trials]} if everything else {}),
    }


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
