"""What every sampler must do, whatever the space: one suite over all that are registered.

A new sampler gets all of these by being registered. Only what is particular to one is tested elsewhere.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.unit.search.builders import Objective, ask, bowl, choice, done, ordinal, real, search, space, whole
from tuning_operator.api import job
from tuning_operator.api.trial import Origin
from tuning_operator.search import suggest
from tuning_operator.search.dimension import Categorical, Configuration, Continuous, Stepped
from tuning_operator.search.request import Exhausted, Outcome, Pending, Request, Result
from tuning_operator.search.sampler import SAMPLERS, missing
from tuning_operator.search.space import Infeasible, Space

SPACES: dict[str, Space] = {
    "floats": space(real("a", -5, 5), real("b", 1e-6, 1e3, scale="log")),
    "stepped floats": space(real("a", 5, 10, step=0.8), real("b", 0, 1, step=0.05)),
    "ints": space(whole("a", 1, 64), whole("b", 1, 1000, scale="log"), whole("c", 5, 50, step=7)),
    "categorical": space(choice("a", *range(8)), choice("b", "1", 1, "x"), choice("c", "y", "n")),
    "ordinal": space(ordinal("size", "small", "medium", "large"), ordinal("only", 7), ordinal("many", *range(100))),
    "priors": space(
        real("a", 1e-5, 1, scale="log", prior={"mean": 1e-3, "sigma": 0.5}), whole("b", 1, 64, prior={"mean": 60, "sigma": 2}),
        choice("c", "x", "y", "z", prior={"weights": [0, 5, 1]}), real("d", 0, 1, step=0.05, when={"c": ["y"]}, prior={"mean": 1, "sigma": 0.1}),
    ),
    "nested": space(
        choice("model", "net", "tree"), choice("body", "conv", "mlp", when={"model": ["net"]}),
        ordinal("depth", 1, 2, 4, when={"body": ["conv"]}), *(whole(f"width{i}", 1, 9, when={"depth": [2, 4]}) for i in range(2)),
        whole("last", 1, 9, when={"depth": [4], "width1": [7, 8, 9]}), real("leaf", 0, 1, step=0.01, when={"model": ["tree"]}),
    ),
    "one value": space(choice("only", "this"), real("same", 2, 2), whole("n", 3, 300)),
    "huge and tiny": space(
        real("huge", -1.7e308, 1.7e308), real("tiny", 0, 1e-300), real("narrow", 1, 1 + 1e-12), real("log", 1e-300, 1e300, scale="log"),
        whole("count", -(2**60), 2**60),
    ),
    "huge grid": space(whole("a", 1, 10**15), whole("b", 1, 10**12, step=1000)),
    "hundred": space(*(real(f"r{i}") for i in range(60)), *(whole(f"i{i}") for i in range(30)), *(choice(f"c{i}", "x", "y", "z") for i in range(10))),
    "hundred ints": space(*(whole(f"p{i}") for i in range(100))),
    "conditional": space(
        choice("kernel", "rbf", "poly", "linear"), whole("degree", 2, 5, when={"kernel": ["poly"]}),
        real("coef", 0, 1, step=0.01, when={"degree": [3, 4]}), real("gamma", 1e-4, 1, scale="log", when={"kernel": ["rbf", "poly"]}),
    ),
    "conditional grid": space(
        whole("layers", 1, 3), *(whole(f"width{i}", 16, 64, step=16, when={"layers": list(range(i, 4))}) for i in range(1, 4))
    ),
    "constrained": space(whole("batch", 1, 1024, scale="log"), whole("length", 1, 4096), constraints=["batch * length <= 65536"]),
    "tightly constrained": space(whole("a", 1, 100), whole("b", 1, 100), whole("c", 1, 100), constraints=["a + b == 100", "c < a"]),
}  # fmt: skip

ALGORITHMS = [algorithm for algorithm, sampler in SAMPLERS.items() if not missing(sampler)]
CASES = [
    pytest.param(algorithm, of, id=f"{algorithm}-{name}")
    for algorithm in ALGORITHMS
    for name, of in SPACES.items()
    if of.finite or not SAMPLERS[algorithm].finite
]
QUICK: dict[str, dict[str, Any]] = {
    "auto": {"n_initial_points": 4},
    "bayesian": {"n_initial_points": 4, "n_candidates": 50},
    "tpe": {"n_startup_trials": 4},
    "multivariate-tpe": {"n_startup_trials": 4},
    "gp": {"n_startup_trials": 4},
    "hyperopt": {"n_startup_trials": 4},
    "evolution": {"population_size": 4},
    "cmaes": {"population_size": 4},
    "pso": {"particles": 3},
    "lhs": {"points": 4},
}
"""Settings that bring a sampler to its interesting part, past its initial points, within a few trials."""

SMALL = space(whole("a", 1, 3), choice("b", "x", "y"), whole("c", 1, 2, when={"b": ["x"]}))
GRID = space(real("a", 0, 1, step=0.01), whole("b", 1, 50))


def _ask(of: Space, algorithm: str, **more: Any) -> Request:
    return ask(of, algorithm, **{"settings": QUICK.get(algorithm, {}), **more})


def _configurations(
    request: Request, trials: int, objective: Objective = bowl, parallel: int = 1
) -> list[Configuration]:
    return [suggestion.configuration for suggestion in search(request, trials, objective, parallel)]


def _until_exhausted(request: Request, parallel: int = 1) -> tuple[list[Configuration], bool]:
    found: list[Configuration] = []
    try:
        for suggestion in search(request, 100, parallel=parallel):
            found.append(suggestion.configuration)
    except Exhausted:
        return found, True
    return found, False


def _assert_belongs(of: Space, configuration: Configuration) -> None:
    """Bounds, steps counted from min, types, conditions and constraints, said without the code under test where possible."""
    assert list(configuration) == [name for name in of.names if name in configuration]
    for slot in of.slots:
        exists = all(configuration.get(parent) in allowed for parent, allowed in slot.when)
        assert (slot.name in configuration) == exists
        if not exists:
            continue
        value, dimension = configuration[slot.name], slot.dimension
        match dimension:
            case Continuous():
                assert type(value) is float
                assert dimension.low <= value <= dimension.high
            case Stepped(whole=True):
                assert type(value) is int
                assert (value - int(dimension.low)) % int(dimension.step) == 0
                assert 0 <= (value - int(dimension.low)) // int(dimension.step) < dimension.steps
            case Stepped():
                assert type(value) is float
                index = (value - dimension.low) / dimension.step
                assert index == pytest.approx(round(index))
                assert 0 <= round(index) < dimension.steps
            case Categorical():
                assert (type(value), value) in [(type(one), one) for one in dimension.choices]
    assert all(constraint.holds(configuration) for constraint in of.constraints)


@pytest.mark.parametrize(("algorithm", "of"), CASES)
def test_every_configuration_belongs_and_none_comes_twice(algorithm: str, of: Space) -> None:
    found = _configurations(_ask(of, algorithm), 10, parallel=3)
    for configuration in found:
        _assert_belongs(of, configuration)
    assert len({of.key(configuration) for configuration in found}) == len(found) == 10


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_seed_makes_the_sequence(algorithm: str) -> None:
    request = _ask(GRID, algorithm)
    first = _configurations(request, 7)
    assert _configurations(request, 7) == first
    if not SAMPLERS[algorithm].finite:
        other = _configurations(dataclasses.replace(request, seed=8), 7)
        assert not {GRID.key(c) for c in other} >= {GRID.key(c) for c in first}


def _history(algorithm: str, of: Space = SPACES["conditional"]) -> Request:
    rng = random.Random(3)
    results = tuple(done(n, of.sample(rng), rng.random()) for n in range(12) if n != 5)
    pending = tuple(Pending(n, of.sample(rng)) for n in (5, 12, 13))
    return _ask(of, algorithm, number=14, results=results, pending=pending)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_history_decides_not_the_order_in_which_it_arrived(algorithm: str) -> None:
    request = _history(algorithm, GRID)
    other = dataclasses.replace(request, results=request.results[::-1], pending=request.pending[::-1])
    assert suggest.suggest(other) == suggest.suggest(request)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_another_process_suggests_the_same(algorithm: str) -> None:
    """To the last bit: `repr` of a float is exact. The hash seed differs too."""
    program = (
        "import json, tests.unit.search.test_conformance as t, tuning_operator.search.suggest as s\n"
        f"print(json.dumps(s.suggest(t._history({algorithm!r}, t.GRID)).configuration))"
        if SAMPLERS[algorithm].finite
        else "import json, tests.unit.search.test_conformance as t, tuning_operator.search.suggest as s\n"
        f"print(json.dumps(s.suggest(t._history({algorithm!r})).configuration))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "12345"}
    answer = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    here = suggest.suggest(_history(algorithm, GRID) if SAMPLERS[algorithm].finite else _history(algorithm))
    assert json.loads(answer.stdout) == here.configuration


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_pending_trials_are_not_proposed_again(algorithm: str) -> None:
    pending: tuple[Pending, ...] = ()
    results = tuple(done(n, {"a": n / 10, "b": 1 + n}, n) for n in range(6))
    for number in range(6, 16):
        request = _ask(GRID, algorithm, number=number, results=results, pending=pending)
        pending = (*pending, Pending(number, suggest.suggest(request).configuration))
    keys = [GRID.key(one.configuration) for one in results] + [GRID.key(one.configuration) for one in pending]
    assert len(set(keys)) == 16


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_thousand_pending_trials_are_respected(algorithm: str) -> None:
    of = space(real("a", 0, 1, step=0.01), whole("b", 1, 50), choice("c", "x", "y"))
    rng = random.Random(5)
    drawn = list({of.key(one): one for one in (of.sample(rng) for _ in range(1010))}.values())
    results = tuple(done(n, drawn[n], *bowl(drawn[n])) for n in range(10))
    pending = tuple(Pending(n, drawn[n]) for n in range(10, len(drawn)))
    suggestion = suggest.suggest(_ask(of, algorithm, number=len(drawn), results=results, pending=pending))
    assert of.key(suggestion.configuration) not in {of.key(one) for one in drawn}
    _assert_belongs(of, suggestion.configuration)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    "objective",
    [
        pytest.param(lambda _: (), id="all failed"),
        pytest.param(lambda _: (0.5,), id="all equal"),
        pytest.param(lambda c: (1e300 * c["b"] * (-1) ** c["b"],), id="1e300"),
        pytest.param(lambda c: (1e300 if c["b"] > 25 else 1e-300 * c["b"],), id="1e300 and 1e-300"),
        pytest.param(lambda c: (float("nan") if c["b"] > 25 else float("-inf"),), id="not finite"),
        pytest.param(lambda c: () if c["b"] > 25 else bowl(c), id="some failed"),
        pytest.param(lambda c: (5e-324 * c["b"],), id="denormal"),
    ],
)
def test_results_of_every_kind_are_survived(algorithm: str, objective: Objective) -> None:
    found = _configurations(_ask(GRID, algorithm), 12, objective)
    assert len({GRID.key(configuration) for configuration in found}) == 12


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_trials_that_were_stopped_are_survived(algorithm: str) -> None:
    results = tuple(Result(n, {"a": n / 10, "b": 1}, Outcome.STOPPED, (0.1 * n,) if n % 2 else ()) for n in range(10))
    request = _ask(GRID, algorithm, number=10, results=results)
    assert GRID.key(suggest.suggest(request).configuration) not in request.used


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_several_objectives_are_survived(algorithm: str) -> None:
    request = _ask(GRID, algorithm, goals=(job.Goal.MINIMIZE, job.Goal.MAXIMIZE))
    assert len(_configurations(request, 8, lambda c: (float(c["a"]), 1e300 * float(c["b"])))) == 8


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("parallel", [1, 4])
def test_a_finite_space_is_exhausted_after_exactly_all_its_points(algorithm: str, parallel: int) -> None:
    found, ended = _until_exhausted(_ask(SMALL, algorithm), parallel)
    assert ended
    assert sorted(map(str, found)) == sorted(str(configuration) for configuration in SMALL.enumerate())
    assert len(found) == SMALL.size() == 9


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_the_constraints_leave_of_a_finite_space_is_found_to_the_last_point(algorithm: str) -> None:
    of = space(whole("a", 1, 300), whole("b", 1, 300), constraints=["a * b == 299"])
    found, ended = _until_exhausted(_ask(of, algorithm))
    assert ended
    assert sorted(tuple(c.values()) for c in found) == [(1, 299), (13, 23), (23, 13), (299, 1)]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_empty_space_is_said_to_be_empty(algorithm: str) -> None:
    with pytest.raises((Infeasible, Exhausted)):
        suggest.suggest(_ask(space(whole("a", 1, 300), constraints=["a < 1"]), algorithm))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_given_points_come_first(algorithm: str) -> None:
    of = space(
        real("a", 0, 1, step=0.01), whole("b", 1, 50), choice("k", "x", "y"), whole("d", 1, 3, when={"k": ["y"]})
    )
    points: tuple[Configuration, ...] = ({"a": 1, "b": 7, "k": "x"}, {"d": 2}, {"a": 1.0, "b": 7, "k": "x"}, {"b": 9})
    suggestions = list(search(_ask(of, algorithm, start_from=points), 8))
    first, second, third, fourth = (suggestion.configuration for suggestion in suggestions[:4])
    assert first == {"a": 1.0, "b": 7, "k": "x"}
    assert type(first["a"]) is float
    assert second["d"] == 2
    assert second["k"] == "y"
    assert third != first
    assert fourth["b"] == 9
    assert [s.origin is Origin.START_FROM for s in suggestions] == [True, True, False, True, False, False, False, False]
    for suggestion in suggestions:
        _assert_belongs(of, suggestion.configuration)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_numbers_that_come_back_from_a_json_store_are_recognised(algorithm: str) -> None:
    of = space(real("a", 0, 3, step=1), choice("b", "x", "y"))
    results = tuple(done(n, {"a": n % 4, "b": "xy"[n // 4]}, n) for n in range(7))
    assert suggest.suggest(_ask(of, algorithm, number=7, results=results)).configuration == {"a": 3.0, "b": "y"}


def _names(count: int) -> list[str]:
    return [f"p{index}" for index in range(count)]


@st.composite
def _parameter(draw: st.DrawFn, name: str, above: list[dict[str, Any]]) -> dict[str, Any]:
    kind = draw(st.sampled_from(["float", "log", "step", "int", "wide int", "categorical"]))
    low = draw(st.integers(-1000, 1000))
    match kind:
        case "float":
            made = real(name, low, low + draw(st.floats(0, 1e9)))
        case "log":
            exponent = draw(st.integers(-30, 30))
            made = real(name, 10.0**exponent, 10.0 ** (exponent + draw(st.integers(0, 12))), scale="log")
        case "step":
            step = draw(st.sampled_from([0.1, 0.25, 0.3, 1.0, 7.5]))
            made = real(name, low / 8, low / 8 + draw(st.floats(0, 50)), step=step)
        case "int":
            made = whole(name, low, low + draw(st.integers(0, 20)), step=draw(st.integers(1, 4)))
        case "wide int":
            made = whole(name, 1, draw(st.integers(1, 10**12)), scale=draw(st.sampled_from(["linear", "log"])))
        case _:
            made = choice(
                name, *draw(st.lists(st.one_of(st.integers(0, 9), st.text("ab1", min_size=1)), min_size=1, max_size=5))
            )
    parents: list[dict[str, Any]] = [parameter for parameter in above if parameter["type"] == "categorical"]
    conditional: bool = draw(st.booleans())
    if parents and conditional:
        parent = draw(st.sampled_from(parents))
        made["when"] = {parent["name"]: draw(st.lists(st.sampled_from(parent["values"]), min_size=1, max_size=3))}
    return made


@st.composite
def _space(draw: st.DrawFn) -> Space:
    parameters: list[dict[str, Any]] = []
    for name in _names(draw(st.integers(1, 6))):
        parameters.append(draw(_parameter(name, parameters)))
    numeric = [p["name"] for p in parameters if p["type"] != "categorical"]
    constraints = [f"{numeric[0]} <= {numeric[-1]} * 3 + 5"] if len(numeric) > 1 and draw(st.booleans()) else []
    order = draw(st.permutations(parameters))
    return space(*order, constraints=constraints)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(of=_space(), seed=st.integers(0, 2**31 - 1))
def test_any_space(algorithm: str, of: Space, seed: int) -> None:
    assume(of.finite or not SAMPLERS[algorithm].finite)
    found: list[Configuration] = []
    try:
        for suggestion in search(_ask(of, algorithm, seed=seed), 7, parallel=2):
            found.append(suggestion.configuration)
    except Infeasible:
        assert of.constraints
    except Exhausted:
        size = of.size()
        assert (of.constraints or size is None) or len(found) == size
    for configuration in found:
        _assert_belongs(of, configuration)
        assert of.contains(json.loads(json.dumps(configuration)))
        for slot in of.slots:
            if slot.name in configuration and (slot.dimension.count or 1) < 2**40:
                value = configuration[slot.name]
                again = slot.dimension.at(slot.dimension.unit(value))
                assert again == value or again == pytest.approx(value, rel=1e-6, abs=1e-6)
    assert len({of.key(configuration) for configuration in found}) == len(found)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_results_of_earlier_jobs_and_infeasible_ones_are_learnt_from_and_their_configurations_may_come_again(
    algorithm: str,
) -> None:
    every = [one for one, _ in zip(GRID.enumerate(), range(30), strict=False)]
    earlier = tuple(
        dataclasses.replace(done(-1 - n, one, *bowl(one)), violations=(n % 3 - 1.0,)) for n, one in enumerate(every)
    )
    request = dataclasses.replace(_ask(GRID, algorithm), results=earlier)
    first = suggest.suggest(request)
    assert GRID.contains(first.configuration)
    again = dataclasses.replace(request, number=1, results=(*earlier, done(0, first.configuration, 0.5)))
    assert suggest.suggest(again).configuration != first.configuration
