"""What a schema cannot say about a job: how its fields go together.

Most rules exist twice, in CEL for the API server and in Python for everywhere else (a server that is too old for CEL,
`tuningctl validate`, the local runtime). Both forms stand in one `Rule` with one wording, so that a user reads the same
sentence whoever refuses the job, and so that a test can hold the two against each other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from tuning_operator.api import base, sources
from tuning_operator.api.errors import Problem, join, quoted
from tuning_operator.api.job import (
    JobSpec,
    Limits,
    Measure,
    Metrics,
    Parameter,
    ParameterType,
    Prior,
    Profile,
    Scale,
)
from tuning_operator.api.rule import Rule, broken

LISTED = "self.type in ['categorical', 'ordinal']"
"""In CEL: whether the values of a parameter are listed one by one."""

EXACT = 2**53
"""The largest whole number that survives JSON, which carries numbers as 64-bit floats."""

ROUNDING = 1.000000001
"""Room for binary fractions: 0.3 - 0.1 is a little less than a step of 0.2."""

QUANTITY = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")
"""A Kubernetes resource quantity, such as 500m, 2 or 16Gi."""


def _bound(name: str) -> Rule[Parameter]:
    return Rule(
        name,
        f"a float or int parameter needs {name}",
        f"give the {'smallest' if name == 'min' else 'largest'} value",
        lambda parameter: _listed(parameter) or getattr(parameter, name) is not None,
        f"{LISTED} || has(self.{name})",
    )


def _numeric(name: str) -> Rule[Parameter]:
    return Rule(
        name,
        f"a categorical or ordinal parameter has no {name}",
        f"remove {name}, or write type: float or int",
        lambda parameter: not _listed(parameter) or getattr(parameter, name) is None,
        f"!({LISTED}) || !has(self.{name})",
    )


def _whole(name: str) -> Rule[Parameter]:
    def holds(parameter: Parameter) -> bool:
        value = getattr(parameter, name)
        return parameter.type is not ParameterType.INT or value is None or abs(value) > EXACT or value == int(value)

    number = f"self.{name}"
    return Rule(
        name,
        f"{name} of an int parameter must be a whole number",
        "round it, or write type: float",
        holds,
        f"self.type != 'int' || !has({number}) || {number} > {EXACT}.0 || {number} < -{EXACT}.0 "
        f"|| double(int({number})) == {number}",
    )


def _exact(name: str) -> Rule[Parameter]:
    def holds(parameter: Parameter) -> bool:
        value = getattr(parameter, name)
        return parameter.type is not ParameterType.INT or value is None or abs(value) <= EXACT

    number = f"self.{name}"
    return Rule(
        name,
        f"{name} of an int parameter is beyond 2^53, where whole numbers are no longer exact",
        "choose a smaller number, or write type: float",
        holds,
        f"self.type != 'int' || !has({number}) || ({number} <= {EXACT}.0 && {number} >= -{EXACT}.0)",
    )


def _listed(parameter: Parameter) -> bool:
    return parameter.type.is_listed()


def _normal(prior: Prior) -> bool:
    return prior.mean is not None and prior.sigma is not None and prior.weights is None


def _weighed(prior: Prior) -> bool:
    return prior.weights is not None and prior.mean is None and prior.sigma is None


def _ordered(parameter: Parameter) -> bool:
    return parameter.min is None or parameter.max is None or parameter.min <= parameter.max


def _step_fits(parameter: Parameter) -> bool:
    if parameter.step is None or parameter.min is None or parameter.max is None or not _ordered(parameter):
        return True
    return parameter.step <= (parameter.max - parameter.min) * ROUNDING


PARAMETER: tuple[Rule[Parameter], ...] = (
    _bound("min"),
    _bound("max"),
    _numeric("min"),
    _numeric("max"),
    _numeric("step"),
    Rule(
        "values",
        "a categorical or ordinal parameter needs values",
        "list its choices, such as values: [rbf, poly]",
        lambda parameter: not _listed(parameter) or parameter.values is not None,
        f"!({LISTED}) || has(self.values)",
    ),
    Rule(
        "values",
        "only a categorical or ordinal parameter has values",
        "remove values, or write type: categorical or ordinal",
        lambda parameter: _listed(parameter) or parameter.values is None,
        f"{LISTED} || !has(self.values)",
    ),
    Rule(
        "scale",
        "a categorical or ordinal parameter has no scale",
        "remove scale",
        lambda parameter: not _listed(parameter) or parameter.scale is Scale.LINEAR,
        f"!({LISTED}) || self.scale == 'linear'",
    ),
    Rule(
        "min",
        "min is above max",
        "swap them",
        _ordered,
        "!has(self.min) || !has(self.max) || self.min <= self.max",
    ),
    Rule(
        "min",
        "a log scale needs a min above 0",
        "raise min, or write scale: linear",
        lambda parameter: parameter.scale is not Scale.LOG or parameter.min is None or parameter.min > 0,
        "self.scale != 'log' || !has(self.min) || self.min > 0.0",
    ),
    Rule(
        "step",
        "step must be above 0",
        "write a positive step, or leave it out",
        lambda parameter: parameter.step is None or parameter.step > 0,
        "!has(self.step) || self.step > 0.0",
    ),
    Rule(
        "step",
        "step is larger than max - min, so that no value but min can be reached",
        "choose a smaller step",
        _step_fits,
        f"!has(self.step) || !has(self.min) || !has(self.max) || self.min > self.max || self.step <= (self.max - self.min) * {ROUNDING}",
    ),
    Rule(
        "prior",
        "the prior of a float or int parameter needs mean and sigma, and nothing else",
        "write both, such as prior: {mean: 0.1, sigma: 0.05}",
        lambda parameter: _listed(parameter) or parameter.prior is None or _normal(parameter.prior),
        f"{LISTED} || !has(self.prior) || (has(self.prior.mean) && has(self.prior.sigma) && !has(self.prior.weights))",
    ),
    Rule(
        "prior",
        "the prior of a categorical or ordinal parameter needs weights, and nothing else",
        "write one for each of the values, such as prior: {weights: [3, 1, 1]}",
        lambda parameter: not _listed(parameter) or parameter.prior is None or _weighed(parameter.prior),
        f"!({LISTED}) || !has(self.prior) || (has(self.prior.weights) && !has(self.prior.mean) && !has(self.prior.sigma))",
    ),
    Rule(
        "prior.weights",
        "there must be one weight for each of the values",
        "write as many weights as values, in the same order",
        lambda parameter: (
            parameter.prior is None
            or parameter.prior.weights is None
            or parameter.values is None
            or len(parameter.prior.weights) == len(parameter.values)
        ),
        "!has(self.prior) || !has(self.prior.weights) || !has(self.values) || size(self.prior.weights) == size(self.values)",
    ),
    Rule(
        "prior.weights",
        "all weights are 0",
        "give at least one value a weight above 0",
        lambda parameter: (
            parameter.prior is None
            or parameter.prior.weights is None
            or any(one > 0 for one in parameter.prior.weights)
        ),
        "!has(self.prior) || !has(self.prior.weights) || self.prior.weights.exists(one, one > 0.0)",
    ),
    Rule(
        "prior.mean",
        "the prior's mean is not between min and max",
        "move it there, or widen the range",
        lambda parameter: (
            parameter.prior is None
            or parameter.prior.mean is None
            or parameter.min is None
            or parameter.max is None
            or parameter.min <= parameter.prior.mean <= parameter.max
        ),
        "!has(self.prior) || !has(self.prior.mean) || !has(self.min) || !has(self.max) "
        "|| (self.min <= self.prior.mean && self.prior.mean <= self.max)",
    ),
    *map(_whole, ("min", "max", "step")),
    *map(_exact, ("min", "max")),
)

LIMITS: tuple[Rule[Limits], ...] = (
    Rule(
        "parallelTrials",
        "parallelTrials is above maxTrials",
        "lower parallelTrials, or raise maxTrials",
        lambda limits: limits.max_trials is None or limits.parallel_trials <= limits.max_trials,
        "!has(self.maxTrials) || self.parallelTrials <= self.maxTrials",
    ),
)

SPEC: tuple[Rule[JobSpec], ...] = (
    Rule(
        "limits.minImprovement",
        "minImprovement is for one objective, and there are several",
        "remove it",
        lambda spec: spec.limits.min_improvement is None or len(spec.objectives) == 1,
        "!has(self.limits.minImprovement) || size(self.objectives) == 1",
    ),
    Rule(
        "limits.maxTrials",
        "maxTrials is no multiple of trial.repeats, so that the last configuration would be left incomplete",
        "write a multiple of it",
        lambda spec: (spec.limits.max_trials or 0) % spec.trial.repeats == 0,
        "!has(self.limits.maxTrials) || self.limits.maxTrials % self.trial.repeats == 0",
    ),
    Rule(
        "profiles",
        "with the objective duration, trials in different profiles could not be compared",
        "keep one profile",
        lambda spec: len(spec.profiles) <= 1 or all(one.metric != Measure.DURATION for one in spec.objectives),
        f"!has(self.profiles) || size(self.profiles) <= 1 || self.objectives.all(o, o.metric != '{Measure.DURATION}')",
    ),
    Rule(
        "limits",
        "nothing ends this job",
        "set limits.maxTrials or limits.maxDuration (only a grid ends by itself)",
        lambda spec: bool(spec.limits.max_trials or spec.limits.max_duration) or spec.search.algorithm == "grid",
        "has(self.limits.maxTrials) || has(self.limits.maxDuration) || self.search.algorithm == 'grid'",
    ),
)


def check(spec: JobSpec) -> list[Problem]:
    """Everything that is wrong with how the fields of a spec go together, except its search and its template."""
    return [
        *repeated([objective.metric for objective in spec.objectives], "spec.objectives", "metric"),
        *repeated([parameter.name for parameter in spec.parameters], "spec.parameters", "name"),
        *repeated([profile.name for profile in spec.profiles], "spec.profiles", "name"),
        *_each(spec.parameters, "spec.parameters"),
        *_each(spec.profiles, "spec.profiles"),
        *part(spec.limits, "spec.limits"),
        *part(spec.metrics, "spec.metrics"),
        *part(spec, "spec"),
    ]


def part(model: base.Model, path: str) -> Iterator[Problem]:
    """The problems of one part of a job by itself; `path` is where it stands in the manifest."""
    match model:
        case Parameter():
            yield from broken(PARAMETER, model, path)
            yield from _values(model, path)
        case Limits():
            yield from broken(LIMITS, model, path)
        case Metrics():
            yield from broken(sources.RULES, model, path)
            yield from sources.pattern(model, path)
        case Profile():
            yield from _quantities(model, path)
        case JobSpec():
            yield from broken(SPEC, model, path)


def _each(models: Sequence[base.Model], path: str) -> Iterator[Problem]:
    for index, model in enumerate(models):
        yield from part(model, f"{path}[{index}]")


def repeated(keys: Sequence[object], path: str, field: str) -> Iterator[Problem]:
    """Items of a list that have the same key, such as two parameters of one name. Keys that are no text are passed over."""
    first: dict[str, int] = {}
    for index, key in enumerate(keys):
        if isinstance(key, str) and first.setdefault(key, index) != index:
            message = f"{path}[{first[key]}] has the {field} {quoted(key)} already"
            yield Problem(f"{path}[{index}].{field}", message, "choose another one")


def _values(parameter: Parameter, path: str) -> Iterator[Problem]:
    # Compared as text: a trial reads HP_<name> and cannot tell 1 from "1".
    for text, count in Counter(map(str, parameter.values or [])).items():
        if count > 1:
            yield Problem(f"{path}.values", f"the value {quoted(text)} appears {count} times", "list each value once")


def _quantities(profile: Profile, path: str) -> Iterator[Problem]:
    for kind, amounts in (("requests", profile.resources.requests), ("limits", profile.resources.limits)):
        for resource, amount in amounts.items():
            if not QUANTITY.fullmatch(str(amount)):
                yield Problem(
                    join(path, "resources", kind, resource),
                    f"{quoted(str(amount))} is not an amount",
                    "write a number with a unit of Kubernetes, such as 500m, 2 or 16Gi",
                )
