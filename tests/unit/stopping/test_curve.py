"""A curve is sound whatever a trial reports."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning_operator.stopping import curve

NAN = math.nan


@pytest.mark.parametrize(
    ("reports", "expected", "diverged_at"),
    [
        pytest.param([], [], None, id="nothing"),
        pytest.param([(1, 0.5), (2, 0.6)], [(1, 0.5), (2, 0.6)], None, id="steps given"),
        pytest.param([(None, 0.5), (None, 0.6)], [(1, 0.5), (2, 0.6)], None, id="steps counted"),
        pytest.param([(1, 0.5), (1, 0.9), (2, 0.6)], [(1, 0.5), (2, 0.6)], None, id="a step twice: the first counts"),
        pytest.param([(5, 0.5), (3, 0.9), (6, 0.6)], [(5, 0.5), (6, 0.6)], None, id="a step back is left out"),
        pytest.param([(1, 0.5), (2, NAN), (3, 0.7)], [(1, 0.5), (3, 0.7)], None, id="a gap"),
        pytest.param([(1, 0.5), (2, NAN), (3, math.inf)], [(1, 0.5)], 2, id="diverged for good"),
        pytest.param([(NAN, 0.5), (math.inf, 0.5), (3, 0.5)], [(3, 0.5)], None, id="steps that are no numbers"),
        pytest.param([(0, 0.5), (1, 0.6)], [(0, 0.5), (1, 0.6)], None, id="counted from zero"),
    ],
)
def test_a_recorder_cleans_what_a_trial_reports(
    reports: list[tuple[float | None, float]], expected: list[tuple[float, float]], diverged_at: float | None
) -> None:
    recorder = curve.Recorder()
    recorder.extend(reports)
    assert list(recorder.curve()) == expected
    assert recorder.curve().diverged_at == diverged_at


@given(st.lists(st.tuples(st.none() | st.floats(), st.floats()), max_size=300), st.integers(4, 20))
def test_a_recorder_is_bounded_and_keeps_the_newest(reports: list[tuple[float | None, float]], limit: int) -> None:
    recorder, everything = curve.Recorder(limit), curve.Recorder(10**6)
    recorder.extend(reports)
    everything.extend(reports)
    short, full = recorder.curve(), everything.curve()
    assert len(short) <= limit
    assert set(short) <= set(full)
    assert short.steps[:1] == full.steps[:1]
    assert short.steps[-1:] == full.steps[-1:]
    assert short.reached == full.reached


def test_a_thinned_curve_is_evenly_spaced() -> None:
    recorder = curve.Recorder(16)
    recorder.extend((float(step), 0.0) for step in range(1, 1001))
    gaps = [later - earlier for earlier, later in itertools.pairwise(recorder.curve().steps[:-1])]
    assert len(set(gaps)) == 1


@pytest.mark.parametrize(
    ("steps", "values"),
    [((1.0,), ()), ((2.0, 1.0), (0.0, 0.0)), ((1.0, 1.0), (0.0, 0.0)), ((1.0,), (NAN,))],
    ids=["lengths", "backwards", "twice", "not finite"],
)
def test_an_unsound_curve_is_refused(steps: tuple[float, ...], values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"steps|finite"):
        curve.Curve(steps, values)
