"""Whatever stands in a manifest, its author reads lines they can act on, never a traceback."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.api.manifests import changed, good
from tuning_operator.api import manifest
from tuning_operator.api.errors import SpecError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def paths(node: Any, path: str = "") -> list[str]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    below = [
        deeper for key, value in items if "." not in str(key) for deeper in paths(value, f"{path}.{key}".lstrip("."))
    ]
    return ([path] if path else []) + below


def survives(document: Any) -> None:
    """The document parses or is refused, and every line of the refusal is one that can be read."""
    lines = ["accepted"]
    try:
        manifest.parse(document)
    except SpecError as error:
        lines = [str(problem) for problem in error.problems]
    assert lines
    assert all(line.isprintable() and len(line) < 2000 for line in lines)


@given(json_values)
def test_no_value_makes_a_traceback(value: Any) -> None:
    survives(value)


@given(st.sampled_from(paths(good())), json_values)
def test_no_value_of_a_field_makes_a_traceback(path: str, value: Any) -> None:
    survives(changed(path, value))


@given(st.sampled_from(paths(good())), st.text(min_size=1).filter(lambda name: "." not in name), json_values)
def test_no_name_of_a_field_makes_a_traceback(path: str, name: str, value: Any) -> None:
    document = good()
    node: Any = document
    for step in path.split("."):
        node = node[int(step)] if isinstance(node, list) else node[step]
    if isinstance(node, dict):
        node[name] = value
    survives(document)
