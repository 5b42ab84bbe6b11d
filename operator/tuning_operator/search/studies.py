"""Optuna's samplers, each asked for one configuration of a study that is made anew from the request.

Optuna keeps studies in storages and lets samplers write notes there; ours are in memory, live for one question and are
made from what the trials record. So the answer depends on the request alone, on any machine, and nothing has to be
migrated or backed up. Optuna sees each parameter as an index or as its place in the unit interval: what is stepped or
logarithmic stays exactly what the manifest says.

Failed trials are told as infeasible, beyond those that break outcome constraints, and not with a made-up value. Stopped ones are told as pruned, and
pending ones as running, so that the samplers keep away from them.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pydantic

from tuning_operator.search import candidates, targets
from tuning_operator.search.dimension import Categorical, Configuration, Dimension, Ordinal, Scalar, Stepped
from tuning_operator.search.request import Pending, Request, Result, Suggestion

if TYPE_CHECKING:
    import optuna

MOST_TOLD = 1000
"""Results a study is made of; beyond, the best ones and the newest, so that a question costs the same for ever."""

MOST_PENDING = 200
"""Pending trials that a study is told of: the newest."""

MOST_INDEXED = 1_000_000
"""Grid points up to which a parameter is told as an index; beyond, as a place in the unit interval."""

ATTEMPTS = 10
"""Questions with other random numbers, where an answer violates the constraints or was proposed before."""


class TpeSettings(pydantic.BaseModel, frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True):
    """The settings of the tree-structured Parzen estimator, named as in Optuna."""

    n_startup_trials: Annotated[int, pydantic.Field(ge=1, le=1000)] = 10
    """Points of the initial design."""
    n_ei_candidates: Annotated[int, pydantic.Field(ge=1, le=10_000)] = 24
    """Candidates drawn for each trial."""
    gamma: Annotated[float, pydantic.Field(gt=0, lt=1)] = 0.1
    """The share of the trials that count as good; at most 25 do."""
    prior_weight: Annotated[float, pydantic.Field(gt=0, le=100)] = 1.0
    """Weight of the prior, in trials."""


class EvolutionSettings(pydantic.BaseModel, frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True):
    """The settings of the genetic algorithms, named as in Optuna."""

    variant: Literal["nsga2", "nsga3"] = "nsga2"
    """nsga2, or nsga3, which is meant for more than three objectives."""
    population_size: Annotated[int, pydantic.Field(ge=4, le=1000)] = 20
    """Trials of a generation."""
    mutation_prob: Annotated[float, pydantic.Field(ge=0, le=1)] | None = None
    """The chance that a parameter mutates. The default is one parameter a trial."""
    crossover_prob: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.9
    """The chance that a trial has two parents."""


class GpSettings(pydantic.BaseModel, frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True):
    """The settings of Optuna's Gaussian process."""

    n_startup_trials: Annotated[int, pydantic.Field(ge=1, le=1000)] = 10
    """Points of the initial design."""


@dataclasses.dataclass(frozen=True)
class Tpe:
    """The tree-structured Parzen estimator, each parameter for itself or all together.

    Bergstra, Bardenet, Bengio and Kegl, Algorithms for Hyper-Parameter Optimization, NIPS (2011); Falkner, Klein and
    Hutter, BOHB, ICML (2018) for the multivariate one.
    """

    multivariate: bool
    settings: type[pydantic.BaseModel] = TpeSettings
    finite: bool = False
    needs: tuple[str, ...] = ()

    def propose(self, request: Request) -> Suggestion:
        """Where good trials are dense and others are not; before there are enough results, an initial point."""
        settings = TpeSettings.model_validate(dict(request.settings))
        if candidates.waits(request, settings.n_startup_trials):
            return candidates.initial(request, settings.n_startup_trials)

        def sampler(seed: int) -> optuna.samplers.BaseSampler:
            import optuna

            return optuna.samplers.TPESampler(
                seed=seed,
                multivariate=self.multivariate,
                group=self.multivariate,
                n_startup_trials=0,
                n_ei_candidates=settings.n_ei_candidates,
                gamma=lambda count: min(math.ceil(settings.gamma * count), 25),
                prior_weight=settings.prior_weight,
            )

        return _ask(request, sampler, _told(request))


@dataclasses.dataclass(frozen=True)
class Evolution:
    """A genetic algorithm that sorts by domination, for one objective or several.

    Deb, Pratap, Agarwal and Meyarivan, NSGA-II, IEEE Transactions on Evolutionary Computation 6 (2002); Deb and Jain,
    NSGA-III, ibid. 18 (2014).
    """

    settings: type[pydantic.BaseModel] = EvolutionSettings
    finite: bool = False
    needs: tuple[str, ...] = ()

    def propose(self, request: Request) -> Suggestion:
        """A child of the last full generation; before there is one, an initial point."""
        settings = EvolutionSettings.model_validate(dict(request.settings))
        size = settings.population_size
        if candidates.waits(request, size):
            return candidates.initial(request, size)

        def sampler(seed: int) -> optuna.samplers.BaseSampler:
            import optuna

            kind = optuna.samplers.NSGAIISampler if settings.variant == "nsga2" else optuna.samplers.NSGAIIISampler
            return kind(
                seed=seed,
                population_size=size,
                mutation_prob=settings.mutation_prob,
                crossover_prob=settings.crossover_prob,
            )

        note = "NSGAIISampler:generation" if settings.variant == "nsga2" else "NSGAIIISampler:generation"
        told = _told(request)
        valued = [result for result in told if targets.valued(result)]
        whole = len(valued) // size * size
        notes = {result.number: {note: index // size} for index, result in enumerate(valued[:whole])}
        return _ask(request, sampler, [result for result in told if result.number in notes], notes)


@dataclasses.dataclass(frozen=True)
class Gp:
    """Optuna's Gaussian process, with log expected improvement; needs torch.

    Ament, Daulton, Eriksson, Balandat and Bakshy, Unexpected Improvements to Expected Improvement, NeurIPS (2023).
    """

    settings: type[pydantic.BaseModel] = GpSettings
    finite: bool = False
    needs: tuple[str, ...] = ("torch",)

    def propose(self, request: Request) -> Suggestion:
        """The point that promises most; before there are enough results, an initial one."""
        settings = GpSettings.model_validate(dict(request.settings))
        if candidates.waits(request, settings.n_startup_trials):
            return candidates.initial(request, settings.n_startup_trials)

        def sampler(seed: int) -> optuna.samplers.BaseSampler:
            import optuna

            return optuna.samplers.GPSampler(seed=seed, n_startup_trials=0)

        return _ask(request, sampler, _told(request))


def _told(request: Request) -> list[Result]:
    """The results that the study is made of, by trial number: all, or the best and the newest of many."""
    told = [one for one in targets.told(request.results) if request.space.coerce(one.configuration) is not None]
    if len(told) <= MOST_TOLD:
        return told
    costs = targets.targets(told, request.goals, request.rng("weights"))
    best = sorted(range(len(told)), key=costs.__getitem__)[: MOST_TOLD // 2]
    newest = [index for index in range(len(told) - 1, -1, -1) if index not in set(best)][: MOST_TOLD // 2]
    return [told[index] for index in sorted((*best, *newest))]


def _ask(
    request: Request, sampler: Any, told: Sequence[Result], notes: Mapping[int, Mapping[str, Any]] | None = None
) -> Suggestion:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    slots = [slot for slot in request.space.slots if slot.dimension.count != 1]
    if not slots:
        return candidates.settle(request, ())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(directions=["minimize"] * len(request.goals))
        study.add_trials(list(_trials(request, told, notes or {})))
        answers = (_answer(request, study, sampler(seed)) for seed in _seeds(request))
        return candidates.settle(request, answers)


def _seeds(request: Request) -> Iterator[int]:
    rng = request.rng("optuna")
    return (rng.getrandbits(32) for _ in range(ATTEMPTS))


def _answer(request: Request, study: optuna.Study, sampler: optuna.samplers.BaseSampler) -> Configuration:
    """The sampler's choice; the study is left as it was but for a trial that failed, which nobody looks at."""
    import optuna

    study.sampler = sampler
    asked = study.ask()
    chosen: dict[str, Scalar] = {}
    for slot in request.space.slots:
        if not slot.active(chosen):
            continue
        if slot.dimension.count == 1:
            chosen[slot.name] = slot.dimension.nth(0)
            continue
        match _distribution(slot.dimension):
            case optuna.distributions.CategoricalDistribution(choices=choices):
                chosen[slot.name] = slot.dimension.nth(choices.index(asked.suggest_categorical(slot.name, choices)))
            case optuna.distributions.IntDistribution(high=high):
                chosen[slot.name] = slot.dimension.nth(asked.suggest_int(slot.name, 0, high))
            case _:
                chosen[slot.name] = slot.dimension.at(asked.suggest_float(slot.name, 0.0, 1.0))
    study.tell(asked, state=optuna.trial.TrialState.FAIL)
    return {name: chosen[name] for name in request.space.names if name in chosen}


def _distribution(dimension: Dimension) -> optuna.distributions.BaseDistribution:
    import optuna

    if isinstance(dimension, Categorical):
        return optuna.distributions.CategoricalDistribution(tuple(range(dimension.count)))
    if _indexed(dimension):
        return optuna.distributions.IntDistribution(0, (dimension.count or 1) - 1)
    return optuna.distributions.FloatDistribution(0.0, 1.0)


def _indexed(dimension: Dimension) -> bool:
    return isinstance(dimension, Ordinal) or (
        isinstance(dimension, Stepped) and not dimension.log and dimension.count <= MOST_INDEXED
    )


def _number(dimension: Dimension, value: Scalar) -> float:
    """A value as Optuna is told it."""
    if isinstance(dimension, Categorical) or _indexed(dimension):
        return min(int(dimension.unit(value) * (dimension.count or 1)), (dimension.count or 1) - 1)
    return dimension.unit(value)


def _trials(
    request: Request, told: Sequence[Result], notes: Mapping[int, Mapping[str, Any]]
) -> Iterator[optuna.trial.FrozenTrial]:
    from optuna.trial import TrialState, create_trial

    distributions = {
        slot.name: _distribution(slot.dimension) for slot in request.space.slots if slot.dimension.count != 1
    }
    dimensions = {slot.name: slot.dimension for slot in request.space.slots}

    def made(configuration: Configuration, **more: Any) -> optuna.trial.FrozenTrial:
        params = {
            name: _number(dimensions[name], value) for name, value in configuration.items() if name in distributions
        }
        return create_trial(params=params, distributions={name: distributions[name] for name in params}, **more)

    for result, values in zip(told, targets.costs(told, request.goals), strict=True):
        attributes = {"system_attrs": dict(notes[result.number])} if result.number in notes else {}
        broken = {str(index): violation for index, violation in enumerate(result.violations) if violation > 0}
        if not targets.valued(result):
            yield made(result.configuration, values=values, constraints={"failed": sys.float_info.max})
        elif broken:
            yield made(result.configuration, values=values, constraints=broken, **attributes)
        elif result.censored and len(values) == 1 and not attributes:
            yield made(result.configuration, state=TrialState.PRUNED, intermediate_values={1: values[0]})
        else:
            yield made(result.configuration, values=values, **attributes)
    waiting: list[Pending] = sorted(request.pending, key=lambda pending: pending.number)[-MOST_PENDING:]
    for pending in waiting:
        if request.space.coerce(pending.configuration) is not None:
            yield made(pending.configuration, state=TrialState.RUNNING)
