"""From objects as Kubernetes gives them to a snapshot, for those who only look: whatever a newer version has added is passed
over, and nothing is checked that the operator has checked.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Mapping
from typing import Any

import pydantic

from tuning_operator.api import job, trial
from tuning_operator.tuner import results, state


class Unreadable(Exception):
    """The objects are no job with its trials; the message says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """A job as it was found, with what only its finder knows."""

    snapshot: state.Snapshot
    namespace: str = ""
    created: Mapping[int, datetime.datetime] = dataclasses.field(default_factory=dict)
    """When the trials were made, by number."""


def found(body: Mapping[str, Any], trials: Iterable[Mapping[str, Any]], now: datetime.datetime) -> Found:
    """A TuningJob and those of the TuningTrials that are its own. Raises Unreadable."""
    try:
        metadata = body["metadata"]
        uid, namespace = str(metadata.get("uid", "")), str(metadata.get("namespace", ""))
        owner = state.Job(
            name=metadata["name"],
            uid=uid,
            generation=metadata.get("generation", 1),
            spec=job.JobSpec.model_validate(dict(body["spec"]), extra="ignore"),
            status=job.JobStatus.model_validate(dict(body.get("status") or {}), extra="ignore"),
        )
        pairs = [(_trial(one), one) for one in trials if _belongs(one, metadata)]
    except (KeyError, TypeError, ValueError, AttributeError, pydantic.ValidationError) as error:
        raise Unreadable(_why(error)) from error
    pairs.sort(key=lambda pair: pair[0].number)
    made = {item.number: moment for item, one in pairs if (moment := _moment(one["metadata"].get("creationTimestamp")))}
    snapshot = state.Snapshot(job=owner, trials=tuple(item for item, _ in pairs), now=now)
    return Found(snapshot, namespace, made)


def jobs(documents: Iterable[Any]) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """The TuningJobs and the TuningTrials among documents, also inside Lists."""
    owners: list[Mapping[str, Any]] = []
    trials: list[Mapping[str, Any]] = []
    for document in documents:
        if not isinstance(document, Mapping):
            continue
        if isinstance(document.get("items"), list):
            inner = jobs(document["items"])
            owners, trials = owners + inner[0], trials + inner[1]
        elif document.get("kind") == "TuningJob":
            owners.append(document)
        elif document.get("kind") == "TuningTrial":
            trials.append(document)
    return owners, trials


def _belongs(body: Mapping[str, Any], owner: Mapping[str, Any]) -> bool:
    parent = body["spec"]["job"]
    same = body["metadata"].get("namespace", "") == owner.get("namespace", "")
    return bool(same and parent["name"] == owner["name"] and parent["uid"] == owner.get("uid", parent["uid"]))


def _trial(body: Mapping[str, Any]) -> state.Trial:
    status = trial.TrialStatus.model_validate(dict(body.get("status") or {}), extra="ignore")
    status, points = results.unpacked(status)
    return state.Trial(
        name=body["metadata"]["name"],
        uid=str(body["metadata"].get("uid", "")),
        spec=trial.TrialSpec.model_validate(dict(body["spec"]), extra="ignore"),
        status=status,
        curves=results.recorded(points),
    )


def _moment(text: Any) -> datetime.datetime | None:
    return datetime.datetime.fromisoformat(str(text).replace("Z", "+00:00")) if text else None


def _why(error: Exception) -> str:
    match error:
        case pydantic.ValidationError():
            first = error.errors(include_url=False)[0]
            return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        case KeyError():
            return f"{error.args[0]} is missing"
        case _:
            return str(error)
