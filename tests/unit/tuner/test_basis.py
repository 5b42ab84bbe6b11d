"""Which results a suggestion knows."""

from __future__ import annotations

import itertools

import hypothesis
import hypothesis.strategies as st
import pytest

from tests.unit.tuner.scenes import ago, one
from tuning_operator.tuner import basis, state


@pytest.mark.parametrize(
    ("numbers", "text"), [(set(), ""), ({4}, "4"), ({0, 1, 2, 5}, "0-2,5"), ({7, 8}, "7-8"), ({1, 3, 5}, "1,3,5")]
)
def test_numbers_as_ranges(numbers: set[int], text: str) -> None:
    assert basis.encode(numbers) == text
    assert basis.decode(text) == numbers


@hypothesis.given(st.sets(st.integers(0, 300)))
def test_ranges_lose_nothing(numbers: set[int]) -> None:
    assert basis.decode(basis.encode(numbers)) == numbers


def finished(number: int, seconds_ago: float) -> state.Trial:
    return one(number, "Succeeded", completion_time=ago(seconds_ago))


@pytest.mark.parametrize(
    ("trials", "count", "wanted"),
    [
        pytest.param([], 2, [set(), set()], id="before the first trial"),
        pytest.param([one(0), one(1)], 1, [set()], id="nothing has finished"),
        pytest.param([finished(0, 9), one(1)], 1, [{0}], id="one has"),
        pytest.param([finished(0, 9), finished(1, 20)], 2, [{1}, {0, 1}], id="two at once, in order of completion"),
        pytest.param([finished(0, 9), finished(1, 9)], 2, [{0}, {0, 1}], id="a draw goes to the lower number"),
        pytest.param([finished(0, 9), one(1)], 3, [set(), set(), {0}], id="more room than results"),
        pytest.param([finished(0, 9), finished(1, 8), finished(2, 7)], 1, [{0, 1, 2}], id="more results than room"),
        pytest.param(
            [finished(0, 5), finished(1, 9), one(2, based_on="0")], 1, [{0, 1}], id="what was known once stays known"
        ),
    ],
)
def test_results_are_handed_out_as_if_one_by_one(trials: list[state.Trial], count: int, wanted: list[set[int]]) -> None:
    assert basis.hand_out(trials, count) == wanted


@hypothesis.given(st.lists(st.booleans(), min_size=1, max_size=12), st.integers(1, 6))
def test_each_trial_knows_at_least_what_the_one_before_it_knew(done: list[bool], count: int) -> None:
    trials = [finished(number, 100 - number) if over else one(number) for number, over in enumerate(done)]
    handed = basis.hand_out(trials, count)
    assert all(earlier <= later for earlier, later in itertools.pairwise(handed))
    assert handed[-1] == {number for number, over in enumerate(done) if over}
