"""A finished job once more, in virtual time, under another stopping rule.

The same tuner decides, and each trial reports what it has reported before. So it can be seen what a rule would have saved,
and whether it would have ended the best trial, before it is trusted with a job that takes a week.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from tuning_operator.api import job, trial
from tuning_operator.search import suggest
from tuning_operator.simulation import fates, run, shell, world
from tuning_operator.stopping import curve
from tuning_operator.tuner import standing, state

STARTING = "ContainerCreating"


@dataclasses.dataclass(frozen=True, slots=True)
class Recording:
    """A trial as it was: its configuration, its curves by metric, and how many seconds it took."""

    parameters: dict[str, int | float | str]
    curves: dict[str, curve.Curve]
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the job in the simulation. Times are in seconds."""

    seconds: float
    """From the start to the end."""
    trial_seconds: float
    """What all trials took together."""
    stopped: int
    best: float | None
    lives: tuple[tuple[int, float, float], ...]
    """Trials as (number, when its process started, when it ended)."""


def recordings(spec: job.JobSpec, trials: Sequence[state.Trial]) -> list[Recording]:
    """The trials that ran to their end and have reported the objectives step by step, in order."""
    metrics = [objective.metric for objective in spec.objectives]
    found: list[Recording] = []
    for item in trials:
        begun, ended = item.status.start_time, item.status.completion_time
        curves = {name: item.curves[name] for name in metrics if len(item.curves.get(name, ())) > 1}
        if item.status.phase is trial.TrialPhase.SUCCEEDED and begun and ended and len(curves) == len(metrics):
            found.append(Recording(dict(item.spec.parameters), curves, max(1.0, (ended - begun).total_seconds())))
    return found


def replay(
    spec: job.JobSpec, recorded: Sequence[Recording], early: job.EarlyStopping | None, start: float = 0.0
) -> Outcome:
    """The job with another stopping rule; `start` are the seconds that a trial takes before its process runs."""
    limits = spec.limits.model_copy(update={"max_trials": len(recorded), "max_duration": None, "max_failed_trials": 0})
    wanted = spec.model_copy(
        update={"early_stopping": early, "limits": limits, "trial": job.Trial(), "suspend": False, "stop": False}
    )

    def fate(number: int, _: int) -> fates.Fate:
        known = recorded[number]
        waits = ((STARTING, start),) if start else ()
        return fates.Fate(curves=known.curves, waits=waits, runs=known.seconds)

    def propose(requests: Sequence[suggest.Request]) -> tuple[suggest.Suggestion, ...]:
        return tuple(suggest.Suggestion(recorded[one.number].parameters, trial.Origin.RANDOM) for one in requests)

    around = world.World(wanted, fate)
    run.run(around, lambda: shell.Shell(around, propose))
    return _outcome(wanted, around)


def _outcome(spec: job.JobSpec, around: world.World) -> Outcome:
    lives = tuple(
        (number, life.started, min(life.ended, life.stopped))
        for number, attempts in sorted(around.lives.items())
        for life in attempts.values()
        if life.started < math.inf
    )
    best = standing.best(standing.candidates(spec, around.observe()))
    return Outcome(
        seconds=max((ended for _, _, ended in lives), default=0.0),
        trial_seconds=math.fsum(ended - began for _, began, ended in lives),
        stopped=sum(item.status.phase is trial.TrialPhase.STOPPED for item in around.observe()),
        best=best.values[spec.objectives[0].metric] if best is not None else None,
        lives=lives,
    )
