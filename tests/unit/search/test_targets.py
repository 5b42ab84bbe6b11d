"""What a model is told of results of every kind."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.search.builders import done
from tuning_operator.api.job import Goal
from tuning_operator.search import targets
from tuning_operator.search.request import Outcome, Result, stream

FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(FLOATS, max_size=40))
def test_warping_keeps_order_and_ends_near_zero(costs: list[float]) -> None:
    warped = targets.warp(costs)
    assert all(math.isfinite(value) and abs(value) <= math.sqrt(len(costs)) + 5 for value in warped)
    for low, high in zip(
        sorted(zip(costs, warped, strict=True)), sorted(zip(costs, warped, strict=True))[1:], strict=False
    ):
        assert low[1] <= high[1]
        assert low[0] != high[0] or low[1] == high[1]


def test_an_outlier_does_not_hide_the_differences_between_good_results() -> None:
    warped = targets.warp([0.02, 0.03, 0.04, 1e300, 0.05])
    assert warped[1] - warped[0] > 0.3
    assert warped[3] < 3


@pytest.mark.parametrize(("goal", "best"), [(Goal.MINIMIZE, 0), (Goal.MAXIMIZE, 2)])
def test_the_best_result_has_the_smallest_target(goal: Goal, best: int) -> None:
    results = [done(number, {}, value) for number, value in enumerate([0.1, 0.5, 0.9])]
    found = targets.targets(results, (goal,), stream("t"))
    assert found.index(min(found)) == best


def test_failures_and_values_that_are_not_finite_count_as_the_worst() -> None:
    results = [done(0, {}, 0.1), done(1, {}, 0.9), done(2, {}), done(3, {}, math.nan), done(4, {}, -math.inf)]
    found = targets.targets(results, (Goal.MINIMIZE,), stream("t"))
    assert found[2:] == [found[1]] * 3
    assert found[0] < found[1]


def test_a_trial_stopped_before_it_had_a_value_is_not_told() -> None:
    stopped = Result(1, {}, Outcome.STOPPED)
    partial = Result(2, {}, Outcome.STOPPED, (0.5,))
    assert targets.told([partial, stopped, done(0, {})]) == [done(0, {}), partial]


@given(st.lists(st.tuples(FLOATS, FLOATS), min_size=1, max_size=20), st.integers(0, 5))
def test_with_several_objectives_what_is_better_in_all_of_them_has_the_smaller_target(
    values: list[tuple[float, float]], seed: int
) -> None:
    results = [done(number, {}, *pair) for number, pair in enumerate(values)]
    found = targets.targets(results, (Goal.MINIMIZE, Goal.MAXIMIZE), stream(seed))
    for pair, target in zip(values, found, strict=True):
        for other, reached in zip(values, found, strict=True):
            if pair[0] <= other[0] and pair[1] >= other[1]:
                assert target <= reached


def test_what_breaks_an_outcome_constraint_is_worse_than_all_that_do_not_and_by_how_much_it_breaks_them() -> None:
    values = [(0.1, (5.0, -1.0)), (0.2, (0.5, 0.0)), (0.9, (-1.0, 0.0)), (0.5, (-3.0, -1.0)), (0.0, (0.5, 2.0))]
    results = [
        Result(number, {}, Outcome.SUCCEEDED, (value,), violations=broken)
        for number, (value, broken) in enumerate(values)
    ]
    found = targets.targets([*results, done(5, {})], (Goal.MINIMIZE,), stream("t"))
    assert sorted(range(5), key=found.__getitem__)[:3] == [3, 2, 1]
    assert max(found[2], found[3]) < min(found[0], found[1], found[4])
    assert found[5] == max(found)


def test_where_nothing_is_feasible_the_least_violation_is_the_best() -> None:
    results = [
        Result(number, {}, Outcome.SUCCEEDED, (1.0,), violations=(broken,)) for number, broken in enumerate([3.0, 1.0])
    ]
    found = targets.targets(results, (Goal.MINIMIZE,), stream("t"))
    assert found[1] < found[0]
