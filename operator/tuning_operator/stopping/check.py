"""What can be refused of a stopping rule before a job starts, each with the words that mend it."""

from __future__ import annotations

from collections.abc import Iterator

import pydantic

from tuning_operator.api import job
from tuning_operator.api.errors import Problem, closest
from tuning_operator.stopping.rule import RULES

MODEL_FREE = frozenset({"random", "grid", "sobol", "halton", "lhs", "qmc", "pbt"})
"""Search algorithms that learn nothing from results, so that bohb's second half would be missing."""


def check(spec: job.JobSpec) -> list[Problem]:
    """Every reason why the stopping rule that a manifest asks for cannot work."""
    return list(_check(spec, spec.early_stopping)) if spec.early_stopping is not None else []


def _check(spec: job.JobSpec, wanted: job.EarlyStopping) -> Iterator[Problem]:
    name, metrics = wanted.algorithm, [objective.metric for objective in spec.objectives]
    rule = RULES.get(name)
    if rule is None:
        yield Problem("spec.earlyStopping.algorithm", f"{name} is not a known stopping rule", closest(name, RULES))
        return
    if wanted.metric is not None and wanted.metric not in metrics:
        message = f"{wanted.metric} is not an objective, so it is not known which values are good"
        yield Problem("spec.earlyStopping.metric", message, closest(wanted.metric, metrics))
    if rule.bounded and wanted.max_steps is None:
        mend = "give the step at which a trial is done"
        yield Problem("spec.earlyStopping.maxSteps", f"{name} shares out steps and has to know how many", mend)
    if name == "bohb" and spec.search.algorithm in MODEL_FREE:
        message = f"bohb is hyperband with a search that learns, and {spec.search.algorithm} does not"
        yield Problem("spec.search.algorithm", message, "use bayesian here, or hyperband as the stopping rule")
    yield from _settings(name, rule.settings, wanted)


def _settings(name: str, model: type[pydantic.BaseModel], wanted: job.EarlyStopping) -> Iterator[Problem]:
    try:
        model.model_validate(dict(wanted.settings))
    except pydantic.ValidationError as error:
        for detail in error.errors():
            key = str(detail["loc"][0])
            field = f"spec.earlyStopping.settings.{key}"
            if detail["type"] == "extra_forbidden":
                mend = closest(key, model.model_fields) if model.model_fields else "leave it out; it has no settings"
                yield Problem(field, f"{key} is not a setting of {name}", mend)
            elif detail["type"] == "missing":
                yield Problem(field, f"{name} needs the setting {key}", f"add {key}")
            else:
                yield Problem(field, f"{wanted.settings[key]!r} is not allowed: {detail['msg']}")
