"""What a trial's process finds in its environment; the same on a cluster and on one machine."""

from __future__ import annotations

import json

from tuning_operator.api import job
from tuning_operator.tuner import repeats, state

WHERE = {
    job.MetricsSource.FILE: "TUNING_METRICS_FILE",
    job.MetricsSource.TENSORBOARD: "TUNING_TENSORBOARD_DIR",
    job.MetricsSource.PROMETHEUS: "TUNING_METRICS_PORT",
}
"""What tells a trial where to report, by the source of its metrics; what it prints needs no place."""


def of_trial(
    owner: state.Job, item: state.Trial, attempt: int, where: str, profile: str = "", checkpoints: str = ""
) -> dict[str, str]:
    """The environment of one attempt: each parameter as ``HP_<name>``, all of them as JSON, and where to report.

    `where` is, by the source of its metrics, a file, a folder, a port, or nothing. `profile` is the chosen one; the
    first where nobody chose. `checkpoints` is the trial's folder for them, empty where the job has none.
    """
    profile = profile or next((one.name for one in owner.spec.profiles), "")
    parameters = item.spec.parameters
    return {
        **{f"HP_{name}": str(value) for name, value in parameters.items()},
        "TUNING_PARAMETERS": json.dumps(parameters),
        **({variable: where} if (variable := WHERE.get(owner.spec.metrics.source)) else {}),
        "TUNING_JOB": owner.name,
        "TUNING_TRIAL": item.name,
        "TUNING_TRIAL_NUMBER": str(item.number),
        "TUNING_ATTEMPT": str(attempt),
        **({"TUNING_CHECKPOINT_DIR": checkpoints} if checkpoints else {}),
        **_limit(owner.spec.early_stopping),
        **({"TUNING_REPEAT": str(repeats.place(owner.spec, item.number))} if owner.spec.trial.repeats > 1 else {}),
        **({"TUNING_PROFILE": profile} if profile else {}),
    }


def _limit(rule: job.EarlyStopping | None) -> dict[str, str]:
    """How far the trial is to go, so that it can end there by itself."""
    return {} if rule is None or rule.max_steps is None else {"TUNING_MAX_STEPS": f"{rule.max_steps:.15g}"}
