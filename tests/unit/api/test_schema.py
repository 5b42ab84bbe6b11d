"""Pydantic's JSON schema becomes one that Kubernetes takes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic
import pytest

from tuning_operator.api import schema


def field(annotation: Any, default: Any = ...) -> dict[str, Any]:
    """The structural schema of a field of this type."""
    model = pydantic.create_model("Model", field=(annotation, default))
    result: dict[str, Any] = schema.structural(model)["properties"]["field"]
    return result


class Inner(pydantic.BaseModel):
    """An inner model."""

    number: int = 3


CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "optional": (int | None, {"type": "integer"}),
    "bounds": (Annotated[int, pydantic.Field(ge=1, le=9)], {"type": "integer", "minimum": 1, "maximum": 9}),
    "exclusive bounds": (
        Annotated[float, pydantic.Field(gt=0, lt=1)],
        {"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 1, "exclusiveMaximum": True},
    ),
    "one choice": (Literal["a"], {"type": "string", "enum": ["a"]}),
    "choices": (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
    "integer or text": (int | str, {"x-kubernetes-int-or-string": True}),
    "optional integer or text": (int | str | None, {"x-kubernetes-int-or-string": True}),
    "map of scalars": (dict[str, int | float | str], {"type": "object", "additionalProperties": True}),
    "map of numbers": (dict[str, float], {"type": "object", "additionalProperties": {"type": "number"}}),
    "map of integers or text": (
        dict[str, int | str],
        {"type": "object", "additionalProperties": {"x-kubernetes-int-or-string": True}},
    ),
    "list": (list[str], {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "atomic"}),
    "model": (
        Inner,
        {
            "type": "object",
            "description": "An inner model.",
            "properties": {"number": {"type": "integer", "default": 3}},
        },
    ),
}


@pytest.mark.parametrize(("annotation", "expected"), CASES.values(), ids=CASES)
def test_converts(annotation: Any, expected: dict[str, Any]) -> None:
    assert field(annotation) == expected


def test_the_default_of_a_model_is_left_to_its_fields() -> None:
    assert field(Inner, Inner())["default"] == {}
    assert "default" not in field(Inner | None, None)


@pytest.mark.parametrize("annotation", [float | str, list[int] | str, tuple[int, str]])
def test_refuses_what_a_structural_schema_cannot_say(annotation: Any) -> None:
    with pytest.raises((TypeError, KeyError)):
        field(annotation)
