"""Pydantic's errors in the words of a manifest's author.

An author knows fields, not models: each error becomes a `Problem` with the path as it stands in the manifest, what is
wrong there in plain English, and what to write instead.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic
from pydantic_core import ErrorDetails

from tuning_operator.api import job, schema
from tuning_operator.api.errors import Problem, closest, join, plain, quoted

_NEEDED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "dict": "a mapping",
    "model": "a mapping",
}
"""What an error type such as int_type or int_from_float asks for, by its first word."""


def problems(error: pydantic.ValidationError, manifest: Any) -> list[Problem]:
    """One problem for each field at fault, in the order of the manifest."""
    by_path: dict[str, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        by_path.setdefault(join("", *_steps(detail, manifest)), []).append(detail)
    return [_problem(path, details, manifest) for path, details in by_path.items()]


def _steps(detail: ErrorDetails, manifest: Any) -> tuple[str | int, ...]:
    """The error's place, without the parts that name a branch of a union instead of a field."""
    steps: list[str | int] = []
    node = manifest
    for step in detail["loc"]:
        match node:
            case Mapping() if step in node:
                node = node[step]
            case Sequence() if isinstance(step, int) and not isinstance(node, str):
                node = node[step]
            case Mapping() if detail["type"] == "missing":
                pass
            case _:
                continue
        steps.append(step)
    return tuple(steps)


def _problem(path: str, details: list[ErrorDetails], manifest: Any) -> Problem:
    detail = details[0]
    context = detail.get("ctx", {})
    message, mend = detail["msg"][:1].lower() + detail["msg"][1:], ""
    match detail["type"]:
        case "missing":
            message, mend = "required field is missing", "add it"
        case "extra_forbidden":
            *parents, name = _steps(detail, manifest)
            message, mend = "unknown field", closest(str(name), known(parents))
        case "enum" | "literal_error":
            message, mend = (
                f"{plain(detail['input']).removeprefix('the text ')} is not a choice",
                f"write {context['expected']}",
            )
        case "value_error":
            message, _, mend = str(context["error"]).partition("; ")
        case "string_pattern_mismatch":
            message, mend = _misnamed(path, str(detail["input"]))
        case "greater_than_equal":
            message, mend = f"{detail['input']} is too small", f"write at least {context['ge']}"
        case "less_than_equal":
            message, mend = f"{detail['input']} is too large", f"write at most {context['le']}"
        case "too_short" | "string_too_short":
            message, mend = "must not be empty", f"write at least {_count(context, 'min_length')}"
        case "too_long" | "string_too_long":
            message, mend = "too long", f"write at most {_count(context, 'max_length')}"
        case _ if wanted := _wanted(details):
            message, mend = _mistyped(_either(wanted), detail["input"])
    return Problem(path, message, mend)


def _wanted(details: list[ErrorDetails]) -> list[str]:
    """What the type errors of a field ask for; a union has one error for each branch."""
    found = (_NEEDED.get(detail["type"].partition("_")[0], "") for detail in details)
    wanted = [need for need in dict.fromkeys(found) if need]
    if _NEEDED["float"] in wanted and _NEEDED["int"] in wanted:
        wanted.remove(_NEEDED["int"])
    return wanted


def _either(words: list[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def _mistyped(wanted: str, value: Any) -> tuple[str, str]:
    quotes = wanted.endswith("text") and not isinstance(value, Mapping | list) and value is not None
    return (
        f"{wanted} is needed, this is {plain(value)}",
        "write it in quotes" if quotes else f"write {wanted}",
    )


def _count(context: Mapping[str, Any], bound: str) -> str:
    number: int = context[bound]
    entries = ("entry", "entries") if "field_type" in context else ("character", "characters")
    return f"{number} {entries[number != 1]}"


def _misnamed(path: str, name: str) -> tuple[str, str]:
    if path.endswith(".metric"):
        kind, letters = "is no name of a metric", "begin with a letter; letters, digits and _ . / - may follow"
    elif path.startswith("spec.parameters"):
        kind = "makes no name of an environment variable"
        letters = "use letters, digits and underscores, and do not begin with a digit"
    elif path.startswith("spec.search"):
        kind, letters = "is no name of a job", "use lower case letters, digits, - and . in between"
    else:
        kind, letters = "is no name of a profile", "use lower case letters, digits and - in between"
    return f"{quoted(name)} {kind}", letters


def known(steps: Sequence[str | int]) -> list[str]:
    """The fields that a place in a manifest may have."""
    node = _fields()
    for step in steps:
        node = node["items"] if isinstance(step, int) else node["properties"][step]
    return list(node.get("properties", ()))


@functools.cache
def _fields() -> dict[str, Any]:
    names = ("apiVersion", "kind", "metadata")
    return {"properties": {name: {} for name in names} | {"spec": schema.structural(job.JobSpec)}}
