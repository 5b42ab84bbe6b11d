"""Bayesian optimisation with scikit-optimize's models: learn from the results, try what promises most.

Jones, Schonlau and Welch, Efficient Global Optimization of Expensive Black-Box Functions, J. Global Optimization 13
(1998); pending trials as in Ginsbourger, Le Riche and Carraro, Kriging Is Well-Suited to Parallelize Optimization (2010).

Nothing is kept between suggestions, so a restarted operator continues as if it had not stopped. numpy and
scikit-optimize are imported by `surrogate`, only where a model is needed: in the worker that calls `propose`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import pydantic

from tuning_operator.api import trial
from tuning_operator.search import candidates, randomly, targets
from tuning_operator.search.dimension import Configuration
from tuning_operator.search.request import Request, Result, Suggestion

if TYPE_CHECKING:
    from tuning_operator.search import surrogate

GROWTH = 1.1
"""The model's hyperparameters are fitted anew when the results are this many times more."""

CENTRES, INCUMBENTS, NEIGHBOURS, RADII = 5, 3, 40, (0.1, 0.03, 0.01)
"""After a global choice: how many of the most promising points and of the best trials are refined, with how many
neighbours each, how far away."""


class Settings(pydantic.BaseModel, frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True):
    """The settings of bayesian optimisation, named as in scikit-optimize."""

    base_estimator: Literal["GP", "RF", "ET"] = "GP"
    """The model: a Gaussian process, a random forest or extremely randomised trees."""
    acq_func: Literal["EI", "PI", "LCB"] = "EI"
    """What a point promises: expected improvement, probability of improvement, or lower confidence bound."""
    n_initial_points: Annotated[int, pydantic.Field(ge=1, le=1000)] | None = None
    """Points of the initial design, before the model is used. The default is twice the number of parameters, from 5 to 20."""
    xi: Annotated[float, pydantic.Field(ge=0, le=10)] = 0.01
    """For EI and PI: the improvement that counts, in standard deviations of the better results. Higher explores more."""
    kappa: Annotated[float, pydantic.Field(ge=0, le=100)] = 1.96
    """For LCB: how many standard deviations below the mean. Higher explores more."""
    n_candidates: Annotated[int, pydantic.Field(ge=10, le=10_000)] = 2000
    """Random points among which the most promising is chosen."""

    acq_optimizer: Literal["auto", "sampling"] = "auto"
    """How the highest acquisition is found: by sampling and refining, under either name; accepted because Katib's manifests name it."""

    def initial(self, parameters: int) -> int:
        """Points of the initial design."""
        return self.n_initial_points or min(max(5, 2 * parameters), 20)


@dataclasses.dataclass(frozen=True)
class Bayesian:
    """A Latin hypercube of initial points, then the candidate with the highest acquisition."""

    settings: type[pydantic.BaseModel] = Settings
    finite: bool = False
    needs: tuple[str, ...] = ()

    def propose(self, request: Request) -> Suggestion:
        """The model's choice; before there are enough results, an initial point."""
        settings = Settings.model_validate(dict(request.settings))
        results = [
            result for result in targets.told(request.results) if request.space.coerce(result.configuration) is not None
        ]
        initial = settings.initial(len(request.space.slots))
        if candidates.waits(request, initial):
            return candidates.initial(request, initial)
        chosen = _choose(request, settings, results)
        return _fallback(request) if chosen is None else Suggestion(chosen, trial.Origin.MODEL)


def _fallback(request: Request) -> Suggestion:
    return Suggestion(randomly.unused(request), trial.Origin.RANDOM)


def _choose(request: Request, settings: Settings, results: list[Result]) -> Configuration | None:
    """The most promising of the unused candidates; None where all have been used."""
    from tuning_operator.search import surrogate

    space, rng = request.space, request.rng("bayesian")
    told = _lesson(request, results)
    waiting = sorted(request.pending, key=lambda pending: pending.number)
    model = surrogate.fit(
        settings.base_estimator,
        request.seed,
        prior=_lesson(request, results[: _milestone(len(results))]),
        told=told,
        pending=candidates.rows(space, [pending.configuration for pending in waiting]),
    )
    best: list[tuple[float, Configuration]] = []

    def consider(found: list[Configuration]) -> None:
        fresh = list({space.key(one): one for one in found if space.key(one) not in request.used}.values())
        if fresh:
            rows = candidates.rows(space, fresh)
            gains = model.utilities(rows, settings.acq_func, settings.xi, settings.kappa)
            best.extend(zip(gains, fresh, strict=True))
            best.sort(key=lambda scored: -scored[0])
            del best[CENTRES:]

    consider(candidates.everywhere(space, rng, settings.n_candidates))
    order = sorted(range(len(results)), key=lambda index: told[1][index])
    incumbents = [results[index].configuration for index in order[:INCUMBENTS]]
    for radius in RADII:
        centres = [configuration for _, configuration in best]
        consider(candidates.nearby(space, rng, [*incumbents, *centres], NEIGHBOURS, radius))
    return best[0][1] if best else None


def _lesson(request: Request, results: Sequence[Result]) -> surrogate.Lesson:
    points = candidates.rows(request.space, [result.configuration for result in results])
    return points, tuple(targets.targets(results, request.goals, request.rng("weights")))


def _milestone(count: int) -> int:
    """The last count, up to this one, at which hyperparameters are fitted."""
    milestone = 1
    while (following := max(milestone + 1, int(milestone * GROWTH))) <= count:
        milestone = following
    return milestone
