"""What the results say about the search itself, against functions whose answer is known."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable

import pytest

from tests.unit.search.builders import ask, choice, done, ordinal, real, space, whole
from tuning_operator.api import job
from tuning_operator.search import insight, targets
from tuning_operator.search.dimension import Configuration
from tuning_operator.search.request import Request
from tuning_operator.search.space import Space

MIXED = space(
    real("main", 0, 1),
    real("minor", 1e-5, 1, scale="log"),
    choice("kind", "a", "b", "c"),
    ordinal("idle", 1, 2, 3),
    whole("n", 2, 5, when={"kind": ["b"]}),
    real("same", 1, 1),
)


def known(of: Space, value: Callable[[Configuration], float], count: int, **more: object) -> Request:
    """What is known after so many random trials."""
    rng = random.Random(5)
    found = [of.sample(rng) for _ in range(count)]
    results = tuple(done(number, one, value(one)) for number, one in enumerate(found))
    return dataclasses.replace(ask(of), number=count, results=results, **more)  # type: ignore[arg-type]


def mixed(one: Configuration) -> float:
    return 3 * (float(one["main"]) - 0.3) ** 2 + {"a": 0.0, "b": 0.3, "c": 0.6}[str(one["kind"])]


def test_what_matters_is_told_from_what_does_not() -> None:
    found = insight.study(known(MIXED, mixed, 120)).importance
    assert math.fsum(found.values()) == pytest.approx(1)
    assert set(found) == set(MIXED.names)
    assert found["main"] > 0.25
    assert found["kind"] > 0.15
    assert found["same"] == 0
    assert max(found["minor"], found["idle"], found["n"]) < 0.1


def test_with_several_objectives_each_has_a_say() -> None:
    both = known(MIXED, mixed, 80, goals=(job.Goal.MINIMIZE, job.Goal.MAXIMIZE))
    results = tuple(
        dataclasses.replace(one, values=(*one.values, float(one.configuration["idle"]))) for one in both.results
    )
    found = insight.study(dataclasses.replace(both, results=results))
    assert found.importance["idle"] > 0.3
    assert found.importance["main"] > 0.1
    assert found.gain is None


PLANE = space(real("x", 0, 1), real("y", 0, 1))


def bowl(one: Configuration) -> float:
    return 100 + (float(one["x"]) - 0.3) ** 2 + (float(one["y"]) - 0.6) ** 2


def test_what_may_be_gained_shrinks_towards_what_is_there_to_gain() -> None:
    none, few, many = (insight.study(known(PLANE, bowl, count)) for count in (12, 20, 100))
    assert none.gain is None
    assert few.gain is not None
    assert many.gain is not None
    left = min(one.values[0] for one in known(PLANE, bowl, 100).results) - 100
    assert left - 1e-3 <= many.gain < 0.01
    assert few.gain < 0.2


@pytest.mark.parametrize("seed", range(4))
def test_where_all_differences_are_noise_nothing_is_taken_for_the_end(seed: int) -> None:
    rng = random.Random(seed)
    gain = insight.study(known(PLANE, lambda _: rng.gauss(0, 1), 40)).gain
    assert gain is None or gain > 0.1


def test_the_gain_is_in_the_objectives_unit_and_direction() -> None:
    plain = insight.study(known(PLANE, bowl, 40))
    scaled = insight.study(known(PLANE, lambda one: -1000 * bowl(one), 40, goals=(job.Goal.MAXIMIZE,)))
    assert plain.gain is not None
    assert scaled.gain == pytest.approx(1000 * plain.gain, rel=0.05)


@pytest.mark.parametrize(
    "request_",
    [
        ask(PLANE),
        known(PLANE, bowl, 9),
        known(PLANE, lambda _: 1.0, 40),
        known(PLANE, lambda _: math.nan, 40),
        known(PLANE, lambda one: 1.7e308 * (float(one["x"]) * 2 - 1), 40),
        known(space(choice("only", "this")), lambda _: 1.0, 12),
    ],
    ids=["nothing", "too few", "all equal", "not finite", "as wide as floats go", "one configuration"],
)
def test_where_nothing_can_be_said_nothing_is(request_: Request) -> None:
    found = insight.study(request_)
    assert all(math.isfinite(share) for share in found.importance.values())
    assert found.gain is None or math.isfinite(found.gain)


def test_the_cost_is_bounded_by_looking_at_some_of_many_results() -> None:
    many = known(PLANE, bowl, 2000)
    assert len(insight._chosen(targets.told(many.results), many)) == insight.MOST
    best = min(many.results, key=lambda one: one.values[0])
    assert best in insight._chosen(targets.told(many.results), many)


def test_it_is_looked_at_again_when_enough_has_come() -> None:
    studied = [0]
    for count in range(2001):
        if insight.due(count, studied[-1]):
            studied.append(count)
    assert studied[1:5] == [10, 12, 14, 16]
    assert len(studied) < 80
