"""YAML means here what it means to kubectl."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning_operator.api import document
from tuning_operator.api.errors import SpecError

READ = {
    "a float without a dot": ("1e-5", 1e-5),
    "a signed float": ("-2.5E+3", -2500.0),
    "a float of millions": ("3e6", 3e6),
    "a float with a dot": ("1.", 1.0),
    "a whole number": ("42", 42),
    "zero": ("0", 0),
    "hexadecimal": ("0x1F", 31),
    "octal": ("010", 8),
    "a time of day": ("12:30", "12:30"),
    "a date": ("2030-01-01", "2030-01-01"),
    "a version": ("1.2.3", "1.2.3"),
    "a duration": ("2h", "2h"),
    "quoted": ("'1e-5'", "1e-5"),
    "infinity": (".inf", math.inf),
    "yes": ("yes", True),
    "text": ("e5", "e5"),
    "a dash": ("- -", [None, None]),
}


@pytest.mark.parametrize(("text", "value"), READ.values(), ids=READ)
def test_reads(text: str, value: Any) -> None:
    (read,) = document.load(f"x: {text}" if text != "- -" else "x:\n- \n-")
    assert read == {"x": value}
    assert type(read["x"]) is type(value)


def test_reads_many_documents_and_passes_over_empty_ones() -> None:
    assert document.load("---\na: 1\n---\n---\n{b: 2}\n") == [{"a": 1}, {"b": 2}]
    assert document.load("") == []


def test_a_merged_key_may_be_overridden() -> None:
    assert document.load("{b: &b {k: 1, l: 2}, c: {<<: *b, k: 3}}") == [{"b": {"k": 1, "l": 2}, "c": {"k": 3, "l": 2}}]


BROKEN = {
    "a key twice": ("a: 1\nb: 2\na: 3\n", "line 3, column 1: not YAML: the key a is there twice"),
    "a tab": ("a:\n\t- 1\n", "line 2, column 1: not YAML: found character '\\t' that cannot start any token"),
    "an open bracket": ("a: [1,\n", "line 2, column 1: not YAML: expected the node content, but found '<stream end>'"),
    "a Python object": (
        "!!python/object/apply:os.system [ls]",
        "line 1, column 1: not YAML: could not determine a constructor for the tag "
        "'tag:yaml.org,2002:python/object/apply:os.system'",
    ),
    "nesting": ("[" * 2000, "line 1, column 65: not YAML: nested too deeply"),
}


@pytest.mark.parametrize(("text", "line"), BROKEN.values(), ids=BROKEN)
def test_says_where_it_is_not_yaml(text: str, line: str) -> None:
    with pytest.raises(SpecError) as caught:
        document.load(text)
    assert str(caught.value) == line


@given(st.text("ab:-[]{}&*!|>'\"#% \n\t019.e<=?~\x00", max_size=40))
def test_no_text_makes_a_traceback(text: str) -> None:
    lines = ["read"]
    try:
        document.load(text)
    except SpecError as error:
        lines = str(error).splitlines()
    assert len(lines) == 1
