"""What the search layer can refuse before a job starts, each with the words that mend it.

The API's own rules say what is wrong within a single parameter. Said here is what only the search knows: algorithms and
their settings, what depends on what, what constraints mean, and whether anything satisfies them. Nothing is run and
nothing beyond the standard library and pydantic is imported, so that the operator's main process can call it.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Iterator

import pydantic

from tuning_operator.api import job
from tuning_operator.api.errors import Problem
from tuning_operator.search import dimension, expressions, katib, sampler
from tuning_operator.search.request import stream
from tuning_operator.search.space import Infeasible, Space

STOPPING = {
    "hyperband": "use it as earlyStopping.algorithm, beside a search algorithm such as random",
    "pbt": "use it as earlyStopping.algorithm",
}
"""Katib's algorithms that have another place here, and the way there."""


def check(spec: job.JobSpec) -> list[Problem]:
    """Every reason why the search that a manifest describes cannot run, in the order of the manifest."""
    problems = [*_conditions(spec), *_constraints(spec), *_outcome_constraints(spec), *_algorithm(spec)]
    unknown = list(_start_names(spec))
    if problems or unknown:
        return problems + unknown
    try:
        space = Space.from_spec(spec)
    except ValueError:
        return []  # A parameter is not well formed: the API's rules say so.
    return list(_satisfiable(spec, space)) or list(_start_values(spec, space))


def _algorithm(spec: job.JobSpec) -> Iterator[Problem]:
    search = katib.ours(spec.search.algorithm, spec.search.settings)
    name, field = spec.search.algorithm, "spec.search.algorithm"
    if name in STOPPING:
        yield Problem(field, f"{name} ends trials early and is not a search algorithm", STOPPING[name])
        return
    try:
        chosen = sampler.find(search.algorithm)
    except sampler.Unusable as error:
        yield Problem(field, f"{name}: {error}", "mend the package that brings it")
        return
    if chosen is None:
        yield Problem(field, f"{name} is not a known algorithm", _instead(name, sampler.names()))
        return
    if missing := sampler.missing(chosen):
        extra = f"pip install 'tuning-operator[{name}]'" if name in sampler.SAMPLERS else f"pip install {missing[0]}"
        yield Problem(field, f"{name} needs {', '.join(missing)}, which is not installed", f"{extra}, or use auto")
        return
    if chosen.finite:
        for index, parameter in enumerate(spec.parameters):
            if parameter.prior is not None:
                message = f"{name} search tries every configuration, whatever is expected of it"
                yield Problem(f"spec.parameters[{index}].prior", message, "remove the prior, or use random or bayesian")
        for index, parameter in enumerate(spec.parameters):
            if parameter.type is job.ParameterType.FLOAT and parameter.step is None and parameter.min != parameter.max:
                yield Problem(
                    f"spec.parameters[{index}].step",
                    f"{name} search needs a step for the float {parameter.name}",
                    "add a step, or use random or auto",
                )
    yield from _settings(name, chosen.settings, search.settings)


def _settings(name: str, model: type[pydantic.BaseModel], settings: katib.Settings) -> Iterator[Problem]:
    try:
        model.model_validate(dict(settings))
    except pydantic.ValidationError as error:
        for detail in error.errors():
            key = str(detail["loc"][0])
            field = f"spec.search.settings.{key}"
            if key == katib.SEED:
                yield Problem(
                    field, f"{settings[key]!r} is not a whole number from 0 to {2**31 - 1}", "use search.seed"
                )
            elif detail["type"] == "extra_forbidden":
                mend = _instead(key, model.model_fields) if model.model_fields else "leave it out; it has no settings"
                yield Problem(field, f"{key} is not a setting of {name}", mend)
            else:
                yield Problem(field, f"{settings[key]!r} is not allowed: {_sentence(detail['msg'])}")


def _conditions(spec: job.JobSpec) -> Iterator[Problem]:
    parameters = {parameter.name: parameter for parameter in spec.parameters}
    for index, parameter in enumerate(spec.parameters):
        for name, allowed in (parameter.when or {}).items():
            field = f"spec.parameters[{index}].when.{name}"
            parent = parameters.get(name)
            if parent is None:
                yield Problem(field, f"{name} is not a parameter", _instead(name, parameters))
            elif parent.type is job.ParameterType.FLOAT:
                yield Problem(
                    field,
                    f"{name} is a float, which cannot be compared exactly",
                    "depend on an int or a categorical one",
                )
            else:
                yield from _reachable(field, parent, allowed)
        if cycle := _cycle(parameter.name, parameters):
            yield Problem(
                f"spec.parameters[{index}].when",
                f"{parameter.name} depends on itself: {' -> '.join(cycle)}",
                "remove one of these conditions",
            )


def _reachable(field: str, parent: job.Parameter, allowed: Iterable[int | str]) -> Iterator[Problem]:
    try:
        values = dimension.from_parameter(parent)
    except ValueError:
        return
    for value in allowed:
        if values.coerce(value) is None:
            mend = f"it can be {_some(parent)}"
            yield Problem(field, f"{value!r} is not a value of {parent.name}", mend)


def _some(parameter: job.Parameter) -> str:
    if parameter.values:
        return ", ".join(map(repr, parameter.values[:8])) + (", …" if len(parameter.values) > 8 else "")
    step = f" in steps of {parameter.step:g}" if parameter.step not in (None, 1) else ""
    return f"a whole number from {parameter.min:g} to {parameter.max:g}{step}"


def _cycle(name: str, parameters: dict[str, job.Parameter]) -> list[str]:
    """The shortest way from a parameter over those it depends on back to itself; empty where there is none."""
    paths, seen = [[name]], set[str]()
    for path in paths:
        parent = parameters.get(path[-1])
        for above in (parent.when or {}) if parent else ():
            if above == name:
                return [*path, name]
            if above not in seen:
                seen.add(above)
                paths.append([*path, above])
    return []


def _constraints(spec: job.JobSpec) -> Iterator[Problem]:
    names = [parameter.name for parameter in spec.parameters]
    for index, text in enumerate(spec.constraints):
        field = f"spec.constraints[{index}]"
        try:
            expression = expressions.parse(text)
        except expressions.ExpressionError as error:
            yield Problem(field, f"{text[:80]!r} {error}" if str(error).startswith(("is ", "does ")) else str(error))
            continue
        for name in sorted(expression.names - set(names)):
            yield Problem(field, f"{name} is not a parameter", _instead(name, names))


def _outcome_constraints(spec: job.JobSpec) -> Iterator[Problem]:
    parameters = {parameter.name for parameter in spec.parameters}
    for index, text in enumerate(spec.outcome_constraints):
        field = f"spec.outcomeConstraints[{index}]"
        try:
            names = expressions.parse(text).names
        except expressions.ExpressionError as error:
            yield Problem(field, f"{text[:80]!r} {error}" if str(error).startswith(("is ", "does ")) else str(error))
            continue
        if not names:
            yield Problem(field, "names no metric", "compare a metric with something, such as latency_ms <= 20")
        for name in sorted(names & parameters):
            mend = "write conditions on parameters under constraints, or report a metric of another name"
            yield Problem(field, f"{name} is a parameter, known before the trial runs", mend)


def _satisfiable(spec: job.JobSpec, space: Space) -> Iterator[Problem]:
    if _found(space):
        return
    alone = [not _found(dataclasses.replace(space, constraints=(constraint,))) for constraint in space.constraints]
    for index, hopeless in enumerate(alone):
        if hopeless:
            yield Problem(f"spec.constraints[{index}]", *_why(space, index))
    if not any(alone):
        yield Problem(
            "spec.constraints",
            "no configuration that satisfies all constraints together was found",
            "relax a constraint, or widen the range of its parameters",
        )


def _found(space: Space) -> bool:
    try:
        return bool(space.sample(stream("check")))
    except Infeasible:
        return False


def _why(space: Space, index: int) -> tuple[str, str]:
    """What is wrong with a constraint that nothing satisfies, and the mend."""
    constraint = space.constraints[index]
    sample = dataclasses.replace(space, constraints=()).sample(stream("check"))
    reason = constraint.why_not(sample)
    if reason in (None, "false"):
        return f"nothing satisfies {constraint.text!r}", "relax it, or widen the range of its parameters"
    return f"{constraint.text!r} cannot be evaluated: {reason}", "compare numbers with numbers and text with text"


def _start_names(spec: job.JobSpec) -> Iterator[Problem]:
    names = [parameter.name for parameter in spec.parameters]
    for index, point in enumerate(spec.search.start_from):
        for name in point:
            if name not in names:
                field = f"spec.search.startFrom[{index}].{name}"
                yield Problem(field, f"{name} is not a parameter", _instead(name, names))


def _start_values(spec: job.JobSpec, space: Space) -> Iterator[Problem]:
    by_name = {slot.name: slot for slot in space.slots}
    described = {parameter.name: parameter for parameter in spec.parameters}
    for index, point in enumerate(spec.search.start_from):
        field = f"spec.search.startFrom[{index}]"
        wrong = [name for name, value in point.items() if by_name[name].dimension.coerce(value) is None]
        for name in wrong:
            yield Problem(f"{field}.{name}", f"{point[name]!r} is not a value of {name}", _range(described[name]))
        if not wrong:
            yield from _start_together(field, point, space)


def _start_together(field: str, point: dict[str, int | float | str], space: Space) -> Iterator[Problem]:
    """Whether a point's values, each of them fine, can stand in one configuration."""
    given = {
        slot.name: value for slot in space.slots if (value := slot.dimension.coerce(point.get(slot.name))) is not None
    }
    contradictions = [
        (slot.name, parent)
        for slot in space.slots
        for parent, allowed in slot.when
        if slot.name in given and parent in given and given[parent] not in allowed
    ]
    for name, parent in contradictions:
        yield Problem(f"{field}.{name}", f"{name} does not exist when {parent} is {given[parent]!r}", "leave it out")
    violated = [c for c in space.constraints if c.names <= given.keys() and not c.holds(given)]
    for constraint in violated:
        yield Problem(field, f"violates the constraint {constraint.text!r}", "change the point or the constraint")
    if contradictions or violated:
        return
    try:
        space.sample(stream("check"), given)
    except Infeasible:
        mend = "give all its parameters, or change the point"
        yield Problem(field, "no configuration with these values that satisfies the constraints was found", mend)


def _range(parameter: job.Parameter) -> str:
    match parameter.type:
        case job.ParameterType.CATEGORICAL | job.ParameterType.ORDINAL | job.ParameterType.INT:
            return f"it can be {_some(parameter)}"
        case job.ParameterType.FLOAT:
            step = f" in steps of {parameter.step:g}" if parameter.step else ""
            return f"it can be a number from {parameter.min:g} to {parameter.max:g}{step}"


def _instead(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    guess = f"did you mean {close[0]}? " if close else ""
    return f"{guess}the known ones are {', '.join(names[:20])}" + (", …" if len(names) > 20 else "")


def _sentence(text: str) -> str:
    return text[:1].lower() + text[1:]
