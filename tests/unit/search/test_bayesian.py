"""What is particular to bayesian optimisation: that it learns, and when it begins to."""

from __future__ import annotations

import dataclasses
import math
import statistics
import subprocess
import sys
from typing import Any

import pytest

from tests.unit.search.builders import ask, choice, done, real, search, space, whole
from tuning_operator.api.trial import Origin
from tuning_operator.search import suggest
from tuning_operator.search.dimension import Configuration
from tuning_operator.search.request import Pending
from tuning_operator.search.space import Space

SVM = space(
    real("C", 1e-3, 1e3, scale="log"),
    choice("kernel", "linear", "rbf", "poly"),
    real("gamma", 1e-6, 10, scale="log", when={"kernel": ["rbf", "poly"]}),
    whole("degree", 2, 6, when={"kernel": ["poly"]}),
)
BRANIN = space(real("x", -5, 10), real("y", 0, 15))


def _svm(configuration: Configuration) -> tuple[float, ...]:
    c = math.log10(float(configuration["C"]))
    if configuration["kernel"] == "linear":
        return (0.08 + 0.01 * c * c,)
    gamma = math.log10(float(configuration["gamma"]))
    kernel = 0.02 + 0.01 * abs(float(configuration["degree"]) - 3) if configuration["kernel"] == "poly" else 0.0
    return (0.02 * (gamma + 2.4 + 0.2 * c) ** 2 + 0.01 * max(0.0, 1.0 - c) ** 2 + kernel,)


def _branin(configuration: Configuration) -> tuple[float, ...]:
    x, y = float(configuration["x"]), float(configuration["y"])
    bent = y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6
    return (bent * bent + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10 - 0.397887,)


def _regret(of: Space, objective: Any, algorithm: str, seed: int, **settings: Any) -> float:
    request = ask(of, algorithm, seed=seed, settings=settings)
    return float(min(objective(suggestion.configuration)[0] for suggestion in search(request, 30, objective)))


@pytest.mark.parametrize(
    ("of", "objective", "model", "share"),
    [(SVM, _svm, "GP", 0.1), (BRANIN, _branin, "GP", 0.1), (BRANIN, _branin, "ET", 0.5)],
    ids=["svm", "branin", "branin with a forest"],
)
def test_learns(of: Space, objective: Any, model: str, share: float) -> None:
    """Far better than random search: a tenth of its regret for a Gaussian process, half of it for a forest."""
    ours = statistics.fmean(
        _regret(of, objective, "bayesian", seed, base_estimator=model, n_candidates=500) for seed in range(3)
    )
    random = statistics.fmean(_regret(of, objective, "random", seed) for seed in range(20))
    assert ours < random * share


@pytest.mark.parametrize("model", ["GP", "RF", "ET"])
@pytest.mark.parametrize("acquisition", ["EI", "PI", "LCB"])
def test_every_model_works_with_every_acquisition(model: str, acquisition: str) -> None:
    request = ask(SVM, "bayesian", settings={"base_estimator": model, "acq_func": acquisition, "n_candidates": 100})
    suggestions = list(search(request, 12, _svm, parallel=2))
    assert [suggestion.origin for suggestion in suggestions[-3:]] == [Origin.MODEL] * 3


@pytest.mark.parametrize(
    ("number", "ended", "origin"),
    [
        (3, 3, Origin.INITIAL),
        (7, 7, Origin.INITIAL),
        (8, 8, Origin.MODEL),
        (9, 3, Origin.INITIAL),
        (9, 4, Origin.MODEL),
    ],
)
def test_the_model_takes_over_after_the_initial_points(number: int, ended: int, origin: Origin) -> None:
    """Eight of them here; once all have been handed out, half of them must have ended."""
    trials = list(search(ask(SVM, "bayesian"), number, _svm))
    results = tuple(done(n, trials[n].configuration, *_svm(trials[n].configuration)) for n in range(ended))
    pending = tuple(Pending(n, trials[n].configuration) for n in range(ended, number))
    request = ask(SVM, "bayesian", number=number, results=results, pending=pending)
    assert suggest.suggest(request).origin is origin


def test_the_initial_points_cover_each_parameters_range() -> None:
    of = space(real("a"), whole("b", 1, 8), choice("c", "x", "y"))
    first = [
        suggestion.configuration for suggestion in search(ask(of, "bayesian", settings={"n_initial_points": 8}), 8)
    ]
    assert sorted(int(float(c["a"]) * 8) for c in first) == list(range(8))
    assert sorted(int(c["b"]) for c in first) == list(range(1, 9))
    assert sorted(str(c["c"]) for c in first) == ["x"] * 4 + ["y"] * 4


def test_a_pending_trial_keeps_others_away_from_its_place() -> None:
    of = space(real("a"))
    results = tuple(done(n, {"a": n / 10}, (n / 10 - 0.42) ** 2) for n in range(11) if n != 4)
    alone = suggest.suggest(ask(of, "bayesian", number=11, results=results)).configuration["a"]
    waiting = (Pending(11, {"a": alone}),)
    beside = suggest.suggest(ask(of, "bayesian", number=12, results=results, pending=waiting)).configuration["a"]
    assert abs(float(alone) - 0.42) < 0.1
    assert abs(float(beside) - float(alone)) > 0.001


def test_failures_drive_the_search_elsewhere() -> None:
    of = space(real("a"), real("b"))

    def objective(c: Configuration) -> tuple[float, ...]:
        return () if float(c["a"]) > 0.5 else ((float(c["a"]) - 0.5) ** 2,)

    found = [suggestion.configuration for suggestion in search(ask(of, "bayesian"), 25, objective)]
    assert sum(float(c["a"]) > 0.5 for c in found[10:]) <= 6


def test_the_main_process_never_loads_the_models() -> None:
    program = (
        "import sys; from tuning_operator.search import suggest; from tests.unit.search import builders as b\n"
        "s = b.spec(b.real('x'), constraints=['x > 0.5'], algorithm='bayesian', settings={'xi': 1}); assert not suggest.check(s)\n"
        "suggest.suggest(b.ask(b.space(b.real('x'))))\n"
        "assert not {'numpy', 'scipy', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_model_chooses_among_what_is_left_to_the_last_point() -> None:
    of = space(whole("a", 1, 4), choice("b", "x", "y"))
    suggestions = list(search(ask(of, "bayesian", settings={"n_initial_points": 3}), 8))
    assert [suggestion.origin for suggestion in suggestions] == [Origin.INITIAL] * 3 + [Origin.MODEL] * 5


@pytest.mark.parametrize("model", ["GP", "RF", "ET"])
def test_the_same_history_gives_the_same_choice(model: str) -> None:
    settings = {"base_estimator": model, "n_candidates": 100}
    trials = [suggestion.configuration for suggestion in search(ask(SVM, "bayesian", settings=settings), 14, _svm)]
    results = tuple(done(n, trials[n], *_svm(trials[n])) for n in range(10))
    pending = tuple(Pending(n, trials[n]) for n in range(10, 14))
    request = ask(SVM, "bayesian", settings=settings, number=14, results=results, pending=pending)
    shuffled = dataclasses.replace(request, results=results[::-1], pending=pending[::-1])
    assert suggest.suggest(shuffled) == suggest.suggest(request)
