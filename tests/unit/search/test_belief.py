"""The user's beliefs: followed at first, less and less, and never a wall."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.search.builders import ask, bowl, choice, ordinal, real, search, space, spec, whole
from tuning_operator.api.trial import Origin
from tuning_operator.search import belief, check
from tuning_operator.search.request import stream

PRIORS = space(
    real("rate", 1e-6, 1, scale="log", prior={"mean": 1e-3, "sigma": 0.5}),
    whole("width", 1, 64, prior={"mean": 50, "sigma": 5}),
    choice("kernel", "a", "b", "c", prior={"weights": [1, 8, 1]}),
    real("free"),
)


@given(st.floats(0, 1), st.floats(1e-9, 10), st.lists(st.floats(0, 1, exclude_max=True), min_size=2, max_size=5))
def test_draws_of_a_normal_belief_stay_in_the_interval_and_in_order(
    mean: float, sigma: float, chances: list[float]
) -> None:
    places = [belief.Normal(mean, sigma).quantile(chance) for chance in sorted(chances)]
    assert places == sorted(places)
    assert all(0 <= place <= 1 for place in places)


@given(st.lists(st.floats(0, 1e300), min_size=1, max_size=6).filter(any), st.floats(0, 1, exclude_max=True))
def test_draws_of_a_weighted_belief_fall_into_parts_that_have_a_weight(weights: list[float], chance: float) -> None:
    place = belief.Weighted(tuple(weights)).quantile(chance)
    assert weights[int(place * len(weights))] > 0


def test_a_spread_is_in_the_parameters_own_unit_and_in_powers_of_ten_on_a_log_scale() -> None:
    by_name = {slot.name: slot.belief for slot in PRIORS.slots}
    assert by_name["rate"] == belief.Normal(pytest.approx(0.5), pytest.approx(0.5 / 6))  # type: ignore[arg-type]
    width = by_name["width"]
    assert isinstance(width, belief.Normal)
    assert width.sigma == pytest.approx(5 / 63)


def test_the_first_trial_is_at_the_centre_of_what_is_believed() -> None:
    first = next(iter(search(ask(PRIORS), 1)))
    assert first.origin is Origin.PRIOR
    assert first.configuration["width"] == 50
    assert first.configuration["kernel"] == "b"
    assert first.configuration["rate"] == pytest.approx(1e-3)


def test_starting_points_come_before_what_is_believed() -> None:
    origins = [one.origin for one in search(ask(PRIORS, start_from=({"width": 3},)), 2)]
    assert origins == [Origin.START_FROM, Origin.PRIOR]


def test_fewer_and_fewer_trials_are_drawn_from_the_priors_and_they_are_near_them() -> None:
    found = list(search(ask(PRIORS), 200))
    hinted = [number for number, one in enumerate(found) if one.origin is Origin.PRIOR]
    assert sum(number < 20 for number in hinted) >= 4
    assert sum(number >= 100 for number in hinted) <= 10
    drawn = [one.configuration for one in found if one.origin is Origin.PRIOR]
    assert sum(abs(math.log10(float(one["rate"])) + 3) < 1.5 for one in drawn) > 0.9 * len(drawn)
    others = [one.configuration for one in found if one.origin is not Origin.PRIOR]
    assert {one["kernel"] for one in others} == {"a", "b", "c"}


def test_beliefs_and_constraints_hold_together_and_what_is_impossible_is_passed_over() -> None:
    torn = space(whole("a", 1, 100, prior={"mean": 100, "sigma": 1}), whole("b", 1, 100), constraints=["a <= 10"])
    found = list(search(ask(torn), 20, bowl))
    assert all(torn.contains(one.configuration) for one in found)
    assert torn.hint(stream("t"), centre=True) is None


def test_a_grid_takes_no_prior() -> None:
    problems = check.check(spec(ordinal("a", 1, 2, prior={"weights": [1, 2]}), algorithm="grid"))
    assert [problem.field for problem in problems] == ["spec.parameters[0].prior"]
