"""Fronts, what represents them, and hypervolumes, against definitions carried out by brute force."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning_operator.search import pareto

GRID = 5


def clouds(dimensions: int, most: int = 12) -> st.SearchStrategy[list[pareto.Point]]:
    """Points on a coarse grid, so that ties and equal points are frequent."""
    point = st.tuples(*[st.integers(0, GRID).map(float)] * dimensions)
    return st.lists(point, max_size=most)


ANY = st.integers(1, 4).flatmap(clouds)


@given(ANY)
def test_the_front_is_what_nothing_dominates(points: list[pareto.Point]) -> None:
    found = pareto.front(points)
    for index, point in enumerate(points):
        beaten = any(pareto.dominates(other, point) for other in points)
        assert (index in found) == (not beaten and points.index(point) == index)


@given(ANY)
def test_dominance_is_a_strict_order(points: list[pareto.Point]) -> None:
    for a, b, c in itertools.product(points[:6], repeat=3):
        assert not pareto.dominates(a, a)
        assert not (pareto.dominates(a, b) and pareto.dominates(b, a))
        assert pareto.dominates(a, c) or not (pareto.dominates(a, b) and pareto.dominates(b, c))


@given(ANY)
def test_the_hypervolume_is_the_number_of_cells_that_are_dominated(points: list[pareto.Point]) -> None:
    dimensions = len(points[0]) if points else 2
    cells = itertools.product(range(GRID), repeat=dimensions)
    dominated = sum(any(all(p <= c for p, c in zip(point, cell, strict=True)) for point in points) for cell in cells)
    assert pareto.hypervolume(tuple(points), (float(GRID),) * dimensions) == pytest.approx(dominated)


def test_points_beyond_the_reference_add_no_volume() -> None:
    assert pareto.hypervolume(((0.0, 9.0), (9.0, 0.0)), (5.0, 5.0)) == 0.0
    assert pareto.hypervolume(((1.0, 2.0), (9.0, 0.0)), (5.0, 5.0)) == 12.0
    assert pareto.hypervolume((), (5.0, 5.0)) == 0.0


@given(clouds(2, 20), st.integers(1, 8))
def test_a_thinned_front_keeps_its_ends_and_its_bound(points: list[pareto.Point], most: int) -> None:
    members = [points[index] for index in pareto.front(points)]
    kept = pareto.thin(members, most)
    assert len(kept) == min(most, len(members))
    assert kept == sorted(set(kept)) == pareto.thin(members, most)
    if most >= 2 and members:
        assert {members.index(min(members)), members.index(min(members, key=lambda p: p[1]))} <= set(kept)


def test_a_thinned_front_has_no_large_hole() -> None:
    members = [(x, 1 - x) for x in (index / 1000 for index in range(1001))]
    kept = [members[index] for index in pareto.thin(members, 21)]
    assert max(math.dist(a, b) for a, b in itertools.pairwise(kept)) < 0.12


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(0.0, 10.0), (1.0, 2.0), (10.0, 0.0)], 1),
        ([(0.0, 1.0)], 0),
        ([(-1.7e308, 1.7e308), (0.0, 0.0), (1.7e308, -1.7e308)], 1),
        ([(0.0, 1.0), (1.0, 0.0)], 0),
    ],
    ids=["the corner", "alone", "as wide as floats go", "no compromise"],
)
def test_the_knee_gives_up_least(points: list[pareto.Point], expected: int) -> None:
    assert pareto.knee(points) == expected
