"""A stand-in for the admission of the API server: defaults, schema and CEL rules of the committed CRDs.

No API server that knows CEL is at hand where these tests run, so the rules are evaluated by `cel-python`. Values are
given the types that the API server gives them from the schema, because CEL compares no double with an int.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Mapping
from typing import Any

import celpy
import celpy.adapter
import celpy.evaluation
import jsonschema
from celpy import celtypes

from tuning_operator.api import crds

Schema = Mapping[str, Any]


def root(file: str = "tuningjobs.yaml") -> dict[str, Any]:
    """The schema of a kind."""
    schema: dict[str, Any] = crds.definitions()[file]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


@functools.cache
def _root(file: str) -> dict[str, Any]:
    return root(file)


def admit(new: Any, old: Any = None, file: str = "tuningjobs.yaml") -> list[str]:
    """Why the API server refuses an object (or its update), as messages; empty when it accepts."""
    schema = _root(file)
    new = defaulted(schema, new)
    old = None if old is None else defaulted(schema, old)
    errors = [error.message for error in jsonschema.Draft4Validator(_plain(schema)).iter_errors(new)]
    errors += _repeated(schema, new)
    return errors or list(_broken(schema, new, old))


def defaulted(schema: Schema, value: Any) -> Any:
    """The value as the API server stores it: defaults filled in, from the outside in."""
    value = copy.deepcopy(value)
    if isinstance(value, dict):
        for name, child in schema.get("properties", {}).items():
            if name not in value and "default" in child:
                value[name] = copy.deepcopy(child["default"])
            if name in value:
                value[name] = defaulted(child, value[name])
    if isinstance(value, list) and "items" in schema:
        value = [defaulted(schema["items"], item) for item in value]
    return value


def _plain(schema: Any) -> Any:
    """The schema for a validator that does not know Kubernetes' extensions."""
    if not isinstance(schema, Mapping):
        return [_plain(item) for item in schema] if isinstance(schema, list) else schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    return {key: _plain(value) for key, value in schema.items() if key != "default"}


def _repeated(schema: Schema, value: Any) -> Iterator[str]:
    for child, item in _children(schema, value):
        yield from _repeated(child, item)
    match schema.get("x-kubernetes-list-type"):
        case "map":
            keys = [tuple(item.get(key) for key in schema["x-kubernetes-list-map-keys"]) for item in value]
        case "set":
            keys = value
        case _:
            return
    if len(set(keys)) < len(keys):
        yield "Duplicate value"


def _broken(schema: Schema, value: Any, old: Any) -> Iterator[str]:
    for rule in schema.get("x-kubernetes-validations", ()):
        changes = "oldSelf" in rule["rule"]
        if changes and old is None:
            continue
        scope = {"self": typed(schema, value)} | ({"oldSelf": typed(schema, old)} if changes else {})
        if not evaluate(rule["rule"], scope):
            yield rule["message"]
    for name, child in schema.get("properties", {}).items():
        if name in value:
            yield from _broken(child, value[name], old.get(name) if old else None)
    if isinstance(value, list) and "items" in schema:
        for item in value:
            yield from _broken(schema["items"], item, None)


def _children(schema: Schema, value: Any) -> Iterator[tuple[Schema, Any]]:
    if isinstance(value, dict):
        yield from ((child, value[name]) for name, child in schema.get("properties", {}).items() if name in value)
    if isinstance(value, list) and "items" in schema:
        yield from ((schema["items"], item) for item in value)


def typed(schema: Schema, value: Any) -> Any:
    """The value with CEL's types, by the schema."""
    match schema.get("type"):
        case "object":
            properties, rest = schema.get("properties", {}), schema.get("additionalProperties")
            if "x-kubernetes-preserve-unknown-fields" in schema or rest is True:
                return celtypes.MapType({})  # Out of reach of CEL.
            return celtypes.MapType(
                {celtypes.StringType(key): typed(properties.get(key, rest), item) for key, item in value.items()}
            )
        case "array":
            return celtypes.ListType([typed(schema["items"], item) for item in value])
        case "number":
            return celtypes.DoubleType(value)
        case _:
            return celpy.adapter.json_to_cel(value)


@functools.cache
def _program(rule: str) -> celpy.Runner:
    environment = celpy.Environment()
    return environment.program(environment.compile(rule))


def evaluate(rule: str, scope: dict[str, Any]) -> bool:
    """The truth of a rule; an evaluation that fails is a refusal, as it is at the API server."""
    try:
        return bool(_program(rule).evaluate(scope))
    except celpy.evaluation.CELEvalError:
        return False
