"""What a trial's process finds in its environment; the same on a cluster and on one machine."""

from __future__ import annotations

import json

from tuning_operator.tuner import state


def of_trial(owner: state.Job, item: state.Trial, attempt: int, metrics_file: str) -> dict[str, str]:
    """The environment of one attempt: each parameter as ``HP_<name>``, all of them as JSON, and where to report."""
    parameters = item.spec.parameters
    return {
        **{f"HP_{name}": str(value) for name, value in parameters.items()},
        "TUNING_PARAMETERS": json.dumps(parameters),
        "TUNING_METRICS_FILE": metrics_file,
        "TUNING_JOB": owner.name,
        "TUNING_TRIAL": item.name,
        "TUNING_TRIAL_NUMBER": str(item.number),
        "TUNING_ATTEMPT": str(attempt),
        **({"TUNING_PROFILE": item.spec.profile} if item.spec.profile else {}),
    }
