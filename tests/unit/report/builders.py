"""Jobs to look at: trials with curves, waits, losses and early ends, all made from a seed."""

from __future__ import annotations

import datetime
import math
import random
from typing import Any

from tests import builders
from tuning_operator.api import job, trial
from tuning_operator.report import view
from tuning_operator.stopping import curve
from tuning_operator.tuner import report, state

START = datetime.datetime(2026, 11, 21, 9, 30, tzinfo=datetime.UTC)
PROFILES = [
    {"name": "gpu", "resources": {"limits": {"nvidia.com/gpu": 1, "cpu": 4}}, "cost": 3},
    {"name": "cpu", "resources": {"requests": {"cpu": "8"}}},
]


def at(seconds: float) -> datetime.datetime:
    """A moment of the job."""
    return START + datetime.timedelta(seconds=seconds)


def spec(**fields: Any) -> job.JobSpec:
    """A job over five parameters."""
    parameters = [
        builders.real("lr", 1e-5, 0.1, scale="log"),
        builders.whole("layers", 1, 8),
        builders.choice("optimizer", "adam", "sgd", "adamw"),
        builders.real("momentum", 0.0, 0.99, when={"optimizer": ["sgd"]}),
        builders.real("dropout", 0.0, 0.6),
    ]
    manifest = builders.job(parameters=parameters, trials=60, parallel=6)
    return job.JobSpec.model_validate(builders.merged(manifest["spec"], fields))


def one(
    number: int, *, begun: float = 0.0, ran: float = 10.0, waited: float = 0.0, phase: str = "Succeeded", **fields: Any
) -> state.Trial:
    """A trial; `fields` are those of its status, but parameters, profile and curves."""
    ended = trial.TrialPhase(phase).is_finished()
    runs = phase != "Pending"
    attempt = trial.AttemptStatus(
        number=1,
        phase=trial.AttemptPhase.RUNNING
        if not ended
        else trial.AttemptPhase.FAILED
        if phase == "Failed"
        else trial.AttemptPhase.SUCCEEDED,
        node="node-1",
        profile=fields.pop("profile", ""),
        start_time=at(begun),
        completion_time=at(begun + ran) if ended else None,
    )
    return state.Trial(
        name=f"job-abc123-{number}",
        uid=f"uid-{number}",
        spec=trial.TrialSpec(
            job=trial.ParentJob(name="job", uid="uid"),
            number=number,
            parameters=fields.pop("parameters", {"lr": 0.01}),
            origin=trial.Origin.MODEL,
        ),
        curves=fields.pop("curves", {}),
        status=trial.TrialStatus(
            phase=trial.TrialPhase(phase),
            attempts=fields.pop("attempts", [attempt] if runs else []),
            waiting_since=at(begun - waited) if waited else None,
            start_time=at(begun) if runs else None,
            completion_time=at(begun + ran) if ended else None,
            **fields,
        ),
    )


def snapshot(*trials: state.Trial, now: float = 100.0, **fields: Any) -> state.Snapshot:
    """A job with these trials, its status as the tuner would write it."""
    owner = state.Job("job", "uid", 1, spec(**fields), job.JobStatus(start_time=START))
    draft = state.Snapshot(job=owner, trials=trials, now=at(now))
    told = report.status(draft, None)
    return state.Snapshot(job=state.Job("job", "uid", 1, owner.spec, told), trials=trials, now=at(now))


def study(
    count: int = 60, *, seed: int = 3, lanes: int = 6, profiles: bool = True, objectives: int = 1
) -> state.Snapshot:
    """A job as it may stand after a while: most trials have succeeded, some were stopped, failed or lost, some run."""
    chance = random.Random(seed)
    free = [0.0] * lanes
    trials = []
    for number in range(count):
        lane = min(range(lanes), key=free.__getitem__)
        waited = chance.random() * 20 if chance.random() < 0.3 else 0.0
        begun = free[lane] + waited
        trials.append(_trial(chance, number, begun, waited, profiles, objectives, count - number <= 3))
        ended = trials[-1].status.completion_time
        free[lane] = (ended - START).total_seconds() + 0.2 if ended else 1e9
    now = max(moment for moment in free if moment < 1e9)
    fields: dict[str, Any] = {"profiles": PROFILES} if profiles else {}
    if objectives == 2:
        fields["objectives"] = [builders.objective("accuracy"), builders.objective("latency_ms", "minimize")]
    return snapshot(*trials, now=now, limits={"maxTrials": count + 20, "parallelTrials": lanes}, **fields)


def _trial(
    chance: random.Random, number: int, begun: float, waited: float, profiles: bool, objectives: int, runs: bool
) -> state.Trial:
    parameters: dict[str, Any] = {
        "lr": 10 ** chance.uniform(-5, -1),
        "layers": chance.randint(1, 8),
        "optimizer": chance.choice(["adam", "sgd", "adamw"]),
        "dropout": chance.uniform(0, 0.6),
    }
    if parameters["optimizer"] == "sgd":
        parameters["momentum"] = chance.uniform(0, 0.99)
    goal = (
        0.97
        - 0.09 * abs(math.log10(parameters["lr"]) + 2.7)
        - 0.012 * abs(parameters["layers"] - 5)
        - 0.05 * parameters["dropout"]
    )
    goal = max(0.1, goal + chance.gauss(0, 0.01))
    steps = 40
    fate = chance.random()
    phase = "Running" if runs else "Failed" if fate < 0.07 else "Stopped" if fate < 0.4 and goal < 0.88 else "Succeeded"
    reached = {"Running": 14, "Failed": 6, "Stopped": chance.choice([5, 15])}.get(phase, steps)
    values = [goal - (goal - 0.1) * math.exp(-step / 6) + chance.gauss(0, 0.004) for step in range(1, reached + 1)]
    objective = {"accuracy": max(values)} if phase in ("Succeeded", "Stopped") else {}
    if objective and objectives == 2:
        objective["latency_ms"] = 4 + 3 * parameters["layers"] + chance.random() * 6
    reasons = {
        "Failed": ("NonZeroExit", "exit code 1: CUDA out of memory"),
        "Stopped": ("StoppedEarly", f"asha: below the top third at step {reached}"),
    }
    reason, message = reasons.get(phase, ("", ""))
    return one(
        number,
        begun=begun,
        ran=1.5 * reached + chance.random() * 6,
        waited=waited,
        phase=phase,
        reason=reason,
        message=message,
        parameters=parameters,
        profile=chance.choice(["gpu", "gpu", "cpu"]) if profiles else "",
        values=objective,
        curves={"accuracy": curve.Curve.of(*values)},
    )


def seen(taken: state.Snapshot, **extra: Any) -> view.View:
    """The view of a snapshot."""
    return view.of(taken, namespace="team-a", **extra)
