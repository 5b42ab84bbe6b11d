"""Other libraries' search spaces, told by what they are made of: none of those libraries is imported here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tuning_operator.sdk.spaces import Choice, Range, SpaceError


def single(name: str, item: Any) -> Range | Choice | None:
    """One parameter of another library's; None for what is none."""
    kind = type(item)
    home = kind.__module__.partition(".")[0]
    if isinstance(item, Mapping) and set(item) == {"grid_search"}:
        return Choice(tuple(item["grid_search"]))
    match home:
        case "numpy":
            return Choice(tuple(item.tolist())) if getattr(item, "ndim", 0) == 1 else None
        case "scipy":
            return _scipy(name, item)
        case "optuna":
            return _optuna(item)
        case "skopt":
            return _skopt(name, item)
        case "ray":
            return _ray(name, item)
        case _:
            return None


def whole(given: Any) -> dict[str, Any] | None:
    """A whole space of another library's, by name; None for what is none."""
    home = type(given).__module__.partition(".")[0]
    if home in ("keras_tuner", "kerastuner"):
        return _keras(given)
    if home == "skopt" or isinstance(given, list | tuple):
        dimensions = list(getattr(given, "dimensions", given))
        if dimensions and all(type(one).__module__.startswith("skopt.") for one in dimensions):
            return {one.name or f"x{index}": one for index, one in enumerate(dimensions)}
    return None


def _scipy(name: str, item: Any) -> Range:
    """A frozen distribution. One without bounds has no range."""
    kind = getattr(getattr(item, "dist", None), "name", "")
    try:
        low, high = (float(bound) for bound in item.support())
    except (AttributeError, TypeError, ValueError):
        raise SpaceError(f"{name}: {type(item).__name__} has no bounds; write sdk.real or sdk.integer") from None
    if kind not in ("uniform", "loguniform", "reciprocal", "randint") or not (
        math.isfinite(low) and math.isfinite(high)
    ):
        mend = "write sdk.real(low, high), with log=True for a scale"
        raise SpaceError(f"{name}: the distribution {kind or type(item).__name__} is no range; {mend}")
    if kind == "randint":
        return Range(int(low), int(high), whole=True)
    return Range(low, high, log=kind != "uniform")


def _optuna(item: Any) -> Range | Choice | None:
    match type(item).__name__:
        case "CategoricalDistribution":
            return Choice(tuple(item.choices))
        case "FloatDistribution":
            return Range(item.low, item.high, item.step, item.log)
        case "IntDistribution":
            return Range(item.low, item.high, None if item.step == 1 else item.step, item.log, True)
        case _:
            return None


def _skopt(name: str, item: Any) -> Range | Choice | None:
    if type(item).__name__ == "Categorical":
        return Choice(tuple(item.categories))
    if type(item).__name__ not in ("Real", "Integer"):
        return None
    if getattr(item, "base", 10) != 10 and item.prior != "log-uniform":
        raise SpaceError(f"{name}: a base is for the prior log-uniform only; remove it")
    return Range(item.low, item.high, None, item.prior == "log-uniform", type(item).__name__ == "Integer")


def _ray(name: str, item: Any) -> Range | Choice | None:
    """A domain of Ray Tune's. The upper bound of its integers is not among them."""
    kind = type(item).__name__
    if kind == "Categorical":
        return Choice(tuple(item.categories))
    if kind not in ("Float", "Integer"):
        return None
    sampler, step = item.get_sampler(), None
    if type(sampler).__name__ == "Quantized":
        step, sampler = sampler.q, sampler.get_sampler()
    form = type(sampler).__name__
    if "Uniform" not in form or not (math.isfinite(item.lower) and math.isfinite(item.upper)):
        raise SpaceError(f"{name}: {form.strip('_').lower()} has no bounds; write sdk.real(low, high)")
    log = form.lstrip("_") == "LogUniform"
    if kind == "Float":
        return Range(item.lower, item.upper, step, log)
    # With a step, Ray rounds, and so reaches the upper bound.
    high = item.upper if step not in (None, 1) else item.upper - 1
    return Range(item.lower, high, None if step == 1 else step, log, True)


def _keras(given: Any) -> dict[str, Any]:
    """KerasTuner's HyperParameters, with their conditions."""
    result: dict[str, Any] = {}
    for item in given.space:
        when = {one.name: list(one.values) for one in item.conditions} or None
        match type(item).__name__:
            case "Float":
                result[item.name] = Range(
                    item.min_value, item.max_value, item.step, item.sampling == "log", False, when
                )
            case "Int":
                step = None if item.step in (None, 1) else item.step
                log = item.sampling == "log"
                # On a log scale KerasTuner's step is a factor.
                result[item.name] = Range(item.min_value, item.max_value, None if log else step, log, True, when)
            case "Choice":
                result[item.name] = Choice(tuple(item.values), bool(item.ordered), when)
            case "Boolean":
                result[item.name] = Choice((False, True), when=when)
            case "Fixed":
                result[item.name] = Choice((item.value,), when=when)
            case kind:
                raise SpaceError(f"{item.name}: {kind} is not understood; write it as a range or a list of choices")
    return result
