"""Axes for any values at all."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning_operator.report import scale, wording

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(min_value=1e-300, max_value=1e300)


@given(ends=st.tuples(NUMBERS, NUMBERS).map(sorted), value=NUMBERS)
def test_a_value_stands_between_the_ends(ends: list[float], value: float) -> None:
    axis = scale.linear(ends[0], ends[1], 10.0, 110.0)
    assert 9.999 <= axis.place(value) <= 110.001
    assert all(math.isfinite(tick.place) for tick in axis.ticks)


@given(ends=st.tuples(POSITIVE, POSITIVE).map(sorted), value=POSITIVE)
def test_so_it_does_on_a_logarithmic_axis(ends: list[float], value: float) -> None:
    axis = scale.log(ends[0], ends[1], 10.0, 110.0)
    assert 9.999 <= axis.place(value) <= 110.001
    assert len(axis.ticks) <= 12


@given(low=st.floats(-1e6, 1e6), span=st.floats(1e-3, 1e6))
def test_ticks_are_few_round_and_told_apart(low: float, span: float) -> None:
    ticks = scale.linear(low, low + span, 0.0, 1.0).ticks
    labels = [tick.label for tick in ticks]
    assert 1 <= len(ticks) <= 8
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize(
    ("axis", "labels"),
    [
        (scale.linear(0, 1, 0, 1), ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (scale.linear(0.97, 0.99, 0, 1), ["0.97", "0.975", "0.98", "0.985", "0.99"]),
        (scale.log(1e-5, 0.1, 0, 1), ["1e-5", "0.0001", "0.001", "0.01", "0.1"]),
        (scale.log(2, 8, 0, 1), ["2", "3", "4", "5", "6", "7", "8"]),
        (scale.time(540, 0, 1), ["0", "2 min", "4 min", "6 min", "8 min"]),
        (scale.time(3, 0, 1), ["0 s", "0.5 s", "1 s", "1.5 s", "2 s", "2.5 s", "3 s"]),
        (scale.time(200_000, 0, 1), ["0", "12 h", "1 d 0 h", "1 d 12 h", "2 d 0 h"]),
        (scale.category(["a", "b" * 20], 0, 1), ["a", "b" * 13 + "…"]),
    ],
    ids=["shares", "close-together", "decades", "less-than-a-decade", "minutes", "seconds", "days", "choices"],
)
def test_ticks_stand_where_people_expect_them(axis: scale.Scale, labels: list[str]) -> None:
    assert [tick.label for tick in axis.ticks] == labels


@pytest.mark.parametrize(
    ("values", "better", "wanted"),
    [
        ([0.9, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, -50.0], 1, (0.79, 0.96)),
        ([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1e9], -1, (1.0, 2.8)),
        ([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1e9], 1, (1.0, 1e9)),
        ([1.0, 1e9], -1, (1.0, 1e9)),
        ([math.nan, math.inf], 1, (0.0, 1.0)),
    ],
    ids=["one-that-diverged", "a-huge-loss", "the-best-is-never-cut-off", "too-few-to-say", "nothing"],
)
def test_outliers_on_the_worse_side_do_not_flatten_the_others(
    values: list[float], better: int, wanted: tuple[float, float]
) -> None:
    assert scale.bounds(values, better=better) == pytest.approx(wanted, abs=0.1)


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [
        (0.04, "0.0 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (65, "1 min 05 s"),
        (7380, "2 h 03 min"),
        (7200, "2 h"),
        (273600, "3 d 4 h"),
    ],
)
def test_times_read_well(seconds: float, wanted: str) -> None:
    assert wording.elapsed(seconds) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (0.93931, "0.93931"),
        (-2.0, f"{wording.MINUS}2"),
        (1e-5, "1e-5"),
        (123456.0, "1.2346e5"),
        (math.inf, "∞"),
        (100.0, "100"),
    ],
)
def test_numbers_read_well(value: float, wanted: str) -> None:
    assert wording.figure(value) == wanted
