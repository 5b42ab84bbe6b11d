"""Feasible sets that chance does not find, and sets that are empty."""

from __future__ import annotations

import pytest

from tests.unit.search.builders import choice, ordinal, real, space, spec, whole
from tuning_operator.search import candidates, check
from tuning_operator.search.request import stream
from tuning_operator.search.space import Infeasible, Space

CUBE = (real("x"), real("y"), real("z"))

THIN: dict[str, Space] = {
    "a layer": space(*CUBE, constraints=["abs(x + y + z - 1.5) <= 1e-6"]),
    "the crossing of two layers": space(*CUBE, constraints=["abs(x + y - 1) <= 1e-5", "abs(x - y) <= 1e-5"]),
    "a shell": space(*CUBE, constraints=["abs(x * x + y * y + z * z - 1) <= 1e-6"]),
    "a corner": space(*(real(f"p{i}") for i in range(6)), constraints=[" + ".join(f"p{i}" for i in range(6)) + " <= 0.5"]),
    "a small box": space(*CUBE, constraints=["0.7 <= x <= 0.71", "0.2 <= y <= 0.21", "z >= 0.99"]),
    "orders of magnitude": space(
        real("a", 1e-8, 1, scale="log"), real("b", 1e-8, 1, scale="log"), constraints=["1e-9 <= a * b <= 1.00001e-9"]
    ),
    "whole numbers": space(whole("a", 1, 10**6), whole("b", 1, 10**6), constraints=["a * 3 == b * 2", "a >= 600000"]),
    "a conditional layer": space(
        choice("kind", "thin", "none"), real("x", when={"kind": ["thin"]}), real("y", when={"kind": ["thin"]}),
        constraints=["kind == 'thin'", "abs(x - y) <= 1e-6"],
    ),
    "nested conditions": space(
        choice("kind", "net", "tree"), ordinal("size", 1, 2, 4, when={"kind": ["net"]}), real("w", when={"size": [4]}),
        real("v", when={"size": [4]}), constraints=["kind == 'net'", "size >= 4", "abs(w + v - 1.9) <= 1e-5"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", THIN)
def test_a_thin_feasible_set_is_found_from_every_start(name: str) -> None:
    thin = THIN[name]
    for seed in range(5):
        assert thin.contains(thin.sample(stream(seed)))


def test_points_of_a_thin_set_differ() -> None:
    found = [THIN["a layer"].sample(stream(seed)) for seed in range(10)]
    assert len({round(float(one["x"]), 2) for one in found}) > 5


EMPTY = {
    "contradiction": ["x >= 0.6", "x <= 0.4"],
    "beyond the range": ["x + y >= 2.1"],
    "just beyond": ["x + y >= 2.000001"],
    "three together": ["x > y", "y > z", "z > x"],
}


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_set_is_recognised(name: str) -> None:
    empty = space(*CUBE, constraints=EMPTY[name])
    with pytest.raises(Infeasible):
        empty.sample(stream("t"))
    assert check.check(spec(*CUBE, constraints=EMPTY[name]))


@pytest.mark.parametrize("name", ["a layer", "nested conditions"])
def test_a_model_has_something_to_choose_from_in_a_thin_set(name: str) -> None:
    found = candidates.everywhere(THIN[name], stream("t"), 200)
    assert len(found) >= candidates.FEW
    assert all(THIN[name].contains(one) for one in found)
