"""Pydantic's JSON schema said the way Kubernetes wants it: a *structural* schema.

A CustomResourceDefinition takes a narrower language than JSON Schema: no references, no null, no union but
"integer or string", a boolean where others put the exclusive bound. Translating keeps the models the only source of
the API. A keyword this module does not know is an error, because dropping it would drop a check with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pydantic

_KEPT = frozenset({"type", "description", "enum", "format", "pattern", "default", "required", "minimum", "maximum"}) | {
    f"{bound}{what}" for bound in ("min", "max") for what in ("Length", "Items", "Properties")
}
_DROPPED = frozenset(["title", "$defs"])


def structural(model: type[pydantic.BaseModel]) -> dict[str, Any]:
    """The structural schema (apiextensions.k8s.io/v1) of a model, with every reference inlined.

    Optional fields are simply absent from `required`: a null is pruned by the API server. Raises TypeError for what a
    structural schema cannot say.
    """
    document = model.model_json_schema(by_alias=True)
    return _convert(document, document.get("$defs", {}))


def _convert(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    node = _resolve(node, definitions)
    result: dict[str, Any] = {}
    for key, value in node.items():
        match key:
            case "properties":
                result[key] = {name: _convert(child, definitions) for name, child in value.items()}
            case "items":
                result[key] = _convert(value, definitions)
            case "additionalProperties":
                result |= _additional(value, definitions)
            case "const":
                result["enum"] = [value]
            case "exclusiveMinimum" | "exclusiveMaximum":
                result |= {key.replace("exclusiveM", "m"): value, key: True}
            case "anyOf":
                result |= _union(value)
            case "default" if value is None:
                pass
            case _ if key in _KEPT or key.startswith("x-kubernetes-"):
                result[key] = value
            case _ if key not in _DROPPED:
                raise TypeError(f"a structural schema has no {key!r}: {dict(node)}")
    return _settled(result)


def _resolve(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """References and optional types replaced by what they stand for; words next to them win."""
    while True:
        branches = [branch for branch in node.get("anyOf", []) if branch != {"type": "null"}]
        if "$ref" in node:
            target = definitions[node["$ref"].rpartition("/")[2]]
        elif len(branches) == 1:
            target = branches[0]
        else:
            return {**node, "anyOf": branches} if branches else node
        node = target | {key: value for key, value in node.items() if key not in ("$ref", "anyOf")}


def _union(branches: list[Mapping[str, Any]]) -> dict[str, Any]:
    if sorted(branch["type"] for branch in branches) == ["integer", "string"]:
        return {"x-kubernetes-int-or-string": True}
    raise TypeError(f"a structural schema has no union but integer or string: {branches}")


def _additional(value: bool | Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """What a map may hold. A union of scalars becomes `true`: its scalars survive pruning, anything deeper does not."""
    if value is False:
        return {}
    scalars = {"boolean", "integer", "number", "string"}
    if isinstance(value, Mapping):
        kinds = {branch.get("type") for branch in value.get("anyOf", [])}
        if not (kinds <= scalars and "number" in kinds):
            return {"additionalProperties": _convert(value, definitions)}
    return {"additionalProperties": True}


def _settled(node: dict[str, Any]) -> dict[str, Any]:
    if node.get("type") == "array":
        node.setdefault("x-kubernetes-list-type", "atomic")
    if "properties" in node and "default" in node:
        # An empty object is enough: the API server goes on to fill in the defaults of its fields.
        node["default"] = {}
    return node
