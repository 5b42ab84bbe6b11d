"""What can be known about a Pod template without asking a server.

Kubernetes drops a field of a Pod that it does not know, and a misspelt `nodeSelecter` then costs a whole run on the
wrong nodes. So the template is held against the fields of Kubernetes' own PodTemplateSpec (`podfields.json`), and
against what this product adds to every Pod. The rest is for the API server's dry run to say.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tuning_operator.api import rules
from tuning_operator.api.errors import Problem, closest, join, plain, quoted

TRIAL = "trial"
"""Name of the container that is the trial; where none has it, the first one is."""

SIDECAR = "tuning-sidecar"
"""Name of the container that the operator adds."""

VOLUME = "tuning-metrics"
VOLUMES = (VOLUME, "tuning-checkpoints")
"""Names of the volumes that the operator adds: for metrics, and for checkpoints. A container of the second name makes the checkpoints' folder."""

FOLDERS = {"/tuning-metrics": "metrics", "/tuning-checkpoints": "checkpoints"}
"""Where those volumes are mounted, and what for."""

ENVIRONMENT = ("HP_", "TUNING_")
"""Beginnings of the environment variables that the trial's container is given."""

LABELS = "tuning-operator.dev/"
"""Beginning of the labels and annotations that Pods are given."""

KUBERNETES = "1.37"
"""The version whose fields `podfields.json` lists."""


def trial_container(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """The container that is the trial, of a template that `check` finds no fault with."""
    containers: list[Mapping[str, Any]] = template["spec"]["containers"]
    return next((container for container in containers if container.get("name") == TRIAL), containers[0])


def check(template: Any, path: str = "spec.template") -> list[Problem]:
    """Everything that is wrong with a template, whatever it is; `path` is where it stands in the manifest."""
    problems = [*_shape(template, "PodTemplateSpec", path), *_meaning(template, path)]
    return list({problem.field: problem for problem in problems}.values())


def fields(kind: str) -> Mapping[str, str]:
    """The fields of one of Kubernetes' types, such as Container, and the type of each.

    A type is string, integer, boolean, quantity, int-or-string, the name of another type, ``[list]`` or ``{map}`` of
    these; one that ends in ``!`` is required.
    """
    return _types()[kind]


@functools.cache
def _types() -> Mapping[str, Mapping[str, str]]:
    text = importlib.resources.files(__package__).joinpath("podfields.json").read_text("utf-8")
    types: dict[str, dict[str, str]] = json.loads(text)
    return types


def _shape(value: Any, form: str, path: str) -> Iterator[Problem]:
    """Unknown fields, missing fields and wrong types. A null is an absent field, as Kubernetes has it."""
    if value is None:
        return
    if form[0] == "[" and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _shape(item, form[1:-1], join(path, index))
    elif form[0] == "{" and isinstance(value, Mapping):
        for key, item in value.items():
            yield from _shape(item, form[1:-1], join(path, key))
    elif form in _types() and isinstance(value, Mapping):
        yield from _object(value, form, path)
    elif not _fits(value, form):
        yield _mistyped(value, form, path)


def _object(value: Mapping[str, Any], kind: str, path: str) -> Iterator[Problem]:
    known = fields(kind)
    if not known:  # An open object, such as FieldsV1.
        return
    for key, item in value.items():
        if key in known:
            yield from _shape(item, known[key].rstrip("!"), join(path, key))
        else:
            message = f"unknown field: Kubernetes {KUBERNETES} has none of this name here"
            yield Problem(join(path, key), message, closest(key, known))
    for key, form in known.items():
        if form.endswith("!") and value.get(key) is None:
            yield Problem(join(path, key), "required field is missing", "add it")


def _fits(value: Any, form: str) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    whole = number and (isinstance(value, int) or value.is_integer())
    match form:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return whole
        case "int-or-string":
            return whole or isinstance(value, str)
        case "quantity":
            return number or (isinstance(value, str) and rules.QUANTITY.fullmatch(value) is not None)
        case _:
            return False


def _mistyped(value: Any, form: str, path: str) -> Problem:
    match form:
        case "string" if not isinstance(value, Mapping | list):
            return Problem(path, f"text is needed, this is {plain(value)}", "write it in quotes")
        case "string":
            wanted = "text"
        case "boolean":
            wanted = "true or false"
        case "integer":
            wanted = "a whole number"
        case "int-or-string":
            wanted = "a whole number or text"
        case "quantity":
            return Problem(path, f"{plain(value)} is not an amount", "write one such as 500m, 2 or 16Gi")
        case _:
            wanted = "a list" if form[0] == "[" else "a mapping"
    return Problem(path, f"{wanted} is needed, this is {plain(value)}", f"write {wanted}")


def _meaning(template: Any, path: str) -> Iterator[Problem]:
    spec = _mapping(_mapping(template).get("spec"))
    listed = spec.get("containers") or []
    if not isinstance(listed, list):
        return  # The shape says so.
    containers = [_mapping(container) for container in listed]
    if not containers:
        yield Problem(
            f"{path}.spec.containers", "a trial needs a container", "list one, with a name, an image and a command"
        )
    if spec.get("restartPolicy") not in (None, "Never"):
        yield Problem(
            f"{path}.spec.restartPolicy",
            f"{plain(spec['restartPolicy']).removeprefix('the text ')} would start a trial again that has ended",
            "remove it, or write Never",
        )
    yield from _names(spec, f"{path}.spec")
    if containers:
        yield from _trial(containers, f"{path}.spec.containers")
    for place in ("labels", "annotations"):
        for key in _mapping(_mapping(_mapping(template).get("metadata")).get(place)):
            if key.startswith(LABELS):
                yield Problem(join(path, "metadata", place, key), f"{LABELS} is reserved", "choose another prefix")


def _names(spec: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """Containers and volumes whose names are taken, by the operator or by one another."""
    seen: set[Any] = set()
    for place, reserved in (
        ("initContainers", (SIDECAR, *VOLUMES)),
        ("containers", (SIDECAR, *VOLUMES)),
        ("volumes", VOLUMES),
    ):
        if place == "volumes":
            seen = set()
        for index, item in enumerate(_list(spec.get(place))):
            name, field = _mapping(item).get("name"), join(path, place, index, "name")
            if name in reserved:
                yield Problem(field, f"{name} is the name of what the operator adds", "choose another name")
            elif isinstance(name, str) and name in seen:
                yield Problem(field, f"the name {quoted(name)} is taken already", "choose another name")
            elif isinstance(name, str):
                seen.add(name)


def _trial(containers: list[Mapping[str, Any]], path: str) -> Iterator[Problem]:
    """Variables and mounts of the trial's container that the operator is going to set."""
    trial = trial_container({"spec": {"containers": containers}})
    path = join(path, next(index for index, container in enumerate(containers) if container is trial))
    for index, variable in enumerate(_list(trial.get("env"))):
        name = _mapping(variable).get("name")
        if isinstance(name, str) and name.startswith(ENVIRONMENT):
            yield Problem(
                join(path, "env", index, "name"),
                "variables that begin with HP_ or TUNING_ are set by the operator",
                "choose another name",
            )
    for index, mount in enumerate(_list(trial.get("volumeMounts"))):
        target = _mapping(mount).get("mountPath")
        for folder, content in FOLDERS.items():
            if isinstance(target, str) and f"{target.rstrip('/')}/".startswith(f"{folder}/"):
                yield Problem(
                    join(path, "volumeMounts", index, "mountPath"),
                    f"{folder} is where the operator mounts the {content}",
                    "choose another path",
                )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
