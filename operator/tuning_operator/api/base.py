"""The one pydantic configuration that all API models share, and the scalar types they are made of.

Field names are camelCase on the wire, as Kubernetes writes them, and snake_case in Python. Unknown fields are errors:
a misspelt field that is silently dropped costs its author a whole tuning run.
"""

from __future__ import annotations

import datetime
import re
from typing import Annotated, Any

import pydantic
from pydantic.alias_generators import to_camel

Scalar = int | float | str
"""A parameter's value: floats and ints for numeric parameters, ints and strings for categorical ones."""

DURATION_PATTERN = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"


class Model(pydantic.BaseModel):
    """Immutable, closed to unknown fields, camelCase on the wire."""

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )

    def to_wire(self) -> dict[str, Any]:
        """The object as Kubernetes stores it: camelCase, JSON types, fields that are not set or empty text left out."""
        return self.model_dump(mode="json", by_alias=True)

    @pydantic.model_serializer(mode="wrap")
    def _without_blanks(self, serialize: pydantic.SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if value is not None and value != ""}


def parse_duration(text: str) -> datetime.timedelta:
    """``"1h30m"`` as a timedelta.

    Raises ValueError for anything but hours, minutes and seconds in that order, and for zero.
    """
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text)
    if match is None or not text:
        raise ValueError(f"{text!r} is not a duration; write hours, minutes and seconds such as 2h, 30m or 1h30m")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    duration = datetime.timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if not duration:
        raise ValueError("a duration of zero leaves no time to run; write for example 30m, or leave the field out")
    return duration


def _check_duration(text: str) -> str:
    parse_duration(text)
    return text


Duration = Annotated[
    str,
    pydantic.Field(max_length=32),
    pydantic.AfterValidator(_check_duration),
    pydantic.Field(
        json_schema_extra={
            "pattern": DURATION_PATTERN,
            "minLength": 2,
            "x-kubernetes-validations": [
                {"rule": "self.matches('[1-9]')", "message": "a duration of zero leaves no time to run"}
            ],
        }
    ),
]
"""A duration on the wire, such as ``2h``, ``30m`` or ``1h30m``."""
