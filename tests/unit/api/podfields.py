"""Makes `podfields.json`, the fields of a Pod template and their types, from the schema in `kubernetes-validate`.

``python -m tests.unit.api.podfields`` writes it; a test says when it is out of date. The whole schema weighs 100 MB, so
the product carries this extract instead.
"""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuning_operator.api import template

SOURCE = "kubernetes-json-schema/v1.37.0-local-strict/_definitions.json"
ROOT = "io.k8s.api.core.v1.PodTemplateSpec"
TARGET = Path(template.__file__).with_name("podfields.json")
SPECIAL = {"IntOrString": "int-or-string", "Quantity": "quantity", "Time": "string"}


def extract() -> dict[str, dict[str, str]]:
    """The fields of PodTemplateSpec and of everything below it: type name -> field name -> type."""
    source = importlib.resources.files("kubernetes_validate") / SOURCE
    definitions = json.loads(source.read_text("utf-8"))["$defs"]
    found: dict[str, dict[str, str]] = {}
    waiting = [ROOT]
    while waiting:
        name = waiting.pop()
        if _short(name) in found or _short(name) in SPECIAL:
            continue
        definition = definitions[name]
        required = definition.get("required", ())
        fields = definition.get("properties", {})
        found[_short(name)] = {
            field: _type(schema, waiting) + ("!" if field in required else "") for field, schema in fields.items()
        }
    return dict(sorted(found.items()))


def _type(schema: Mapping[str, Any], waiting: list[str]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        waiting.append(name)
        return SPECIAL.get(_short(name), _short(name))
    kinds = [
        kind for kind in ([schema["type"]] if isinstance(schema["type"], str) else schema["type"]) if kind != "null"
    ]
    match kinds:
        case ["array"]:
            return f"[{_type(schema['items'], waiting)}]"
        case ["object"] if "additionalProperties" in schema:
            return f"{{{_type(schema['additionalProperties'], waiting)}}}"
        case ["object"]:
            return "any"
        case [kind]:
            return str(kind)
    raise TypeError(f"unexpected type: {schema}")


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def render() -> str:
    """The file's text: a type a line, so that a new Kubernetes version shows as a short difference."""
    lines = (f"{json.dumps(name)}: {json.dumps(fields, sort_keys=True)}" for name, fields in extract().items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    TARGET.write_text(render(), "utf-8")
