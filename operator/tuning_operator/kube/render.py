"""The Pod of an attempt and the TuningTrial of a proposal, as manifests. Pure: same input, same bytes.

The user's template is changed as little as possible: the command is never touched. What is added is the environment,
the shared folder for metrics, the sidecar, the owner, and the security settings of Pod Security `restricted` wherever
the template is silent.
"""

from __future__ import annotations

import copy
import dataclasses
import enum
from collections.abc import Collection, Mapping
from typing import Any

from tuning_operator.api import job, sources, template, trial
from tuning_operator.kube import names, pods, volumes
from tuning_operator.tuner import environment, outcomes, state

METRICS_VOLUME = "tuning-metrics"
METRICS_FOLDER = "/tuning-metrics"
SHARED = frozenset({job.MetricsSource.FILE, job.MetricsSource.TENSORBOARD})
"""Sources for which trial and sidecar share a folder."""
PORT = sources.SIDECAR_PORT
MESSAGE_BYTES, POD_MESSAGE_BYTES = 4096, 12288
"""How much of termination messages the kubelet keeps: of one container, and of all containers of a Pod together."""
USER = 65532
"""The user that trials run as when neither template nor container names one: no image needs root to train."""


class SidecarMode(enum.StrEnum):
    """How the sidecar learns that the trial has ended."""

    NATIVE = "native"
    """It is an init container that restarts (Kubernetes 1.29 and newer): the kubelet ends it after the trial."""
    CLASSIC = "classic"
    """It is a second container, which the operator tells."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sidecar:
    """The sidecar's image and how it is run."""

    image: str
    mode: SidecarMode
    pull_policy: str = "IfNotPresent"


def trial_manifest(owner: state.Job, namespace: str, spec: trial.TrialSpec) -> dict[str, Any]:
    """The TuningTrial that records a proposal."""
    return {
        "apiVersion": job.API_VERSION,
        "kind": "TuningTrial",
        "metadata": {
            "name": names.trial(owner.name, owner.uid, spec.number),
            "namespace": namespace,
            "labels": _labels(owner, spec.number),
            "ownerReferences": [_owner("TuningJob", owner.name, owner.uid)],
        },
        "spec": spec.to_wire(),
    }


def pod_manifest(
    owner: state.Job,
    namespace: str,
    item: state.Trial,
    attempt: int,
    sidecar: Sidecar,
    profile: str = "",
    node: str = "",
    *,
    discard: Collection[int] = (),
) -> dict[str, Any]:
    """The Pod of one attempt of a trial, in the shape of a profile (the first one where none is named), and with a
    preference for the node on which it fits best. `discard` are trials whose checkpoints it removes on the way.
    """
    shape = next((one for one in owner.spec.profiles if profile in ("", one.name)), None)
    wanted = copy.deepcopy(owner.spec.template)
    spec: dict[str, Any] = wanted.get("spec") or {}
    chosen = template.trial_container(owner.spec.template)["name"]
    metadata = wanted.get("metadata") or {}
    _secure(spec)
    spec.setdefault("automountServiceAccountToken", False)
    spec.setdefault("enableServiceLinks", False)
    spec["restartPolicy"] = "Never"
    source = owner.spec.metrics.source
    if source in SHARED:
        spec["volumes"] = [*(spec.get("volumes") or []), {"name": METRICS_VOLUME, "emptyDir": {}}]
    for container in spec["containers"]:
        if container.get("name") == chosen:
            _equip(container, owner, item, attempt, shape.name if shape else "")
    if shape is not None:
        _profile(spec, chosen, shape)
    if node:
        _prefer(spec, node)
    if owner.spec.checkpoints is not None:
        volumes.add(spec, chosen, owner, item, discard, sidecar.image, sidecar.pull_policy)
    if source is not job.MetricsSource.STDOUT:
        _add_sidecar(spec, _sidecar(owner, namespace, item, sidecar, _message_bytes(spec)), sidecar.mode)
    labels = {**(metadata.get("labels") or {}), **_labels(owner, item.number), names.ATTEMPT_LABEL: str(attempt)}
    ours = {names.CONTAINER_ANNOTATION: chosen, names.SOURCE_ANNOTATION: str(source)}
    ours |= {names.PROFILE_ANNOTATION: shape.name} if shape else {}
    annotations = {**(metadata.get("annotations") or {}), **ours}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": names.pod(item.name, attempt),
            "namespace": namespace,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [_owner("TuningTrial", item.name, item.uid)],
        },
        "spec": spec,
    }


def _labels(owner: state.Job, number: int) -> dict[str, str]:
    return {
        names.JOB_LABEL: names.label(owner.name),
        names.JOB_UID_LABEL: owner.uid,
        names.NUMBER_LABEL: str(number),
    }


def _owner(kind: str, name: str, uid: str) -> dict[str, Any]:
    return {"apiVersion": job.API_VERSION, "kind": kind, "name": name, "uid": uid, "controller": True}


def _equip(container: dict[str, Any], owner: state.Job, item: state.Trial, attempt: int, profile: str) -> None:
    """Gives the trial's container its parameters and the place for its metrics."""
    metrics = owner.spec.metrics
    where = str(metrics.endpoint.port) if metrics.endpoint else f"{METRICS_FOLDER}/{metrics.place}"
    checkpoints = volumes.FOLDER if owner.spec.checkpoints is not None else ""
    given = environment.of_trial(owner, item, attempt, where, profile, checkpoints)
    if outcomes.wants(owner.spec, job.Measure.PEAK_MEMORY):
        # Nobody outside the container sees its memory; the reporter inside does.
        given["TUNING_MEASURE"] = job.Measure.PEAK_MEMORY
    container["env"] = [
        *({"name": name, "value": value} for name, value in given.items()),
        *(container.get("env") or []),
    ]
    if metrics.source in SHARED:
        container["volumeMounts"] = [*(container.get("volumeMounts") or []), _mount()]
    container.setdefault("terminationMessagePolicy", "FallbackToLogsOnError")


def _mount() -> dict[str, Any]:
    return {"name": METRICS_VOLUME, "mountPath": METRICS_FOLDER}


def _profile(spec: dict[str, Any], chosen: str, profile: job.Profile) -> None:
    """Adds the profile's resources and placement to what the template asks for."""
    for container in spec["containers"]:
        if container.get("name") == chosen:
            container["resources"] = profile.resources.to_wire()
    spec["nodeSelector"] = {**(spec.get("nodeSelector") or {}), **profile.node_selector}
    spec["tolerations"] = [*(spec.get("tolerations") or []), *(item.to_wire() for item in profile.tolerations)]


def _prefer(spec: dict[str, Any], node: str) -> None:
    """Prefers a node, and insists on nothing: by itself the default scheduler spreads Pods, and so breaks large pieces
    of room up that big trials need.
    """
    affinity = spec["affinity"] = dict(spec.get("affinity") or {})
    towards = affinity["nodeAffinity"] = dict(affinity.get("nodeAffinity") or {})
    by_name = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    kind = "preferredDuringSchedulingIgnoredDuringExecution"
    towards[kind] = [*(towards.get(kind) or []), {"weight": 100, "preference": by_name}]


def _message_bytes(spec: Mapping[str, Any]) -> int:
    """What the sidecar may write: all containers of a Pod share the room for termination messages."""
    others = len(spec["containers"]) + len(spec.get("initContainers") or [])
    return min(MESSAGE_BYTES, POD_MESSAGE_BYTES // (others + 1))


def _sidecar(
    owner: state.Job, namespace: str, item: state.Trial, sidecar: Sidecar, message_bytes: int
) -> dict[str, Any]:
    metrics = owner.spec.metrics
    settings = {
        "TUNING_METRICS_SOURCE": metrics.source,
        "TUNING_METRICS_PLACE": (
            f"{metrics.endpoint.port}{metrics.endpoint.path}"
            if metrics.endpoint
            else f"{METRICS_FOLDER}/{metrics.place}"
        ),
        "TUNING_METRICS_FORMAT": metrics.format,
        **({"TUNING_METRICS_PATTERN": metrics.pattern} if metrics.pattern else {}),
        "TUNING_OBJECTIVES": ",".join(outcomes.reported(owner.spec)),
        "TUNING_SIDECAR_PORT": str(PORT),
        "TUNING_SIDECAR_TOKEN": item.uid,
        # A native sidecar is told when the trial has ended; one of the same rank is told together with it.
        **({"TUNING_SIDECAR_LINGER_SECONDS": "1"} if sidecar.mode is SidecarMode.CLASSIC else {}),
        "TUNING_MESSAGE_BYTES": str(message_bytes),
        "TUNING_JOB": owner.name,
        "TUNING_TRIAL": item.name,
        "TUNING_NAMESPACE": namespace,
    }
    return {
        "name": pods.SIDECAR,
        "image": sidecar.image,
        "imagePullPolicy": sidecar.pull_policy,
        "env": [{"name": name, "value": str(value)} for name, value in settings.items()],
        "ports": [{"name": "tuning-metrics", "containerPort": PORT}],
        "resources": {"requests": {"cpu": "10m", "memory": "48Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {**_restricted({}), "readOnlyRootFilesystem": True, "runAsNonRoot": True, "runAsUser": USER},
        **({"volumeMounts": [{**_mount(), "readOnly": True}]} if metrics.source in SHARED else {}),
    }


def _add_sidecar(spec: dict[str, Any], container: dict[str, Any], mode: SidecarMode) -> None:
    match mode:
        case SidecarMode.NATIVE:
            spec["initContainers"] = [{**container, "restartPolicy": "Always"}, *(spec.get("initContainers") or [])]
        case SidecarMode.CLASSIC:
            spec["containers"] = [*spec["containers"], container]


def _secure(spec: dict[str, Any]) -> None:
    """Pod Security `restricted` wherever the template is silent (kubernetes.io/docs/concepts/security/pod-security-standards).

    What the template asks for stays possible: a default that contradicts it would make a Pod that is refused, or that
    never starts.
    """
    context = spec.setdefault("securityContext", {})
    containers = [*(spec.get("initContainers") or []), *spec["containers"]]
    given = [context, *(container.get("securityContext") or {} for container in containers)]
    if all(each.get("runAsUser") != 0 for each in given):
        context.setdefault("runAsNonRoot", True)
    context.setdefault("runAsUser", USER)
    context.setdefault("fsGroup", USER)
    context.setdefault("seccompProfile", {"type": "RuntimeDefault"})
    for container in containers:
        container["securityContext"] = _restricted(container.get("securityContext") or {})


def _restricted(given: Mapping[str, Any]) -> dict[str, Any]:
    capabilities = given.get("capabilities") or {}
    if given.get("privileged") or {"SYS_ADMIN", "CAP_SYS_ADMIN"} & set(capabilities.get("add") or []):
        return dict(given)  # the API server refuses these beside allowPrivilegeEscalation: false
    return {"allowPrivilegeEscalation": False, **given, "capabilities": {"drop": ["ALL"], **capabilities}}


def sample(owner: state.Job) -> state.Trial:
    """A trial with some value for every parameter, to ask the API server whether the template makes a Pod at all."""
    values = {item.name: item.values[0] if item.values else item.min or 0 for item in owner.spec.parameters}
    spec = trial.TrialSpec(
        job=trial.ParentJob(name=owner.name, uid=owner.uid), number=0, parameters=values, origin=trial.Origin.RANDOM
    )
    return state.Trial(names.trial(owner.name, owner.uid, 0), owner.uid, spec, trial.TrialStatus())
