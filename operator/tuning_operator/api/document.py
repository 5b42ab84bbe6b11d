"""Manifests as data: YAML read as Kubernetes' own tools read it, and refused where JSON could not carry it.

PyYAML follows YAML 1.1 to the letter: it takes 1e-5 for text, 12:30 for the number 750 and keeps the last of two equal
keys. kubectl does none of this, and one manifest must mean one thing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tuning_operator.api.errors import Problem, SpecError, join

DEEPEST = 64
"""Levels of nesting that a manifest may have; Pods need about 15."""

LARGEST = 500_000
"""Values that a manifest may hold. Kubernetes refuses objects above 1.5 MB, which is about as much."""

SURROGATE = re.compile("[\ud800-\udfff]")
"""Halves of characters, which Python's text can hold and UTF-8 cannot."""

Steps = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Stops at a depth that no manifest has, long before Python's stack does."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

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
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "manifest"
        raise SpecError([Problem(place, f"not YAML: {error.problem or error.context}")]) from None
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise SpecError([Problem("manifest", "not YAML: " + " ".join(str(error).split()))]) from None


def foreign(document: Any) -> Iterator[Problem]:
    """What JSON, and so Kubernetes, cannot carry. Ends at a document too deep or too large (YAML can make it endless)."""
    waiting: list[tuple[Steps, Any]] = [((), document)]
    for _ in range(LARGEST):
        if not waiting:
            return
        steps, node = waiting.pop()
        if len(steps) > DEEPEST:
            yield Problem("manifest", "nested too deeply", "make it smaller")
            return
        yield from _unfit(node, steps)
        if isinstance(node, Mapping):
            waiting.extend(((*steps, str(key)), value) for key, value in reversed(list(node.items())))
        elif isinstance(node, list):
            waiting.extend(((*steps, index), node[index]) for index in reversed(range(len(node))))
    yield Problem("manifest", "the manifest is too large", "make it smaller")


def _unfit(node: Any, steps: Steps) -> Iterator[Problem]:
    """What is wrong with a value by itself."""
    match node:
        case str() if SURROGATE.search(node):
            yield Problem(join("", *steps), "not valid Unicode", "write other text")
        case int() if not -(2**63) <= node < 2**63:
            yield Problem(join("", *steps), "a whole number of more than 64 bits", "write a smaller one")
        case float() if not math.isfinite(node):
            yield Problem(join("", *steps), f"{node} is not a finite number", "write a finite one")
        case None | str() | int() | float() | list():
            pass
        case Mapping():
            for key in node:
                if not isinstance(key, str) or SURROGATE.search(key):
                    yield Problem(join("", *steps, str(key)), "the name of a field must be text", "write it in quotes")
        case _:
            kind = type(node).__name__
            yield Problem(join("", *steps), f"a value of type {kind}, which JSON has not", "write text, in quotes")
