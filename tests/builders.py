"""Manifests for tests of all layers: each builder makes something valid, and the test says only what it cares for."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

API_VERSION = "tuning-operator.dev/v1alpha1"
IMAGE = "localhost/python-base:dev"

Manifest = dict[str, Any]


def real(name: str = "x", low: float = 0.0, high: float = 1.0, **fields: Any) -> Manifest:
    """A float parameter."""
    return {"name": name, "type": "float", "min": low, "max": high, **fields}


def whole(name: str = "n", low: int = 1, high: int = 8, **fields: Any) -> Manifest:
    """An int parameter."""
    return {"name": name, "type": "int", "min": low, "max": high, **fields}


def choice(name: str = "kernel", *values: int | str, **fields: Any) -> Manifest:
    """A categorical parameter."""
    return {"name": name, "type": "categorical", "values": list(values or ("rbf", "poly")), **fields}


def objective(metric: str = "accuracy", goal: str = "maximize", **fields: Any) -> Manifest:
    """An objective."""
    return {"metric": metric, "goal": goal, **fields}


def template(command: list[str] | None = None, *, image: str = IMAGE, **spec: Any) -> Manifest:
    """A Pod template with one container, named trial; `spec` are further fields of the Pod's spec."""
    container = {"name": "trial", "image": image, "command": command or ["true"]}
    return {"spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container], **spec}}


def job(
    name: str = "job",
    *,
    algorithm: str = "random",
    trials: int | None = 3,
    parallel: int = 1,
    seed: int = 7,
    parameters: list[Manifest] | None = None,
    placement: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Manifest:
    """A TuningJob. `placement` are fields of the Pod's spec that say where it runs; `spec` replaces fields of the spec,
    where a mapping is merged into what is there.
    """
    limits = {"parallelTrials": parallel} | ({} if trials is None else {"maxTrials": trials})
    body: Manifest = {
        "objectives": [objective()],
        "parameters": parameters or [real("x"), whole("n"), choice("kernel")],
        "search": {"algorithm": algorithm, "seed": seed},
        "limits": limits,
        "template": template(**(placement or {})),
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "TuningJob",
        "metadata": {"name": name},
        "spec": merged(body, spec),
    }


def trial_pod(
    name: str = "job-0-1",
    *,
    number: int = 0,
    attempt: int = 1,
    parameters: Mapping[str, Any] | None = None,
    placement: Mapping[str, Any] | None = None,
    sidecar: bool = True,
    token: str = "secret",
    **spec: Any,
) -> Manifest:
    """A Pod as the operator makes it for a trial, with a classic sidecar; `spec` replaces fields of its spec."""
    values = {"x": 0.5} if parameters is None else dict(parameters)
    environment = {
        **{f"HP_{key}": str(value) for key, value in values.items()},
        "TUNING_PARAMETERS": json.dumps(values),
        "TUNING_METRICS_FILE": "/tuning-metrics/metrics.jsonl",
        "TUNING_JOB": "job",
        "TUNING_TRIAL": f"job-{number}",
        "TUNING_TRIAL_NUMBER": str(number),
        "TUNING_ATTEMPT": str(attempt),
    }
    mount = [{"name": "tuning-metrics", "mountPath": "/tuning-metrics"}]
    trial = {"name": "trial", "image": IMAGE, "env": _variables(environment), "volumeMounts": mount}
    beside = {
        "name": "tuning-sidecar",
        "image": IMAGE,
        "env": _variables({"TUNING_SIDECAR_TOKEN": token}),
        "volumeMounts": mount,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {
                "tuning-operator.dev/job": "job",
                "tuning-operator.dev/job-uid": "0",
                "tuning-operator.dev/trial-number": str(number),
                "tuning-operator.dev/attempt": str(attempt),
            },
        },
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "volumes": [{"name": "tuning-metrics", "emptyDir": {}}],
            "containers": [trial, beside] if sidecar else [trial],
            **(placement or {}),
            **spec,
        },
    }


def merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> Manifest:
    """`base` with `change` laid over it: mappings are merged, anything else is replaced, and None removes."""
    result = copy.deepcopy(dict(base))
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def _variables(environment: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in environment.items()]
