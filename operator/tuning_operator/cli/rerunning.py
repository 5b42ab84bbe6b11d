"""A configuration once more, with several seeds: a job whose only parameter that varies is the seed. Pure."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from tuning_operator.api import job
from tuning_operator.api.job import API_VERSION
from tuning_operator.tuner import state

SEEDS = ("seed", "rerun_seed", "tuning_seed")
ORIGIN = "tuning-operator.dev/rerun-of"
LONGEST = 200


def manifest(owner: state.Job, item: state.Trial, times: int, namespace: str, name: str = "") -> dict[str, Any]:
    """The job that runs a trial's configuration `times` times; trials find 0, 1, … in HP_seed.

    All of them run: there is no target, no early stopping and no limit on failures.
    """
    spec = owner.spec
    taken = {parameter.name for parameter in spec.parameters}
    seed = next((one for one in SEEDS if one not in taken), f"seed_{owner.uid[:6]}")
    wire: dict[str, Any] = copy.deepcopy(spec.to_wire())
    keep = ("metrics", "trial", "template", "profiles", "queue", "outcomeConstraints")
    body = {
        "objectives": [_open(objective) for objective in wire["objectives"]],
        "parameters": [
            *(
                _fixed(one, item.spec.parameters[one.name])
                for one in spec.parameters
                if one.name in item.spec.parameters
            ),
            {"name": seed, "type": "int", "min": 0, "max": times - 1},
        ],
        "search": {"algorithm": "grid"},
        "limits": {
            "maxTrials": times,
            "parallelTrials": min(times, spec.limits.parallel_trials),
            "maxFailedTrials": times,
        },
        **{name: wire[name] for name in keep if wire.get(name)},
    }
    metadata = {"name": name or f"{owner.name[:LONGEST]}-rerun-{item.number}"}
    if namespace:
        metadata["namespace"] = namespace
    note = {"annotations": {ORIGIN: item.name}}
    return {"apiVersion": API_VERSION, "kind": "TuningJob", "metadata": {**metadata, **note}, "spec": body}


def _open(objective: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in objective.items() if name != "target"}


def _fixed(parameter: job.Parameter, value: int | float | str) -> dict[str, Any]:
    """A parameter that has one value."""
    if parameter.type in (job.ParameterType.FLOAT, job.ParameterType.INT):
        return {"name": parameter.name, "type": parameter.type.value, "min": value, "max": value}
    return {"name": parameter.name, "type": "categorical", "values": [value]}
