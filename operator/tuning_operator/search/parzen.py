"""Hyperopt's own estimator, for those who compare with it or rely on it; an optional extra, as is Hyperopt.

As with Optuna, the trials are told anew for each question, and parameters as indices or places in the unit interval.
"""

from __future__ import annotations

import dataclasses
import warnings
from typing import Annotated, Any

import pydantic

from tuning_operator.search import candidates, targets
from tuning_operator.search.dimension import Categorical, Configuration, Dimension
from tuning_operator.search.request import Request, Suggestion
from tuning_operator.search.space import Slot

MOST_TOLD = 1000
"""Results that Hyperopt is told: the newest."""

ATTEMPTS = 5
"""Questions with other random numbers, where an answer violates the constraints or was proposed before."""


class Settings(pydantic.BaseModel, frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True):
    """The settings of Hyperopt's estimator, named as there."""

    n_startup_trials: Annotated[int, pydantic.Field(ge=1, le=1000)] = 20
    """Points of the initial design."""
    n_ei_candidates: Annotated[int, pydantic.Field(ge=1, le=10_000)] = 24
    """Candidates drawn for each trial."""
    gamma: Annotated[float, pydantic.Field(gt=0, lt=1)] = 0.25
    """The share, of the root of their number, of the trials that count as good."""
    prior_weight: Annotated[float, pydantic.Field(gt=0, le=100)] = 1.0
    """Weight of the prior, in trials."""


@dataclasses.dataclass(frozen=True)
class Hyperopt:
    """The tree-structured Parzen estimator of Bergstra, Yamins and Cox, Making a Science of Model Search, ICML (2013)."""

    settings: type[pydantic.BaseModel] = Settings
    finite: bool = False
    needs: tuple[str, ...] = ("hyperopt",)

    def propose(self, request: Request) -> Suggestion:
        """Hyperopt's choice; before there are enough results, an initial point."""
        settings = Settings.model_validate(dict(request.settings))
        if candidates.waits(request, settings.n_startup_trials):
            return candidates.initial(request, settings.n_startup_trials)
        import hyperopt
        from hyperopt import hp, tpe

        slots = [slot for slot in request.space.slots if slot.dimension.count != 1]
        if not slots:
            return candidates.settle(request, ())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            domain = hyperopt.Domain(
                lambda _: 0.0, {slot.name: _prior(hp, slot) for slot in slots}, pass_expr_memo_ctrl=False
            )
            trials = _trials(hyperopt, request, slots)
            rng = request.rng("hyperopt")
            answers = (
                _configuration(request, tpe.suggest(
                    trials.new_trial_ids(1), domain, trials, rng.getrandbits(31),
                    prior_weight=settings.prior_weight, n_startup_jobs=0,
                    n_EI_candidates=settings.n_ei_candidates, gamma=settings.gamma, verbose=False,
                ))
                for _ in range(ATTEMPTS)
            )  # fmt: skip
            return candidates.settle(request, answers)


def _prior(hp: Any, slot: Slot) -> Any:
    if isinstance(slot.dimension, Categorical):
        return hp.randint(slot.name, slot.dimension.count)
    return hp.uniform(slot.name, 0.0, 1.0)


def _number(dimension: Dimension, value: Any) -> float:
    place = dimension.unit(value)
    return int(place * dimension.count) if isinstance(dimension, Categorical) else place


def _trials(hyperopt: Any, request: Request, slots: list[Slot]) -> Any:
    """Failed trials are told as failed; stopped ones with the value that they had."""
    results = [r for r in targets.told(request.results) if request.space.coerce(r.configuration) is not None][
        -MOST_TOLD:
    ]
    costs = targets.targets(results, request.goals, request.rng("weights"))
    documents = []
    for index, (result, cost) in enumerate(zip(results, costs, strict=True)):
        given = {
            s.name: _number(s.dimension, result.configuration[s.name]) for s in slots if s.name in result.configuration
        }
        ok = targets.valued(result)
        documents.append(
            {
                "state": hyperopt.JOB_STATE_DONE, "tid": index, "spec": None, "owner": None, "book_time": None,
                "refresh_time": None, "exp_key": None, "version": 0,
                "result": {"status": hyperopt.STATUS_OK, "loss": cost} if ok else {"status": hyperopt.STATUS_FAIL},
                "misc": {
                    "tid": index, "cmd": ("domain_attachment", "FMinIter_Domain"), "workdir": None,
                    "idxs": {slot.name: [index] if slot.name in given else [] for slot in slots},
                    "vals": {slot.name: [given[slot.name]] if slot.name in given else [] for slot in slots},
                },
            }
        )  # fmt: skip
    return hyperopt.trials_from_docs(documents) if documents else hyperopt.Trials()


def _configuration(request: Request, documents: Any) -> Configuration:
    values = documents[0]["misc"]["vals"]
    units: dict[str, float] = {}
    for slot in request.space.slots:
        if found := values.get(slot.name):
            whole = isinstance(slot.dimension, Categorical)
            units[slot.name] = (int(found[0]) + 0.5) / (slot.dimension.count or 1) if whole else float(found[0])
    return candidates.placed(request.space, units)
