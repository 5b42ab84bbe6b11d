"""Jobs, trials and snapshots for tests of the tuner: each builder makes something sound, and a test says what matters."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from tests import builders
from tuning_operator.api import job, manifest, trial
from tuning_operator.search import suggest
from tuning_operator.simulation import fates
from tuning_operator.tuner import actions, plan, report, state
from tuning_trial import summary

NOW = fates.moment(1000.0)
METRIC = "accuracy"


def spec(**fields: Any) -> job.JobSpec:
    """The spec of a job; `fields` as for `builders.job`."""
    return manifest.parse(builders.job(**fields)).spec


def ago(seconds: float) -> datetime.datetime:
    """A moment before `NOW`."""
    return NOW - datetime.timedelta(seconds=seconds)


def attempt(phase: str = "Running", number: int = 1, **fields: Any) -> state.Attempt:
    """An attempt as observed; one that runs began ten seconds ago."""
    times: dict[str, Any] = {}
    if phase != "Waiting":
        times["started"] = ago(10)
    if phase in ("Succeeded", "Failed", "Lost"):
        times["ended"] = ago(1)
    return state.Attempt(number, trial.AttemptPhase(phase), **{"node": "node", **times, **fields})


def reported(**metrics: float) -> summary.Summary:
    """What a sidecar hands over for a trial that reported each metric once."""
    return summary.Summary(
        {
            name: summary.Metric(count=1, first=value, last=value, min=value, max=value, mean=value)
            for name, value in metrics.items()
        },
        rows=len(metrics),
    )


def succeeded(**fields: Any) -> state.Attempt:
    """An attempt that ended well and reported an accuracy of 0.5."""
    return attempt("Succeeded", **{"summary": reported(accuracy=0.5), "exit_code": 0, **fields})


def one(number: int = 0, phase: str = "Pending", seen: state.Attempt | None = None, **status: Any) -> state.Trial:
    """A trial. One that ended, did so `number` seconds after the first; a succeeded one had an accuracy of 0.5."""
    known: dict[str, Any] = {"phase": trial.TrialPhase(phase)}
    if known["phase"].is_finished():
        known["completion_time"] = ago(100 - number)
    if phase == "Succeeded":
        known["values"] = {METRIC: 0.5}
    if phase == "Running":
        known["attempts"] = [record(1, "Running")]
    based_on = status.pop("based_on", "")
    return state.Trial(
        name=f"job-{number}",
        uid=f"uid-{number}",
        spec=trial.TrialSpec(
            job=trial.ParentJob(name="job", uid="uid"),
            number=number,
            parameters={"x": number / 100, "n": 1, "kernel": "rbf"},
            origin=trial.Origin.RANDOM,
            based_on=based_on,
        ),
        status=trial.TrialStatus(**{**known, **status}),
        attempt=seen,
    )


def record(number: int, phase: str, **fields: Any) -> trial.AttemptStatus:
    """An attempt as recorded in a trial's status."""
    return trial.AttemptStatus(number=number, phase=trial.AttemptPhase(phase), **fields)


def snapshot(*trials: state.Trial, wanted: job.JobSpec | None = None, **fields: Any) -> state.Snapshot:
    """A job that began 100 seconds ago, with these trials, whose status is as the tuner would have it."""
    wanted = wanted or spec()
    status = fields.pop("status", None)
    begun = job.JobStatus(spec_digest=report.digest(wanted), start_time=ago(100), active_since=ago(100))
    owner = state.Job("job", "uid", 1, wanted, begun)
    bare = state.Snapshot(job=owner, trials=trials, now=NOW, **fields)
    return dataclasses.replace(bare, job=dataclasses.replace(owner, status=status or report.status(bare, None)))


def proposal(number: int, *based_on: int) -> state.Proposal:
    """A proposal for a trial, with the results that it knew."""
    configuration: dict[str, int | float | str] = {"x": number / 100, "n": 1, "kernel": "rbf"}
    return state.Proposal(number, suggest.Suggestion(configuration, trial.Origin.RANDOM), frozenset(based_on))


def planned(seen: state.Snapshot) -> tuple[actions.Action, ...]:
    """The actions of the plan."""
    return plan.plan(seen).actions


def words(taken: Sequence[actions.Action]) -> list[str]:
    """Actions in short, such as ``start job-0/1``; what people are told is left out."""
    return [word for action in taken if (word := _word(action))]


def _word(action: actions.Action) -> str:
    match action:
        case actions.Suggest():
            return "suggest " + " ".join(f"{number}:{sorted(known)}" for number, known in action.wanted)
        case actions.CreateTrial():
            return f"create {action.proposal.number}"
        case actions.StartAttempt():
            return f"start {action.trial.name}/{action.number}"
        case actions.StopAttempt():
            return f"stop {action.trial.name}"
        case actions.Collect():
            return f"collect {action.trial.name}"
        case actions.RecordTrial():
            return f"record {action.trial.name} {action.status.phase} {action.status.reason}".strip()
        case actions.RecordJob():
            return f"job {action.status.phase}"
        case actions.Announce() | actions.Study():
            return ""


def fingerprint(batch: Sequence[suggest.Request]) -> tuple[suggest.Suggestion, ...]:
    """A search whose suggestions depend on all that it is told: whatever is told otherwise, shows."""
    answers: list[suggest.Suggestion] = []
    for request in batch:
        told = {
            "number": request.number,
            "seed": request.seed,
            "results": [[r.number, dict(r.configuration), r.outcome, r.values] for r in request.results],
            "pending": [[p.number, dict(p.configuration)] for p in request.pending]
            + [[b.number, dict(a.configuration)] for b, a in zip(batch, answers, strict=False)],
        }
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
        configuration: dict[str, int | float | str] = {"x": int(digest[:8], 16) / 2**32, "n": 1, "kernel": "rbf"}
        answers.append(suggest.Suggestion(configuration, trial.Origin.RANDOM))
    return tuple(answers)
