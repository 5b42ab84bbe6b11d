"""Early stopping: Katib's one rule, and hyperband, which is an algorithm there and a rule here."""

from __future__ import annotations

from typing import Any

from tuning_operator.api.errors import closest, quoted
from tuning_operator.katib import experiment, parameters, search
from tuning_operator.katib.findings import Findings
from tuning_operator.stopping import rule

NAMES = {"medianstop": "median"}

ETA, RESOURCE, MOST = "eta", "resource_name", "r_l"
REDUCTION = 3.0
"""Katib's own eta, where none is given."""


def convert(spec: experiment.Spec, tuned: list[dict[str, Any]], found: Findings) -> dict[str, Any] | None:
    """The rule for early stopping. `tuned` are the job's parameters; the one that hyperband spends is fixed in them."""
    hyperband = spec.algorithm is not None and spec.algorithm.algorithm_name == "hyperband"
    if hyperband and spec.early_stopping is not None:
        found.error("spec.earlyStopping", "hyperband stops trials early itself", "remove one of the two")
        return None
    if spec.early_stopping is not None:
        return _rule(spec.early_stopping, found)
    return _hyperband(spec, tuned, found) if hyperband else None


def _rule(given: experiment.Algorithm, found: Findings) -> dict[str, Any] | None:
    path = "spec.earlyStopping"
    name = NAMES.get(given.algorithm_name)
    if name is None:
        mend = closest(given.algorithm_name, NAMES)
        found.error(f"{path}.algorithmName", f"{quoted(given.algorithm_name)} is no rule of Katib's", mend)
        return None
    texts = search.texts(given, path, found)
    settings = search.translate(texts, rule.RULES[name].settings, f"{path}.algorithmSettings", name, found)
    return {"algorithm": name, **({"settings": settings} if settings else {})}


def _hyperband(spec: experiment.Spec, tuned: list[dict[str, Any]], found: Findings) -> dict[str, Any] | None:
    """Trials begin with all of the resource, and are stopped at the rungs; Katib starts each anew for every rung."""
    path = "spec.algorithm.algorithmSettings"
    assert spec.algorithm is not None
    texts = search.texts(spec.algorithm, "spec.algorithm", found)
    resource = parameters.renamed(texts.pop(RESOURCE, ""))
    chosen = next((item for item in tuned if item["name"] == resource), None)
    if chosen is None:
        found.error(path, f"{RESOURCE} names no parameter", "name the one that says how long a trial runs")
        return None
    most, eta = (_number(texts, name, default, path, found) for name, default in ((MOST, None), (ETA, REDUCTION)))
    for name in texts:
        found.warn(path, f"{name}={texts[name]} is left out: hyperband has no such setting here")
    if most is None or eta is None:
        return None
    chosen |= {"min": most, "max": most}
    chosen.pop("step", None)
    message = f"{resource} is {most:g} in every trial; a trial that reports after each unit of it is stopped in between"
    found.warn(path, message, "report a step with each observation, or one observation a unit")
    return {"algorithm": "hyperband", "maxSteps": most, "settings": {"reduction_factor": eta}}


def _number(texts: dict[str, str], name: str, default: float | None, path: str, found: Findings) -> float | None:
    text = texts.pop(name, "")
    if not text and default is not None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        found.error(path, f"{name}: {quoted(text)} is no positive number", "write one")
        return None
    return value
