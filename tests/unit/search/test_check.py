"""What is refused before a job starts, word for word."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.search.builders import choice, real, spec, whole
from tuning_operator.search import suggest

X = real("x", 0, 10)
KERNEL = choice("kernel", "rbf", "poly")
DEGREE = whole("degree", 2, 5, when={"kernel": ["poly"]})


def _points(*points: dict[str, Any]) -> dict[str, Any]:
    return {"startFrom": list(points)}


@pytest.mark.parametrize(
    ("parameters", "constraints", "search", "problems"),
    [
        pytest.param([X, KERNEL, DEGREE], ["x < 5 or degree > 2"], {}, [], id="nothing wrong"),
        pytest.param(
            [X], [], {"algorithm": "baysian"},
            ["spec.search.algorithm: baysian is not a known algorithm; did you mean bayesian? the known ones are auto, bayesian, tpe, multivariate-tpe, cmaes, evolution, pso, sobol, halton, lhs, random, grid, gp, hyperopt"],
            id="unknown algorithm",
        ),
        pytest.param(
            [X], [], {"algorithm": "quantum"},
            ["spec.search.algorithm: quantum is not a known algorithm; the known ones are auto, bayesian, tpe, multivariate-tpe, cmaes, evolution, pso, sobol, halton, lhs, random, grid, gp, hyperopt"],
            id="algorithm like none",
        ),
        pytest.param(
            [X], [], {"algorithm": "bayesian", "settings": {"acq_fun": "EI"}},
            ["spec.search.settings.acq_fun: acq_fun is not a setting of bayesian; did you mean acq_func? "
             "the known ones are base_estimator, acq_func, n_initial_points, xi, kappa, n_candidates, acq_optimizer"],
            id="unknown setting",
        ),
        pytest.param(
            [X], [], {"algorithm": "random", "settings": {"xi": 1}},
            ["spec.search.settings.xi: xi is not a setting of random; leave it out; it has no settings"],
            id="setting of an algorithm that has none",
        ),
        pytest.param(
            [X], [], {"algorithm": "bayesian", "settings": {"acq_func": "UCB"}},
            ["spec.search.settings.acq_func: 'UCB' is not allowed: input should be 'EI', 'PI' or 'LCB'"],
            id="setting with another value",
        ),
        pytest.param(
            [X], [], {"algorithm": "bayesian", "settings": {"n_initial_points": "10", "xi": True}},
            ["spec.search.settings.n_initial_points: '10' is not allowed: input should be a valid integer",
             "spec.search.settings.xi: True is not allowed: input should be a valid number"],
            id="settings of another type",
        ),
        pytest.param(
            [X], [], {"algorithm": "bayesian", "settings": {"n_candidates": 1}},
            ["spec.search.settings.n_candidates: 1 is not allowed: input should be greater than or equal to 10"],
            id="setting out of range",
        ),
        pytest.param(
            [X], [], {"algorithm": "bayesianoptimization", "settings": {"random_state": 10, "acq_optimizer": "auto"}}, [],
            id="Katib's names",
        ),
        pytest.param([X], [], {"algorithm": "tpe", "settings": {"n_EI_candidates": 10}}, [], id="Katib's name for a setting"),
        pytest.param(
            [X], [], {"settings": {"random_state": -1}},
            ["spec.search.settings.random_state: -1 is not a whole number from 0 to 2147483647; use search.seed"],
            id="a seed that is none",
        ),
        pytest.param(
            [X], [], {"algorithm": "hyperband"},
            ["spec.search.algorithm: hyperband ends trials early and is not a search algorithm; "
             "use it as earlyStopping.algorithm, beside a search algorithm such as random"],
            id="a stopping rule",
        ),
        pytest.param([X], [], {"algorithm": "bayesian", "settings": {"xi": 1, "n_initial_points": 3}}, [], id="an int for a float setting"),
        pytest.param(
            [whole("n"), X], [], {"algorithm": "grid"},
            ["spec.parameters[1].step: grid search needs a step for the float x; add a step, or use random or auto"],
            id="grid over a float",
        ),
        pytest.param([real("x", 0, 1, step=0.1), real("y", 1, 1)], [], {"algorithm": "grid"}, [], id="grid over steps"),
        pytest.param(
            [X], ["x <"], {},
            ["spec.constraints[0]: 'x <' does not parse: invalid syntax"],
            id="constraint that does not parse",
        ),
        pytest.param(
            [X], ["x > 1", "x.real > 1"], {},
            ["spec.constraints[1]: 'x.real' is not allowed; use parameters, numbers, quoted text, + - * / // % **, comparisons, and, or, not"],
            id="constraint with an attribute",
        ),
        pytest.param(
            [X, KERNEL], ["kernal == 'rbf'"], {},
            ["spec.constraints[0]: kernal is not a parameter; did you mean kernel? the known ones are x, kernel"],
            id="constraint on an unknown parameter",
        ),
        pytest.param(
            [X, KERNEL], ["x >= 0", "x > 10"], {},
            ["spec.constraints[1]: nothing satisfies 'x > 10'; relax it, or widen the range of its parameters"],
            id="constraint that nothing satisfies",
        ),
        pytest.param(
            [X, KERNEL], ["kernel * 2 > 1"], {},
            ["spec.constraints[0]: 'kernel * 2 > 1' cannot be evaluated: 'rbf' is text, not a number; compare numbers with numbers and text with text"],
            id="constraint that cannot be evaluated",
        ),
        pytest.param(
            [X], ["x < 4", "x > 6"], {},
            ["spec.constraints: no configuration that satisfies all constraints together was found; relax a constraint, or widen the range of its parameters"],
            id="constraints that contradict each other",
        ),
        pytest.param(
            [KERNEL, whole("degree", when={"kernl": ["poly"]})], [], {},
            ["spec.parameters[1].when.kernl: kernl is not a parameter; did you mean kernel? the known ones are kernel, degree"],
            id="when names an unknown parameter",
        ),
        pytest.param(
            [KERNEL, whole("degree", when={"kernel": ["poly", "sigmoid"]})], [], {},
            ["spec.parameters[1].when.kernel: 'sigmoid' is not a value of kernel; it can be 'rbf', 'poly'"],
            id="when with a choice that is none",
        ),
        pytest.param(
            [whole("layers", 1, 9, step=2), whole("width", when={"layers": [4]})], [], {},
            ["spec.parameters[1].when.layers: 4 is not a value of layers; it can be a whole number from 1 to 9 in steps of 2"],
            id="when with a number between steps",
        ),
        pytest.param(
            [X, whole("n", when={"x": [1]})], [], {},
            ["spec.parameters[1].when.x: x is a float, which cannot be compared exactly; depend on an int or a categorical one"],
            id="when on a float",
        ),
        pytest.param(
            [whole("a", when={"b": [1]}), whole("b", when={"c": [1]}), whole("c", when={"a": [1]}), X], [], {},
            ["spec.parameters[0].when: a depends on itself: a -> b -> c -> a; remove one of these conditions",
             "spec.parameters[1].when: b depends on itself: b -> c -> a -> b; remove one of these conditions",
             "spec.parameters[2].when: c depends on itself: c -> a -> b -> c; remove one of these conditions"],
            id="when in a circle",
        ),
        pytest.param(
            [X, KERNEL], [], _points({"x": 1, "kernl": "rbf"}),
            ["spec.search.startFrom[0].kernl: kernl is not a parameter; did you mean kernel? the known ones are x, kernel"],
            id="start with an unknown parameter",
        ),
        pytest.param(
            [X, KERNEL, DEGREE], [], _points({"x": 1}, {"x": 11, "kernel": "linear", "degree": 1}),
            ["spec.search.startFrom[1].x: 11 is not a value of x; it can be a number from 0 to 10",
             "spec.search.startFrom[1].kernel: 'linear' is not a value of kernel; it can be 'rbf', 'poly'",
             "spec.search.startFrom[1].degree: 1 is not a value of degree; it can be a whole number from 2 to 5"],
            id="start outside the bounds",
        ),
        pytest.param(
            [X, KERNEL, DEGREE], [], _points({"kernel": "rbf", "degree": 3}),
            ["spec.search.startFrom[0].degree: degree does not exist when kernel is 'rbf'; leave it out"],
            id="start with a parameter that does not exist there",
        ),
        pytest.param(
            [X, real("y")], ["x + y < 5"], _points({"x": 4.5, "y": 0.9}),
            ["spec.search.startFrom[0]: violates the constraint 'x + y < 5'; change the point or the constraint"],
            id="start that violates a constraint",
        ),
        pytest.param(
            [X, real("y")], ["x + y < 5"], _points({"x": 6}),
            ["spec.search.startFrom[0]: no configuration with these values that satisfies the constraints was found; "
             "give all its parameters, or change the point"],
            id="start that nothing completes",
        ),
        pytest.param([X, KERNEL, DEGREE], ["degree < 4"], _points({"degree": 3}, {"x": 3}), [], id="partial starts"),
        pytest.param([real("x", 5, 1)], ["x > 0"], _points({"x": 3}), [], id="left to the rules of the API"),
    ],
)  # fmt: skip
def test_problems(
    parameters: list[dict[str, Any]], constraints: list[str], search: dict[str, Any], problems: list[str]
) -> None:
    found = suggest.check(spec(*parameters, constraints=constraints, **search))
    assert [str(problem) for problem in found] == problems


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("latency_ms", "'latency_ms' is not a condition"),
        ("1 <= 2", "names no metric"),
        ("x <= 2", "x is a parameter, known before the trial runs"),
        ("latency_ms <= f(2)", "'f' is not a known function"),
    ],
)
def test_an_outcome_constraint_that_means_nothing_is_refused(text: str, message: str) -> None:
    wanted = spec(real("x")).model_copy(update={"outcome_constraints": ["duration < 60", text]})
    (problem,) = suggest.check(wanted)
    assert problem.field == "spec.outcomeConstraints[1]"
    assert message in problem.message
