"""What is known about a Pod template without a server."""

from __future__ import annotations

import importlib.resources
import re
from typing import Any

import pytest

from tests.unit.api import podfields
from tests.unit.api.manifests import changed, good
from tuning_operator.api import template
from tuning_operator.api.errors import Problem

POD = "spec.template.spec"
TRIAL = f"{POD}.containers[0]"


def check(manifest: dict[str, Any]) -> list[str]:
    return [str(problem) for problem in template.check(manifest["spec"]["template"])]


def edited(path: str, value: Any) -> dict[str, Any]:
    return changed(f"spec.template.{path}", value)


def container(**fields: Any) -> dict[str, Any]:
    return edited("spec.containers.0", {"name": "trial", "image": "i"} | fields)


BAD = {
    "no containers": (
        edited("spec.containers", []),
        f"{POD}.containers: a trial needs a container; list one, with a name, an image and a command",
    ),
    "containers empty": (
        edited("spec.containers", None),
        f"{POD}.containers: a trial needs a container; list one, with a name, an image and a command",
    ),
    "containers as a mapping": (
        edited("spec.containers", {"name": "trial"}),
        f"{POD}.containers: a list is needed, this is a mapping; write a list",
    ),
    "a container without a name": (
        edited("spec.containers.0", {"image": "i"}),
        f"{TRIAL}.name: required field is missing; add it",
    ),
    "an unknown field of the Pod": (
        edited("spec.nodeSelecter", {}),
        f"{POD}.nodeSelecter: unknown field: Kubernetes 1.37 has none of this name here; did you mean nodeSelector?",
    ),
    "an unknown field deep down": (
        container(resources={"limit": {"cpu": 1}}),
        f"{TRIAL}.resources.limit: unknown field: Kubernetes 1.37 has none of this name here; did you mean limits?",
    ),
    "a field in the wrong place": (
        edited("restartPolicy", "Never"),
        "spec.template.restartPolicy: unknown field: Kubernetes 1.37 has none of this name here; "
        "write one of metadata, spec",
    ),
    "a number as a variable's value": (
        container(env=[{"name": "SEED", "value": 7}]),
        f"{TRIAL}.env[0].value: text is needed, this is the number 7; write it in quotes",
    ),
    "a boolean as a label": (
        edited("metadata.labels", {"gpu": True}),
        "spec.template.metadata.labels.gpu: text is needed, this is true; write it in quotes",
    ),
    "a command in one line": (
        container(command="python3 train.py"),
        f"{TRIAL}.command: a list is needed, this is the text 'python3 train.py'; write a list",
    ),
    "an amount that is none": (
        container(resources={"limits": {"nvidia.com/gpu": "one"}}),
        f"{TRIAL}.resources.limits[nvidia.com/gpu]: the text 'one' is not an amount; write one such as 500m, 2 or 16Gi",
    ),
    "a boolean in quotes": (
        edited("spec.hostNetwork", "true"),
        f"{POD}.hostNetwork: true or false is needed, this is the text 'true'; write true or false",
    ),
    "a fraction of a second": (
        edited("spec.terminationGracePeriodSeconds", 0.5),
        f"{POD}.terminationGracePeriodSeconds: a whole number is needed, this is the number 0.5; write a whole number",
    ),
    "a port that is a list": (
        container(livenessProbe={"httpGet": {"port": []}}),
        f"{TRIAL}.livenessProbe.httpGet.port: a whole number or text is needed, this is a list; "
        "write a whole number or text",
    ),
    "restartPolicy Always": (
        edited("spec.restartPolicy", "Always"),
        f"{POD}.restartPolicy: 'Always' would start a trial again that has ended; remove it, or write Never",
    ),
    "restartPolicy OnFailure": (
        edited("spec.restartPolicy", "OnFailure"),
        f"{POD}.restartPolicy: 'OnFailure' would start a trial again that has ended; remove it, or write Never",
    ),
    "the sidecar's name": (
        edited("spec.initContainers", [{"name": "tuning-sidecar"}]),
        f"{POD}.initContainers[0].name: tuning-sidecar is the name of what the operator adds; choose another name",
    ),
    "the volume's name": (
        edited("spec.volumes", [{"name": "tuning-metrics", "emptyDir": {}}]),
        f"{POD}.volumes[0].name: tuning-metrics is the name of what the operator adds; choose another name",
    ),
    "two containers of one name": (
        edited("spec.containers.1", {"name": "trial"}),
        f"{POD}.containers[1].name: the name 'trial' is taken already; choose another name",
    ),
    "a variable of ours": (
        container(env=[{"name": "A"}, {"name": "HP_C", "value": "1"}]),
        f"{TRIAL}.env[1].name: variables that begin with HP_ or TUNING_ are set by the operator; choose another name",
    ),
    "another variable of ours": (
        container(env=[{"name": "TUNING_JOB", "value": "1"}]),
        f"{TRIAL}.env[0].name: variables that begin with HP_ or TUNING_ are set by the operator; choose another name",
    ),
    "a mount of ours": (
        container(volumeMounts=[{"name": "v", "mountPath": "/tuning-metrics/sub"}]),
        f"{TRIAL}.volumeMounts[0].mountPath: /tuning-metrics is where the operator mounts the metrics; "
        "choose another path",
    ),
    "a label of ours": (
        edited("metadata.labels", {"tuning-operator.dev/job": "x"}),
        "spec.template.metadata.labels[tuning-operator.dev/job]: tuning-operator.dev/ is reserved; "
        "choose another prefix",
    ),
}


@pytest.mark.parametrize(("manifest", "line"), BAD.values(), ids=BAD)
def test_names_the_mistake(manifest: dict[str, Any], line: str) -> None:
    assert check(manifest) == [line]


GOOD = {
    "every field": good(),
    "volumes named like containers": edited("spec.volumes", [{"name": "trial", "emptyDir": {}}]),
    "a native sidecar of the user": edited("spec.initContainers", [{"name": "proxy", "restartPolicy": "Always"}]),
    "variables of ours in another container": edited(
        "spec.containers.1", {"name": "helper", "env": [{"name": "HP_C", "value": "1"}]}
    ),
    "empty fields": edited("spec.tolerations", None),
    "ports by name and by number": container(
        livenessProbe={"httpGet": {"port": "http"}}, readinessProbe={"tcpSocket": {"port": 80}}
    ),
    "a path that only looks like ours": container(volumeMounts=[{"name": "v", "mountPath": "/tuning-metrics-2"}]),
    "resource claims": edited("spec.resourceClaims", [{"name": "gpu", "resourceClaimTemplateName": "one"}]),
}


@pytest.mark.parametrize("manifest", GOOD.values(), ids=GOOD)
def test_finds_no_fault_with_a_good_template(manifest: dict[str, Any]) -> None:
    assert check(manifest) == []


@pytest.mark.parametrize(
    ("names", "index"),
    [(["main"], 0), (["trial"], 0), (["proxy", "trial"], 1), (["proxy", "main"], 0)],
)
def test_the_trial_is_the_container_of_that_name_or_else_the_first(names: list[str], index: int) -> None:
    containers = [{"name": name} for name in names]
    assert template.trial_container({"spec": {"containers": containers}}) is containers[index]


@pytest.mark.parametrize("value", [None, [], "text", 3, True, {"spec": []}, {"spec": {"containers": [None, 3]}}])
def test_survives_anything(value: Any) -> None:
    assert all(isinstance(problem, Problem) for problem in template.check(value))


def test_fields_are_those_of_the_newest_kubernetes() -> None:
    assert podfields.TARGET.read_text("utf-8") == podfields.render(), "run python -m tests.unit.api.podfields"
    assert f"v{template.KUBERNETES}." in podfields.SOURCE
    folder = importlib.resources.files("kubernetes_validate") / "kubernetes-json-schema"
    versions = [tuple(map(int, re.findall(r"\d+", item.name)[:2])) for item in folder.iterdir() if item.is_dir()]
    assert ".".join(map(str, max(versions))) == template.KUBERNETES, "kubernetes-validate knows a newer Kubernetes"
