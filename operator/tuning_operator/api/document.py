"""Manifests as data: YAML read as Kubernetes' own tools read it, and refused where JSON could not carry it.

PyYAML follows YAML 1.1 to the letter: it takes 1e-5 for text, 12:30 for the number 750 and keeps the last of two equal
keys. kubectl does none of this, and one manifest must mean one thing.
"""

from __future__ import annotations

import collections
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tuning_operator.api.errors import Problem, SpecError, join

DEEPEST = 64
"""Levels of nesting that a manifest may have; Pods need about 15."""

LARGEST = 200_000
"""Values that a manifest may hold. Kubernetes refuses objects above 1.5 MB, which is less."""


class _Loader(yaml.SafeLoader):
    def compose_mapping_node(self, anchor: Any) -> Any:
        """Refuses a key that is written twice: one of the two would be lost."""
        node: Any = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    problem = f"the key {key.value} is there twice"
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
                seen.add(key.value)
        return node


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] not in ("float", "int", "timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, _pattern in (
    ("int", r"[-+]?(0|0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]+|[1-9][0-9_]*)"),
    ("float", r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), list("-+.0123456789"))


def load(text: str) -> list[Any]:
    """The documents in a YAML (or JSON) text, without empty ones. Raises SpecError when it is neither."""
    try:
        return [document for document in yaml.load_all(text, Loader=_Loader) if document is not None]
    except RecursionError:
        raise SpecError([Problem("manifest", "nested too deeply")]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "manifest"
        raise SpecError([Problem(place, f"not YAML: {error.problem or error.context}")]) from None
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise SpecError([Problem("manifest", "not YAML: " + " ".join(str(error).split()))]) from None


def foreign(document: Any) -> Iterator[Problem]:
    """What JSON, and so Kubernetes, cannot carry. Ends at a document too deep or too large (YAML can make it endless)."""
    waiting = collections.deque([("", document, 0)])
    seen = 0
    while waiting:
        path, node, depth = waiting.popleft()
        seen += 1
        if depth > DEEPEST or seen > LARGEST:
            message = "nested too deeply" if depth > DEEPEST else "the manifest is too large"
            yield Problem("manifest", message, "make it smaller")
            return
        yield from _unfit(node, path)
        if isinstance(node, Mapping):
            waiting.extend((join(path, str(key)), value, depth + 1) for key, value in node.items())
        elif isinstance(node, list):
            waiting.extend((join(path, index), value, depth + 1) for index, value in enumerate(node))


def _unfit(node: Any, path: str) -> Iterator[Problem]:
    """What is wrong with a value by itself."""
    match node:
        case Mapping():
            for key in node:
                if not isinstance(key, str):
                    yield Problem(join(path, str(key)), "the name of a field must be text", "write it in quotes")
        case str() if re.search("[\ud800-\udfff]", node):
            yield Problem(path, "not valid Unicode", "write other text")
        case int() if not -(2**63) <= node < 2**63:
            yield Problem(path, "a whole number of more than 64 bits", "write a smaller one")
        case float() if not math.isfinite(node):
            yield Problem(path, f"{node} is not a finite number", "write a finite one")
        case None | str() | int() | float() | list():
            pass
        case _:
            yield Problem(path, f"a value of type {type(node).__name__}, which JSON has not", "write text, in quotes")
