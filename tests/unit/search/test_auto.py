"""The default algorithm: what it decides for, what it says, and that it learns."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
import pytest
from scipy import optimize

from tests.unit.search.builders import ask, bowl, choice, done, real, search, space, whole
from tests.unit.search.test_bayesian import BRANIN, SVM, _branin, _svm
from tuning_operator.api import job
from tuning_operator.api.trial import Origin
from tuning_operator.search import cube, gain, gaussian, process, suggest
from tuning_operator.search.dimension import Configuration
from tuning_operator.search.request import Outcome, Pending, Result
from tuning_operator.search.space import Space

MIXED = space(
    real("x", 1e-4, 1, scale="log"), whole("n", 1, 9), choice("k", "a", "b", "c"), real("y", when={"k": ["a", "c"]})
)


def _history(of: Space, count: int, objective: Any = bowl, **more: Any) -> Any:
    trials = [one.configuration for one in search(ask(of, "random"), count)]
    results = tuple(done(n, trials[n], *objective(trials[n])) for n in range(count))
    return ask(of, "auto", number=count, results=results, **more)


@pytest.mark.parametrize(
    ("of", "objective", "share"), [(SVM, _svm, 0.1), (BRANIN, _branin, 0.02)], ids=["svm", "branin"]
)
def test_learns(of: Space, objective: Any, share: float) -> None:
    """After 30 trials it has at most this share of random search's regret."""

    def regret(algorithm: str, seed: int) -> float:
        found = search(ask(of, algorithm, seed=seed), 30, objective)
        return float(min(objective(one.configuration)[0] for one in found))

    ours = statistics.fmean(regret("auto", seed) for seed in range(2))
    random = statistics.fmean(regret("random", seed) for seed in range(20))
    assert ours < random * share


def test_says_what_it_does_and_why() -> None:
    suggestions = list(search(ask(MIXED, "auto", settings={"n_initial_points": 4}), 6))
    assert [one.origin for one in suggestions] == [Origin.INITIAL] * 4 + [Origin.MODEL] * 2
    assert {one.algorithm for one in suggestions} == {"lhs", "gaussian-process"}
    assert suggestions[0].why == "the first 4 trials cover the space evenly"
    assert suggestions[-1].why.startswith("4 parameter(s), 5 results, told ")


@pytest.mark.parametrize(
    ("of", "algorithm"),
    [
        (space(*(real(f"r{n}") for n in range(61))), "multivariate-tpe"),
        (space(*(choice(f"c{n}", *range(20)) for n in range(4))), "multivariate-tpe"),
        (space(*(real(f"r{n}") for n in range(60))), "gaussian-process"),
    ],
    ids=["many parameters", "many choices", "just not too many"],
)
def test_decides_by_the_space(of: Space, algorithm: str) -> None:
    suggestion = suggest.suggest(_history(of, 12, lambda c: (float(len(str(c))),), settings={"n_initial_points": 4}))
    assert suggestion.algorithm == algorithm


def test_a_job_whose_trials_all_failed_goes_on_at_random_and_says_so() -> None:
    results = tuple(Result(n, {"a": n / 20}, Outcome.FAILED) for n in range(12))
    suggestion = suggest.suggest(
        ask(space(real("a")), "auto", number=12, results=results, settings={"n_initial_points": 1})
    )
    assert suggestion.origin is Origin.INITIAL


def test_a_bowl_is_recognised() -> None:
    """In five dimensions 35 trials are enough to be next to its bottom: that is what the quadratic part is for."""
    of = space(*(real(f"x{n}") for n in range(5)))

    def objective(one: Configuration) -> tuple[float, ...]:
        return (sum((n + 1) * (float(value) - 0.37) ** 2 for n, value in enumerate(one.values())),)

    best = min(objective(one.configuration)[0] for one in search(ask(of, "auto"), 35, objective))
    assert best < 1e-4


def test_values_of_every_magnitude_are_told_in_a_shape_that_can_be_learnt_from() -> None:
    of = space(real("a"), real("b"))
    trials = [one.configuration for one in search(ask(of, "random"), 20)]
    wild = tuple(done(n, one, 1e300 if float(one["a"]) > 0.8 else float(one["a"])) for n, one in enumerate(trials))
    found = gaussian.choose(ask(of, "auto", number=20, results=wild), wild)
    assert found is not None
    assert found[1] is gaussian.Shape.RANKED


@pytest.mark.parametrize("goal", list(job.Goal))
def test_the_direction_of_the_objective_is_kept(goal: job.Goal) -> None:
    sign = 1.0 if goal is job.Goal.MINIMIZE else -1.0
    request = _history(space(real("a"), real("b")), 25, lambda c: (sign * (float(c["a"]) - 0.2) ** 2,), goals=(goal,))
    assert abs(float(suggest.suggest(request).configuration["a"]) - 0.2) < 0.1


def test_pending_trials_keep_others_away_from_their_places() -> None:
    request = _history(BRANIN, 12, _branin)
    first = suggest.suggest(request).configuration
    second = suggest.suggest(
        ask(request.space, "auto", number=13, results=request.results, pending=(Pending(12, first),))
    ).configuration
    assert max(abs(float(first[name]) - float(second[name])) for name in "xy") > 0.01


def test_the_gradients_are_those_of_the_functions() -> None:
    """Against finite differences, of the likelihood and of the gain."""
    rng = np.random.default_rng(3)
    points, groups = rng.random((15, 4)), np.array([0, 1, 2, 2])
    targets = rng.standard_normal(15)
    likelihood = process._Likelihood(points, targets, groups)
    theta = rng.standard_normal(7) * 0.3
    numeric = optimize.approx_fprime(theta, lambda one: likelihood(one)[0], 1e-6)
    assert likelihood(theta)[1] == pytest.approx(numeric, rel=1e-3, abs=1e-4)
    model = process.Process(points, targets, groups, process.Hyperparameters(tuple(theta), 0.0))
    for place in rng.random((5, 4)):
        value, slope = gain.ascent(model, place, -1.0)
        assert value == pytest.approx(float(gain.logarithm(*model.predict(place[None]), -1.0)[0]))
        numeric = optimize.approx_fprime(place, lambda one: gain.ascent(model, one, -1.0)[0], 1e-7)
        assert slope == pytest.approx(numeric, rel=1e-3, abs=1e-3)


def test_the_gain_is_a_number_however_hopeless_a_point_is() -> None:
    means = np.array([0.0, 1.0, 10.0, 1e3, 1e6])
    gains = gain.logarithm(means, np.full(5, 1e-4), 0.0)
    assert np.isfinite(gains).all()
    assert (np.diff(gains) < 0).all()


def test_arrays_say_the_same_as_the_space() -> None:
    """Places lead to configurations of the space and back, and features hide what a configuration does not have."""
    array = cube.Cube(MIXED)
    rng = np.random.default_rng(0)
    places = array.draw(rng, 200)
    configurations = [array.configuration(place) for place in places]
    assert all(MIXED.contains(one) for one in configurations)
    assert array.features(array.places(configurations)) == pytest.approx(array.features(places))
    assert all(MIXED.contains(array.configuration(place)) for place in array.shaken(rng, places[:3], 20, 0.1))
    assert all(MIXED.contains(array.configuration(place)) for place in array.around(places[0]))
