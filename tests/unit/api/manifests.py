"""Builders of manifests: one that is right in all fields, to be made wrong in one."""

from __future__ import annotations

import copy
from typing import Any

GOOD: dict[str, Any] = {
    "apiVersion": "tuning-operator.dev/v1alpha1",
    "kind": "TuningJob",
    "metadata": {"name": "digits", "namespace": "science"},
    "spec": {
        "objectives": [{"metric": "accuracy", "goal": "maximize", "target": 0.995, "from": "mean"}],
        "parameters": [
            {"name": "C", "type": "float", "min": 0.001, "max": 1000, "scale": "log"},
            {"name": "layers", "type": "int", "min": 1, "max": 8, "step": 1},
            {"name": "kernel", "type": "categorical", "values": ["rbf", "poly", 3]},
            {"name": "degree", "type": "int", "min": 2, "max": 5, "when": {"kernel": ["poly"]}},
        ],
        "constraints": ["layers * degree <= 20"],
        "outcomeConstraints": ["duration < 600"],
        "search": {
            "algorithm": "bayesian",
            "seed": 7,
            "settings": {"xi": 0.01},
            "startFrom": [{"C": 1, "kernel": "rbf"}],
        },
        "limits": {"maxTrials": 40, "parallelTrials": 4, "maxFailedTrials": 5, "maxUnfit": "20m", "maxDuration": "2h"},
        "profiles": [{"name": "cpu", "cost": 2, "resources": {"requests": {"cpu": 4, "memory": "8Gi"}}, "wait": "5m"}],
        "metrics": {"source": "file", "path": "out/metrics.txt", "format": "text", "pattern": r"(\w+)=([-+.\w]+)"},
        "trial": {"maxDuration": "30m", "retries": 3, "repeats": 2, "workers": 1},
        "template": {
            "metadata": {"labels": {"team": "vision"}},
            "spec": {
                "restartPolicy": "Never",
                "nodeSelector": {"disk": "ssd"},
                "containers": [
                    {
                        "name": "trial",
                        "image": "example.org/train:1",
                        "command": ["python3", "train.py"],
                        "args": ["--c", "$(HP_C)"],
                        "env": [{"name": "MODE", "value": "fast"}],
                        "resources": {"limits": {"cpu": 0.5, "memory": "1Gi"}},
                    }
                ],
            },
        },
        "suspend": False,
        "stop": False,
    },
}

MISSING = object()
"""In `changed`: take the field away."""


def good() -> dict[str, Any]:
    """A manifest in which every field is used and nothing is wrong."""
    return copy.deepcopy(GOOD)


def changed(path: str, value: Any) -> dict[str, Any]:
    """The good manifest with one field changed; `path` is such as ``spec.parameters.0.max``."""
    manifest = good()
    *parents, last = path.split(".")
    node: Any = manifest
    for step in parents:
        node = node[int(step)] if isinstance(node, list) else node.setdefault(step, {})
    if value is MISSING:
        del node[int(last) if isinstance(node, list) else last]
    elif isinstance(node, list):
        node[int(last) :] = [value, *node[int(last) + 1 :]]
    else:
        node[last] = value
    return manifest


def parameter(**fields: Any) -> dict[str, Any]:
    """The good manifest with one parameter only, called x."""
    return changed("spec", {**good()["spec"], "parameters": [{"name": "x", **fields}], "constraints": []})
