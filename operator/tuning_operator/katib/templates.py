"""The trial's template: a Job's Pod, or the replicas of a Kubeflow training job where all are the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from tuning_operator.api import document
from tuning_operator.api.errors import SpecError, join, quoted
from tuning_operator.api.template import TRIAL
from tuning_operator.katib import experiment, placeholders
from tuning_operator.katib.findings import Findings

PATH = "spec.trialTemplate"
SPEC = f"{PATH}.trialSpec"

REPLICAS = {"PyTorchJob": "pytorchReplicaSpecs", "TFJob": "tfReplicaSpecs", "XGBoostJob": "xgbReplicaSpecs"}
"""Kinds of Kubeflow whose Pods differ in nothing but their rank, and where they list them."""

ALIKE = frozenset({"Master", "Worker", "Chief"})
"""Roles that are nothing but ranks. A parameter server or an evaluator does something else."""

RESTARTS = "a trial whose own code fails is not run again; trial.retries is for Pods that are lost"
NO_NEED: Mapping[str, str] = {
    "backoffLimit": RESTARTS,
    "ttlSecondsAfterFinished": "Pods go with their trial and their job",
    "cleanPodPolicy": "Pods go with their trial and their job",
    "manualSelector": "Pods are found by their owner",
    "completionMode": "a trial is one completion",
    "podReplacementPolicy": "a lost Pod is replaced once it is gone",
    "podFailurePolicy": "whose fault it was is told apart anyway: lost Pods cost no failure",
    "suspend": "see spec.suspend of the TuningJob",
    "nprocPerNode": "start the processes of one Pod in its command, such as torchrun --nproc-per-node",
    "elasticPolicy": "the number of workers is fixed",
    "schedulingPolicy": "the workers of a trial start together or not at all",
    "runLauncherAsNode": "there is no launcher",
}
"""Fields that mean nothing here, and why; every other one is an error."""


@dataclasses.dataclass(frozen=True, slots=True)
class Converted:
    """A Pod template with the rest of what a trial's template says."""

    template: dict[str, Any]
    workers: int = 1
    max_duration: str = ""


def source(
    given: experiment.TrialTemplate | None, config_maps: Mapping[tuple[str, str], Mapping[str, Any]], found: Findings
) -> dict[str, Any] | None:
    """The trialSpec, wherever it stands; `config_maps` are those at hand, by namespace and name."""
    if given is None:
        found.error(PATH, "required field is missing", "say what a trial runs")
        return None
    if given.trial_spec is not None and given.config_map is not None:
        found.error(PATH, "only one of trialSpec and configMap may be given", "remove one")
        return None
    if given.trial_spec is not None:
        return given.trial_spec
    place = given.config_map
    if place is None:
        found.error(f"{PATH}.trialSpec", "required field is missing", "say what a trial runs")
        return None
    if not (place.config_map_name and place.config_map_namespace and place.template_path):
        found.error(f"{PATH}.configMap", "name, namespace and templatePath are required", "write all three")
        return None
    return _from_config_map(place, config_maps, found)


def _from_config_map(
    place: experiment.ConfigMap, config_maps: Mapping[tuple[str, str], Mapping[str, Any]], found: Findings
) -> dict[str, Any] | None:
    where = f"{place.config_map_namespace}/{place.config_map_name}"
    data = config_maps.get((place.config_map_namespace, place.config_map_name))
    if data is None:
        command = f"kubectl get configmap -n {place.config_map_namespace} {place.config_map_name} -o yaml"
        mend = f"append it to the file as a document of its own ({command})"
        found.error(f"{PATH}.configMap", f"the ConfigMap {where} is not at hand", mend)
        return None
    text = data.get(place.template_path)
    if not isinstance(text, str):
        found.error(f"{PATH}.configMap.templatePath", f"{where} has no {place.template_path}", "write one of its keys")
        return None
    try:
        (spec,) = document.load(text)
    except (SpecError, ValueError) as error:
        found.error(f"{PATH}.configMap.templatePath", f"what {where} holds is no template: {error}", "mend it")
        return None
    return dict(spec) if isinstance(spec, Mapping) else None


def convert(
    given: experiment.TrialTemplate, trial_spec: Mapping[str, Any], filler: placeholders.Filler, found: Findings
) -> Converted | None:
    """The template of a trial; None where there is none of that meaning."""
    kind, version = trial_spec.get("kind"), trial_spec.get("apiVersion")
    metadata = trial_spec.get("metadata") or {}
    if metadata.get("name") or metadata.get("namespace"):
        found.error(f"{SPEC}.metadata", "name and namespace are given by the operator", "remove them")
    if not kind or not version:
        found.error(SPEC, "apiVersion and kind are required", "write both")
        return None
    _remarks(given, str(kind), found)
    if not isinstance(trial_spec.get("spec"), Mapping):
        found.error(f"{SPEC}.spec", "required field is missing", "say what a trial runs")
    elif (kind, version) == ("Job", "batch/v1"):
        return _job(given, trial_spec["spec"], filler, found)
    elif kind in REPLICAS and str(version).startswith("kubeflow.org/"):
        return _replicas(given, trial_spec["spec"], REPLICAS[str(kind)], filler, found)
    else:
        served = ", ".join(("batch/v1 Job", *(f"kubeflow.org {name}" for name in REPLICAS)))
        mend = f"a trial is a Pod, or several that are alike: write one of {served}"
        found.error(f"{SPEC}.kind", f"{version} {kind} has no equivalent", mend)
    return None


def _remarks(given: experiment.TrialTemplate, kind: str, found: Findings) -> None:
    if not given.primary_container_name:
        found.error(f"{PATH}.primaryContainerName", "required field is missing", "name the container that trains")
    for name, text, word in (
        ("successCondition", given.success_condition, "Complete"),
        ("failureCondition", given.failure_condition, "Failed"),
    ):
        usual = (word, "Succeeded") if kind in REPLICAS else (word,)
        if text and not any(f'"{each}"' in text for each in usual):
            found.error(f"{PATH}.{name}", "a trial succeeds when its container ends with exit status 0", "remove it")
    if given.primary_pod_labels:
        found.warn(f"{PATH}.primaryPodLabels", "not needed: the first of several workers reports")
    if given.retain:
        found.warn(f"{PATH}.retain", "Pods are kept as long as their job is")


def _job(
    given: experiment.TrialTemplate, spec: Mapping[str, Any], filler: placeholders.Filler, found: Findings
) -> Converted | None:
    path = f"{SPEC}.spec"
    for name in ("parallelism", "completions"):
        if spec.get(name) not in (None, 1):
            found.error(f"{path}.{name}", "a trial is one Pod, or workers that start together", "remove it")
    duration = _leftovers(spec, path, ("template", "parallelism", "completions"), found)
    pod = _pod(given, spec.get("template"), f"{path}.template", filler, found)
    return None if pod is None else Converted(pod, 1, duration)


def _replicas(
    given: experiment.TrialTemplate,
    spec: Mapping[str, Any],
    field: str,
    filler: placeholders.Filler,
    found: Findings,
) -> Converted | None:
    roles = spec.get(field)
    path = f"{SPEC}.spec.{field}"
    if not isinstance(roles, Mapping) or not roles:
        found.error(path, "required field is missing", "list the replicas")
        return None
    duration = _leftovers(spec, f"{SPEC}.spec", (field, "runPolicy"), found)
    policy = spec.get("runPolicy")
    if isinstance(policy, Mapping):
        duration = _leftovers(policy, f"{SPEC}.spec.runPolicy", (), found) or duration
    total, first = 0, None
    for role, replica in roles.items():
        place = join(path, role)
        if role not in ALIKE or not isinstance(replica, Mapping):
            found.error(place, f"{quoted(role)} does something else than train", f"keep {', '.join(sorted(ALIKE))}")
            continue
        for name in sorted(replica.keys() - {"replicas", "template", "restartPolicy"}):
            found.error(join(place, name), "unknown field", "remove it")
        if replica.get("restartPolicy") not in (None, "Never"):
            found.warn(f"{place}.restartPolicy", RESTARTS)
        replicas = replica.get("replicas", 1)
        if type(replicas) is not int or replicas < 1:
            found.error(f"{place}.replicas", f"{replicas!r} is no number of Pods", "write at least 1")
            continue
        total += replicas
        pod = _pod(given, replica.get("template"), f"{place}.template", filler, found)
        if first is None:
            first = pod
        elif pod is not None and pod != first:
            message = "it differs from the first one, and all workers of a trial are alike"
            found.error(f"{place}.template", message, "make them the same; workers find their rank in RANK")
    return None if first is None else Converted(first, total, duration)


def _leftovers(spec: Mapping[str, Any], path: str, taken: tuple[str, ...], found: Findings) -> str:
    """Tells of the fields that a Pod has not; answers the time that a trial may take."""
    duration = ""
    for name in sorted(spec.keys() - set(taken)):
        place = join(path, name)
        if name == "activeDeadlineSeconds" and type(spec[name]) is int and spec[name] > 0:
            duration = f"{spec[name]}s"
            found.warn(place, "it is trial.maxDuration, which counts from the start of the container")
        elif name in NO_NEED:
            found.warn(place, f"left out: {NO_NEED[name]}")
        else:
            found.error(place, "has no equivalent", "remove it")
    return duration


def _pod(
    given: experiment.TrialTemplate, pod: Any, path: str, filler: placeholders.Filler, found: Findings
) -> dict[str, Any] | None:
    spec = pod.get("spec") if isinstance(pod, Mapping) else None
    containers = spec.get("containers") if isinstance(spec, Mapping) else None
    if not isinstance(containers, list) or not all(isinstance(item, Mapping) for item in containers):
        found.error(f"{path}.spec.containers", "a list of containers is needed", "list the one that trains")
        return None
    assert isinstance(spec, Mapping)
    primary = next((item for item in containers if item.get("name") == given.primary_container_name), None)
    if primary is None:
        if given.primary_container_name:
            message = f"the template has no container {quoted(given.primary_container_name)}"
            found.error(f"{PATH}.primaryContainerName", message, "name one of its containers")
        return None
    if any(item.get("name") == TRIAL for item in containers if item is not primary):
        found.error(f"{path}.spec.containers", f"{TRIAL} is the name of the one that trains", "rename the other one")
    place = f"{path}.spec.containers"
    filled = [filler.container(primary, join(place, containers.index(primary)))]
    filled += [filler.fill(item, join(place, index)) for index, item in enumerate(containers) if item is not primary]
    rest = {key: filler.fill(item, join(path, "spec", key)) for key, item in spec.items() if key != "containers"}
    if rest.get("restartPolicy") not in (None, "Never"):
        found.warn(f"{path}.spec.restartPolicy", RESTARTS)
        del rest["restartPolicy"]
    if placeholders.NAMESPACE in filler.variables():
        reference = {"name": placeholders.NAMESPACE, "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
        filled[0] = {**filled[0], "env": [reference, *(filled[0].get("env") or [])]}
    above = {key: filler.fill(item, join(path, key)) for key, item in pod.items() if key != "spec"}
    return {**above, "spec": {**rest, "containers": filled}}
