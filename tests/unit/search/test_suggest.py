"""What the way in adds to any sampler."""

from __future__ import annotations

import dataclasses

import pydantic
import pytest

from tests.unit.search.builders import ask, real, search, space, whole
from tuning_operator.api.trial import Origin
from tuning_operator.search import randomly, suggest
from tuning_operator.search.request import Request, Suggestion
from tuning_operator.search.sampler import SAMPLERS


@dataclasses.dataclass(frozen=True)
class _Stubborn:
    """A sampler that never proposes anything new."""

    settings: type[pydantic.BaseModel] = randomly.Settings
    finite: bool = False

    def propose(self, request: Request) -> Suggestion:
        return Suggestion({"a": 3}, Origin.MODEL)


def test_a_sampler_that_repeats_itself_is_replaced_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SAMPLERS, "stubborn", _Stubborn())
    found = list(search(ask(space(whole("a", 1, 5)), "stubborn"), 5))
    assert [suggestion.origin for suggestion in found] == [Origin.MODEL] + [Origin.RANDOM] * 4
    assert {suggestion.configuration["a"] for suggestion in found} == {1, 2, 3, 4, 5}


def test_each_trial_has_randomness_of_its_own() -> None:
    of = space(real("a"))
    first = {suggest.suggest(ask(of, number=number)).configuration["a"] for number in range(20)}
    assert len(first) == 20
