"""Which configurations belong to a job, how many there are, and how they are drawn and enumerated."""

from __future__ import annotations

import itertools
import math
import pickle
from collections import Counter
from typing import Any

import pytest

from tests.unit.search.builders import choice, real, space, whole
from tuning_operator.search import dimension
from tuning_operator.search.request import stream
from tuning_operator.search.space import Infeasible, Space

KERNELS = (
    choice("kernel", "rbf", "poly", "linear"),
    whole("degree", 2, 5, when={"kernel": ["poly"]}),
    choice("coef", "yes", "no", when={"degree": [2, 3]}),
)


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        (whole("p", 5, 10, step=2), [5, 7, 9]),
        (whole("p", -3, 3, step=3), [-3, 0, 3]),
        (whole("p", 5, 5), [5]),
        (real("p", 5, 10, step=0.8), [5.0, 5.8, 6.6, 7.4, 8.2, 9.0, 9.8]),
        (real("p", 0.1, 0.5, step=0.1), [0.1, 0.2, 0.3, 0.4, 0.5]),
        (real("p", 1, 1), [1.0]),
        (choice("p", 1, "1", "b", 1), [1, "1", "b"]),
        (whole("p", 1, 16, step=5, scale="log"), [1, 6, 11, 16]),
    ],
)
def test_values_are_counted_from_the_minimum_and_keep_their_type(parameter: dict[str, Any], values: list[Any]) -> None:
    found = [configuration["p"] for configuration in space(parameter).enumerate()]
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]
    assert space(parameter).size() == len(values)


@pytest.mark.parametrize(
    ("parameters", "size"),
    [
        ((whole("a", 1, 4), choice("b", "x", "y")), 8),
        ((real("a"), choice("b", "x", "y")), None),
        (KERNELS, 2 + 2 * 2 + 2),
        ((whole("a", 1, 10**9), whole("b", 1, 3, when={"a": [5, 6]})), 10**9 - 2 + 2 * 3),
        ((choice("a", "x", "y"), choice("b", "x", "y"), whole("c", 1, 5, when={"a": ["x"], "b": ["x"]})), 3 + 5),
        (tuple(choice(f"p{i}", "x", "y") for i in range(100)), 2**100),
        (
            tuple(
                p for i in range(40) for p in (choice(f"p{i}", "x", "y"), whole(f"q{i}", 1, 3, when={f"p{i}": ["x"]}))
            ),
            4**40,
        ),
    ],
)
def test_size_counts_distinct_configurations(parameters: tuple[dict[str, Any], ...], size: int | None) -> None:
    assert space(*parameters).size() == size


def test_a_space_whose_parts_depend_on_too_much_is_not_counted() -> None:
    parents = [choice(f"p{i}", "x", "y") for i in range(40)]
    children = [whole(f"q{i}", 1, 3, when={f"p{i}": ["x"]}) for i in range(40)]
    assert space(*parents, *children).size() is None


@pytest.mark.parametrize(
    ("parameters", "constraints"),
    [
        (KERNELS, ()),
        (KERNELS, ("kernel != 'poly' or degree < 4",)),
        (KERNELS[::-1], ("kernel != 'linear'", "degree != 3")),
        ((whole("a", 1, 6), whole("b", 1, 6), whole("c", 1, 6)), ("a * c <= 6", "b == c")),
    ],
)
def test_enumeration_is_every_configuration_that_belongs_once(
    parameters: tuple[dict[str, Any], ...], constraints: tuple[str, ...]
) -> None:
    of = space(*parameters, constraints=constraints)
    absent = object()
    combinations = itertools.product(*([absent, *dimension.values(slot.dimension)] for slot in of.slots))
    names = [slot.name for slot in of.slots]
    candidates = [{n: v for n, v in zip(names, values, strict=True) if v is not absent} for values in combinations]
    expected = {of.key(candidate) for candidate in candidates if of.contains(candidate)}  # type: ignore[arg-type]
    found = [of.key(configuration) for configuration in of.enumerate()]
    assert set(found) == expected
    assert len(found) == len(expected)
    assert found == [of.key(configuration) for configuration in of.enumerate()]


def test_enumeration_varies_the_last_parameter_fastest() -> None:
    of = space(choice("a", "y", "x"), whole("b", 1, 2))
    assert [tuple(c.values()) for c in of.enumerate()] == [("y", 1), ("y", 2), ("x", 1), ("x", 2)]


def test_enumeration_leaves_a_branch_as_soon_as_a_constraint_is_decided() -> None:
    of = space(*(whole(f"p{i}", 1, 100) for i in range(20)), constraints=["p0 + p1 == 2"])
    assert next(of.enumerate(budget=5000))["p19"] == 1
    assert list(space(whole("a", 1, 1000), whole("b", 1, 1000), constraints=["a * b < 0"]).enumerate(budget=5000)) == []


def test_a_continuous_space_cannot_be_enumerated() -> None:
    with pytest.raises(ValueError, match="give the parameter a step"):
        space(real("a")).enumerate()


@pytest.mark.parametrize(
    ("configuration", "belongs"),
    [
        ({"kernel": "poly", "degree": 2, "coef": "yes"}, True),
        ({"kernel": "poly", "degree": 4}, True),
        ({"kernel": "rbf"}, True),
        ({"kernel": "rbf", "degree": 2}, False),
        ({"kernel": "poly"}, False),
        ({"kernel": "poly", "degree": 2}, False),
        ({"kernel": "poly", "degree": 4, "coef": "yes"}, False),
        ({"kernel": "poly", "degree": 6}, False),
        ({"kernel": "poly", "degree": 4.0}, True),
        ({"kernel": "poly", "degree": 4.5}, False),
        ({"kernel": "poly", "degree": True}, False),
        ({"kernel": "sigmoid"}, False),
        ({"kernel": "rbf", "extra": 1}, False),
        ({}, False),
    ],
)
def test_contains(configuration: dict[str, Any], belongs: bool) -> None:
    assert space(*KERNELS).contains(configuration) is belongs


@pytest.mark.parametrize(
    ("parameter", "value", "coerced"),
    [
        (real("p", 0, 9), 5, 5.0),
        (real("p", 0, 9), 9.5, None),
        (real("p", 0, 9), math.nan, None),
        (real("p", 0, 9), "5", None),
        (real("p", 0, 1, step=0.1), 0.1 + 0.2, 0.3),
        (real("p", 0, 1, step=0.1), 0.35, None),
        (real("p", 0, 1, step=0.1), 1.1, None),
        (whole("p", 1, 9, step=2), 4, None),
        (whole("p", 1, 9, step=2), 11, None),
        (whole("p", 1, 9), math.inf, None),
        (choice("p", 1, "x"), "1", None),
        (choice("p", 1, "x"), True, None),
    ],
)
def test_values_are_coerced_to_the_parameters_type(parameter: dict[str, Any], value: object, coerced: object) -> None:
    found = space(parameter).coerce({"p": value})
    assert found == (None if coerced is None else {"p": coerced})
    assert found is None or type(found["p"]) is type(coerced)


def test_a_number_is_the_same_after_a_json_store_and_a_text_is_not_a_number() -> None:
    of = space(real("p", 0, 9), choice("q", 1, "1"))
    assert of.key({"p": 5.0, "q": 1}) == of.key({"p": 5, "q": 1})
    assert of.key({"p": 5.0, "q": 1}) != of.key({"p": 5.0, "q": "1"})


def _histogram(of: Space, bins: int, at: Any) -> list[int]:
    rng = stream("histogram")
    counts = Counter(min(int(at(of.sample(rng)["p"]) * bins), bins - 1) for _ in range(4000))
    return [counts[index] for index in range(bins)]


@pytest.mark.parametrize(
    ("parameter", "bins", "at"),
    [
        (real("p", -5, 15), 8, lambda v: (v + 5) / 20),
        (real("p", 1e-4, 1e4, scale="log"), 8, lambda v: (math.log10(v) + 4) / 8),
        (whole("p", 1, 8), 8, lambda v: (v - 0.5) / 8),
        (whole("p", 1, 1023, scale="log"), 5, lambda v: math.log(v / 0.5) / math.log(1023.5 / 0.5)),
        (real("p", 1, 2.4, step=0.2), 8, lambda v: (v - 0.9) / 1.6),
        (choice("p", 0, 1, 2, 3), 4, lambda v: (v + 0.5) / 4),
    ],
    ids=["float", "log float", "int", "log int", "stepped float", "categorical"],
)
def test_samples_are_uniform_on_the_parameters_scale(parameter: dict[str, Any], bins: int, at: Any) -> None:
    expected = 4000 / bins
    counts = _histogram(space(parameter), bins, at)
    # Log ints are too coarse for equal bins at the small end: 30 % either way still tells log from linear.
    slack = 0.3 * expected if parameter.get("scale") == "log" else 5 * math.sqrt(expected)
    assert all(abs(count - expected) < slack for count in counts), counts


@pytest.mark.parametrize(
    "constraint",
    ["a + b + c <= 0.02", "a < 1e-3 and b > 0.999", "k == 777", "k * m == 1000"],
)
def test_sampling_finds_what_little_the_constraints_leave(constraint: str) -> None:
    of = space(
        real("a"), real("b"), real("c"), whole("k", 1, 1000), whole("m", 1, 30), *(real(f"z{i}") for i in range(20)),
        constraints=[constraint],
    )  # fmt: skip
    if "a" in constraint:
        of = space(
            *(real(n, 1e-4, 1, scale="log") for n in "ac"), real("b", 0, 1, step=0.001), constraints=[constraint]
        )
    assert of.contains(of.sample(stream("constraints")))


def test_an_empty_space_is_recognised() -> None:
    with pytest.raises(Infeasible, match="no configuration that satisfies"):
        space(real("a"), real("b"), constraints=["a + b > 2"]).sample(stream("empty"))


def test_given_values_are_kept_and_their_conditions_met() -> None:
    of = space(*KERNELS, real("x"))
    rng = stream("given")
    found = [of.sample(rng, {"degree": 4, "x": 0.25}) for _ in range(20)]
    assert all(one == {"kernel": "poly", "degree": 4, "x": 0.25} for one in found)


@pytest.mark.parametrize(
    ("parameters", "constraints", "message"),
    [
        ((whole("a", when={"b": [1]}),), (), "depends on b, which is no parameter"),
        ((whole("a", when={"b": [1]}), whole("b", when={"a": [1]})), (), "depends on itself"),
        ((whole("a"),), ("b > 1",), "names b, which is no parameter"),
        ((real("a", 0, 1, scale="log"),), (), "begin above 0"),
        ((real("a", 1, 0),), (), "no proper bounds"),
        ((whole("a", step=0.5),), (), "not a whole number"),
        ((real("a", step=-1),), (), "not above 0"),
    ],
)
def test_a_space_is_not_made_of_nonsense(
    parameters: tuple[dict[str, Any], ...], constraints: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        space(*parameters, constraints=constraints)


def test_spaces_are_values() -> None:
    of = space(*KERNELS, constraints=["degree < 5"])
    copy = pickle.loads(pickle.dumps(of))
    assert copy == of
    assert list(copy.enumerate()) == list(of.enumerate())
