"""From a manifest to a `Job` that can be run, or to every reason why it cannot.

This is the one door into the product: the operator, `tuningctl validate` and the local runtime all come through it, so
that all of them refuse the same manifests in the same words. (Whether its search makes sense is for the search layer to
say: the API knows no algorithms.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import pydantic

from tuning_operator.api import base, document, rules, served, template, wording
from tuning_operator.api.errors import Problem, SpecError, join, plain, quoted
from tuning_operator.api.job import API_VERSION, JobSpec, Limits, Metrics, Parameter, Profile

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


class Metadata(base.Model):
    """What the product reads of an object's metadata; all else is Kubernetes' business."""

    model_config = pydantic.ConfigDict(extra="ignore")

    name: str
    """Name of the job."""
    namespace: str = ""
    """Namespace of the job; empty on a machine without a cluster."""


class Job(base.Model):
    """A TuningJob manifest that has been checked."""

    api_version: Literal["tuning-operator.dev/v1alpha1"]
    """The version of the API."""
    kind: Literal["TuningJob"]
    """TuningJob."""
    metadata: Metadata
    """Name and namespace."""
    spec: JobSpec
    """What to run."""


def parse(manifest: Any) -> Job:
    """A manifest as a Job. Raises SpecError with every problem in it, never anything else.

    A null is an absent field, as Kubernetes has it. The `status` that an object from a cluster carries is passed over.
    """
    if found := list(document.foreign(manifest)) or _misplaced(manifest):
        raise SpecError(found)
    wanted = {key: _without_nulls(value) for key, value in manifest.items() if key != "status"}
    spec = wanted.get("spec")
    try:
        job = Job.model_validate_json(json.dumps(wanted), strict=True)
    except pydantic.ValidationError as error:
        found = [*wording.problems(error, wanted), *_named(wanted), *_salvaged(spec), *_template(spec)]
        raise SpecError(dict.fromkeys(found)) from None
    found = [*_named(wanted), *rules.check(job.spec), *served.check(job.spec), *_template(spec)]
    if found:
        raise SpecError(dict.fromkeys(found))
    return job


def _without_nulls(value: Any) -> Any:
    match value:
        case Mapping():
            return {key: _without_nulls(item) for key, item in value.items() if item is not None}
        case list():
            return [_without_nulls(item) for item in value]
        case _:
            return value


def _misplaced(manifest: Any) -> list[Problem]:
    """Objects of another kind, of which any further problem would be noise."""
    if not isinstance(manifest, Mapping):
        return [Problem("manifest", f"a mapping is needed, this is {plain(manifest)}", "write a TuningJob")]
    wanted = {"apiVersion": API_VERSION, "kind": "TuningJob"}
    return [
        Problem(field, f"{value} is needed, this is {plain(manifest.get(field))}", f"write {field}: {value}")
        for field, value in wanted.items()
        if manifest.get(field) != value
    ]


def _named(manifest: Mapping[str, Any]) -> Iterator[Problem]:
    metadata = manifest.get("metadata")
    if not isinstance(metadata, Mapping):
        return
    name, namespace = metadata.get("name"), metadata.get("namespace")
    letters = "use lower case letters, digits, - and . in between, and a letter or digit at either end"
    if isinstance(name, str) and len(name) > 253:
        yield Problem("metadata.name", f"the name has {len(name)} characters", "write at most 253")
    elif isinstance(name, str) and not SUBDOMAIN.fullmatch(name):
        yield Problem("metadata.name", f"{quoted(name)} is no name of an object", letters)
    if isinstance(namespace, str) and namespace and not LABEL.fullmatch(namespace):
        yield Problem("metadata.namespace", f"{quoted(namespace)} is no name of a namespace", letters)


def _template(spec: Any) -> list[Problem]:
    if isinstance(spec, Mapping) and isinstance(spec.get("template"), Mapping):
        return template.check(spec["template"])
    return []


def _salvaged(spec: Any) -> Iterator[Problem]:
    """The rules of those parts of a spec that are sound, so that one look shows as many mistakes as can be told."""
    if not isinstance(spec, Mapping):
        return
    for name, key in (("objectives", "metric"), ("parameters", "name"), ("profiles", "name")):
        keys = [item.get(key) if isinstance(item, Mapping) else None for item in _items(spec, name)]
        yield from rules.repeated(keys, join("spec", name), key)
    for model, path, part in _parts(spec):
        try:
            sound = model.model_validate_json(json.dumps(part), strict=True)
        except pydantic.ValidationError:
            continue
        yield from rules.part(sound, path)


def _parts(spec: Mapping[str, Any]) -> Iterator[tuple[type[base.Model], str, Any]]:
    yield Limits, "spec.limits", spec.get("limits", {})
    yield Metrics, "spec.metrics", spec.get("metrics", {})
    lists: tuple[tuple[type[base.Model], str], ...] = ((Parameter, "parameters"), (Profile, "profiles"))
    for model, name in lists:
        for index, item in enumerate(_items(spec, name)):
            yield model, join("spec", name, index), item


def _items(spec: Mapping[str, Any], name: str) -> list[Any]:
    items = spec.get(name)
    return items if isinstance(items, list) else []
