"""Parameters: Katib keeps their bounds as text and knows distributions; names may hold what no variable's name may."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from tuning_operator.api.errors import join, quoted
from tuning_operator.katib import experiment
from tuning_operator.katib.findings import Findings

SIGMAS = 6
DISTRIBUTIONS = ("", "uniform", "logUniform", "normal", "logNormal")


def renamed(name: str) -> str:
    """The parameter's name as part of a variable's: ``num-layers`` is ``num_layers``, ``--lr`` is ``lr``."""
    letters = re.sub(r"[^A-Za-z0-9_]", "_", name.strip("-"))
    return f"_{letters}" if letters[:1].isdigit() else letters


def convert(given: Sequence[experiment.Parameter], found: Findings) -> list[dict[str, Any]]:
    """The parameters, in order."""
    owners: dict[str, str] = {}
    result = []
    for index, item in enumerate(given):
        path = join("spec.parameters", index)
        name = renamed(item.name)
        if not item.name or not name:
            found.error(f"{path}.name", f"{quoted(item.name)} is no name of a parameter", "use letters, digits and _")
            continue
        if name in owners:
            message = f"{quoted(item.name)} becomes {name}, as {quoted(owners[name])} does"
            found.error(f"{path}.name", message, "rename one of them")
            continue
        owners[name] = item.name
        if name != item.name:
            found.warn(f"{path}.name", f"{item.name} is called {name}, as trials find it in the variable HP_{name}")
        result.append({"name": name, **_values(item, path, found)})
    return result


def _values(item: experiment.Parameter, path: str, found: Findings) -> dict[str, Any]:
    space, kind = item.feasible_space, item.parameter_type
    if space == experiment.FeasibleSpace():
        found.error(f"{path}.feasibleSpace", "required field is missing", "give min and max, or a list")
        return {}
    match kind:
        case "int" | "double":
            if space.list_:
                found.error(f"{path}.feasibleSpace.list", f"an {kind} has no list", "use parameterType discrete")
            return _range(space, kind == "int", f"{path}.feasibleSpace", found)
        case "discrete" | "categorical":
            if space.min or space.max or space.step:
                found.error(f"{path}.feasibleSpace", f"a {kind} parameter has no min, max or step", "remove them")
            if space.distribution not in ("", "uniform"):
                found.warn(f"{path}.feasibleSpace.distribution", "choices have none; each is as likely as another")
            return _choices(space.list_, kind == "discrete", f"{path}.feasibleSpace.list", found)
        case _:
            mend = "write double, int, discrete or categorical"
            found.error(f"{path}.parameterType", f"{quoted(kind)} is no type of a parameter", mend)
            return {}


def _choices(texts: list[str], numbers: bool, path: str, found: Findings) -> dict[str, Any]:
    if not texts:
        found.error(path, "required field is missing", "list the choices")
    if numbers:
        for index, text in enumerate(texts):
            _number(text, join(path, index), found)
    whole = numbers and all(re.fullmatch(r"0|-?[1-9]\d{0,15}", text) for text in texts)
    return {"type": "categorical", "values": [int(text) for text in texts] if whole else list(texts)}


def _range(space: experiment.FeasibleSpace, whole: bool, path: str, found: Findings) -> dict[str, Any]:
    if not (space.min and space.max):
        found.error(f"{path}.max", "min and max are required for int and double", "write both")
        return {}
    low, high = _number(space.min, f"{path}.min", found), _number(space.max, f"{path}.max", found)
    if low is None or high is None:
        return {}
    result: dict[str, Any] = {"type": "int" if whole else "float", "min": low, "max": high}
    if space.step and (step := _number(space.step, f"{path}.step", found)) is not None:
        result["step"] = step
    if space.distribution not in DISTRIBUTIONS:
        mend = "write uniform, logUniform, normal or logNormal"
        found.error(f"{path}.distribution", f"{quoted(space.distribution)} is no distribution", mend)
    if space.distribution in ("logUniform", "logNormal"):
        result["scale"] = "log"
    if space.distribution in ("normal", "logNormal"):
        result["prior"] = _bell(float(low), float(high), log="scale" in result)
        message = (
            "it is a prior: a hint that fades, and no value outside of min and max; Katib draws from it throughout"
        )
        found.warn(f"{path}.distribution", message)
    return result


def _bell(low: float, high: float, *, log: bool) -> dict[str, float]:
    """Katib's normal distribution: min and max are three standard deviations from the middle."""
    if not log:
        return {"mean": (low + high) / 2, "sigma": (high - low) / SIGMAS}
    if low <= 0:
        return {}  # The API's own rules say so.
    return {"mean": math.sqrt(low * high), "sigma": math.log10(high / low) / SIGMAS}


def _number(text: str, path: str, found: Findings) -> int | float | None:
    try:
        value = float(text)
    except ValueError:
        found.error(path, f"{quoted(text)} is not a number", "write one")
        return None
    return int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else value
