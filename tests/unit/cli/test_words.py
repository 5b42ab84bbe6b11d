"""Numbers, times and texts as people read them."""

from __future__ import annotations

import datetime

import hypothesis
import pytest
from hypothesis import strategies

from tuning_operator.cli import words


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.9912, "0.9912"),
        (0.99, "0.9900"),
        (1.0, "1.0000"),
        (0.0, "0.0000"),
        (0.987654321, "0.987654"),
        (0.0012345678, "0.00123457"),
        (-12.5, "-12.5000"),
        (123456.789, "123456.7890"),
        (1.5e-7, "1.5e-07"),
        (1e300, "1e+300"),
    ],
)
def test_value_has_six_digits_and_four_decimals(number: float, text: str) -> None:
    assert words.value(number) == text


@hypothesis.given(strategies.floats(allow_nan=False, allow_infinity=False))
def test_value_is_close_to_the_number(number: float) -> None:
    assert float(words.value(number)) == pytest.approx(number, rel=1e-5, abs=0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0s"), (2.14, "2.1s"), (59.96, "1m00s"), (65, "1m05s"), (3599.9, "1h00m"), (7380, "2h03m"), (-1, "0.0s")],
)
def test_duration(seconds: float, text: str) -> None:
    assert words.duration(datetime.timedelta(seconds=seconds)) == text


@hypothesis.given(strategies.text())
def test_clean_text_is_one_line_without_control_characters(text: str) -> None:
    cleaned = words.clean(text)
    assert cleaned.isprintable()
    assert len(cleaned) <= words.LONGEST


def test_clean_text_keeps_the_beginning_and_the_end_of_what_is_long() -> None:
    assert words.clean("a" * 500 + "b" * 500, 30) == "aaaaaaaaaa … bbbbbbbbbbbbbbbbb"


def test_parameters_keep_their_kinds_apart() -> None:
    values: dict[str, int | float | str] = {"C": 10.23456789, "n": 3, "kernel": "rbf\x1b[2J", "lr": 1e-05}
    assert words.parameters(values) == "C=10.23 n=3 kernel=rbf [2J lr=1e-05"
    assert words.parameters(values, digits=6, between=", ").startswith("C=10.2346, n=3, ")


def test_table_is_aligned_without_blanks_at_the_end() -> None:
    assert words.table(("a", "long"), [("1234", "x"), ("5", "yy")]) == ["a     long", "1234  x", "5     yy"]
