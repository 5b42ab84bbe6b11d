"""Which algorithms there are: what other packages bring along, what is missing, and Katib's words for ours."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import pydantic
import pytest

from tests.unit.search.builders import ask, bowl, choice, real, search, space, spec, whole
from tuning_operator.api.trial import Origin
from tuning_operator.search import candidates, randomly, sampler, suggest
from tuning_operator.search.dimension import Configuration
from tuning_operator.search.request import Request, Suggestion


class Corner:
    """A plug-in: proposes the first corner, also when it was proposed before."""

    settings: type[pydantic.BaseModel] = randomly.Settings
    finite = False
    needs: tuple[str, ...] = ()

    def propose(self, request: Request) -> Suggestion:
        """The corner."""
        return Suggestion(candidates.placed(request.space, {"a": 0.0}), Origin.MODEL)


class Needy(Corner):
    """A plug-in that needs more."""

    needs = ("no_such_module",)


def _bring(monkeypatch: pytest.MonkeyPatch, **named: str) -> None:
    group = [importlib.metadata.EntryPoint(name, value, sampler.GROUP) for name, value in named.items()]
    monkeypatch.setattr(
        importlib.metadata,
        "entry_points",
        lambda group=None, name=None, made=group: [one for one in made if name in (None, one.name)],
    )


def test_a_plug_in_is_found_by_its_name_and_held_to_the_same_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    _bring(monkeypatch, corner=f"{__name__}:Corner")
    of = space(real("a"))
    assert not suggest.check(spec(real("a"), algorithm="corner"))
    first, second = search(ask(of, "corner"), 2)
    assert first.configuration == {"a": 0.0}
    assert second.configuration != first.configuration
    assert "corner" in sampler.names()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("no_such_module:X", "broken: no_such_module:X cannot be loaded: ModuleNotFoundError"),
        ("json:dumps", "broken: json:dumps is not a sampler"),
        (f"{__name__}:Needy", "broken needs no_such_module, which is not installed; pip install no_such_module"),
    ],
    ids=["not there", "something else", "needs more"],
)
def test_a_plug_in_that_cannot_work_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, value: str, problem: str
) -> None:
    _bring(monkeypatch, broken=value)
    [found] = suggest.check(spec(real("a"), algorithm="broken"))
    assert str(found).startswith(f"spec.search.algorithm: {problem}")


def test_an_algorithm_that_is_gone_is_an_error_that_names_it() -> None:
    with pytest.raises(LookupError, match="gone is not a known algorithm"):
        suggest.suggest(ask(space(real("a")), "gone"))


def test_katibs_words_mean_what_ours_do() -> None:
    of = space(real("a"), whole("b"))

    def found(algorithm: str, seed: int, **settings: Any) -> list[Configuration]:
        return [one.configuration for one in search(ask(of, algorithm, seed=seed, settings=settings), 6)]

    assert found("bayesianoptimization", 1, random_state=9) == found("bayesian", 9)
    assert found("tpe", 1, n_EI_candidates=5, random_state=9) == found("tpe", 9, n_ei_candidates=5)


@pytest.mark.parametrize("algorithm", ["tpe", "multivariate-tpe", "cmaes", "evolution", "pso", "hyperopt"])
def test_learns(algorithm: str) -> None:
    """In 60 trials the last twenty are better than the first twenty, by a third at least."""
    of = space(real("a"), real("b", 0, 1, step=0.01), choice("k", "x", "yy", "zzz"))
    small = {"n_startup_trials": 10, "gamma": 0.9} if algorithm == "hyperopt" else {}
    values = [bowl(one.configuration)[0] - 1.0 for one in search(ask(of, algorithm, settings=small), 60)]
    assert sum(values[40:]) < sum(values[:20]) * 0.67


@pytest.mark.parametrize("algorithm", ["sobol", "halton", "lhs"])
def test_covers_each_parameter_evenly(algorithm: str) -> None:
    """Of twenty points, each fifth of a range has two to six."""
    found = [one.configuration for one in search(ask(space(real("a"), real("b")), algorithm), 20)]
    for name in "ab":
        shares = [sum(int(float(one[name]) * 5) == fifth for one in found) for fifth in range(5)]
        assert min(shares) >= 2
        assert max(shares) <= 6


def test_a_generation_that_is_told_again_gives_the_same_distribution() -> None:
    """What CMA-ES remembers between questions saves time and nothing else."""
    from tuning_operator.search import evolving

    of = space(real("a"), real("b"), whole("c"), choice("k", "x", "y"))
    first = [one.configuration for one in search(ask(of, "cmaes"), 30)]
    evolving._states.clear()
    again: list[Configuration] = []
    for one in search(ask(of, "cmaes"), 30):
        again.append(one.configuration)
        evolving._states.clear()
    assert again == first
