"""Builders for Experiments of Katib's: each makes a good one, and the test says what is other."""

from __future__ import annotations

from typing import Any

from tests.builders import merged

Manifest = dict[str, Any]

CONTAINER = "training-container"


def double(name: str = "lr", low: str = "0.01", high: str = "0.03", **space: Any) -> Manifest:
    """A parameter of type double."""
    return parameter(name, "double", min=low, max=high, **space)


def parameter(name: str, kind: str, **space: Any) -> Manifest:
    """A parameter."""
    return {"name": name, "parameterType": kind, "feasibleSpace": space}


def uses(**references: str) -> list[Manifest]:
    """The `trialParameters`: what each name refers to."""
    return [{"name": name, "description": name, "reference": target} for name, target in references.items()]


def container(*arguments: str, **fields: Any) -> Manifest:
    """The container that trains."""
    command = ["python3", "/opt/train.py", *arguments]
    return {"name": CONTAINER, "image": "docker.io/example/train:1", "command": command, **fields}


def job(*containers: Manifest, **spec: Any) -> Manifest:
    """A trialSpec of kind Job."""
    pod = {"containers": list(containers) or [container("--lr=${trialParameters.learningRate}")]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "spec": {"template": {"spec": {**pod, "restartPolicy": "Never"}}, **spec},
    }


def replicas(kind: str, field: str, **roles: Any) -> Manifest:
    """A trialSpec of one of Kubeflow's kinds."""
    return {"apiVersion": "kubeflow.org/v1", "kind": kind, "spec": {field: roles}}


def replica(count: int, *containers: Manifest, policy: str = "OnFailure") -> Manifest:
    """The replicas of one role."""
    return {"replicas": count, "restartPolicy": policy, "template": {"spec": {"containers": list(containers)}}}


def file(path: str = "/katib/metrics.log", form: str | None = "JSON", **source: Any) -> Manifest:
    """A collector that reads a file, which is what every version serves."""
    place = {"path": path, "kind": "File"} | ({} if form is None else {"format": form})
    return {"collector": {"kind": "File"}, "source": {"fileSystemPath": place, **source}}


def experiment(name: str = "fake", trial_spec: Manifest | None = None, **spec: Any) -> Manifest:
    """An Experiment with one parameter; `spec` is laid over its spec, where None removes."""
    body: Manifest = {
        "objective": {"type": "maximize", "goal": 0.99, "objectiveMetricName": "accuracy"},
        "algorithm": {"algorithmName": "random"},
        "parallelTrialCount": 3,
        "maxTrialCount": 12,
        "maxFailedTrialCount": 3,
        "metricsCollectorSpec": file(),
        "parameters": [double()],
        "trialTemplate": {
            "primaryContainerName": CONTAINER,
            "trialParameters": uses(learningRate="lr"),
            "trialSpec": trial_spec
            or job(container("--lr=${trialParameters.learningRate}", "--log=/katib/metrics.log")),
        },
    }
    metadata = {"name": name, "namespace": "kubeflow"}
    return {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": metadata,
        "spec": merged(body, spec),
    }
