"""Early stopping: Katib's one rule, and hyperband, which is an algorithm there and a rule here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuning_operator.api.errors import closest, quoted
from tuning_operator.katib import experiment, search
from tuning_operator.katib.findings import Findings

RULES: Mapping[str, str] = {"medianstop": "median"}


def convert(spec: experiment.Spec, tuned: list[dict[str, Any]], found: Findings) -> dict[str, Any] | None:
    """The rule for early stopping. `tuned` are the job's parameters; the one that hyperband spends is fixed there."""
    if spec.early_stopping is not None:
        return _rule(spec.early_stopping, found)
    name = search.resource(spec.algorithm, spec.parameters, found)
    if not name:
        return None
    return {"algorithm": "hyperband"}


def _rule(given: experiment.Algorithm, found: Findings) -> dict[str, Any]:
    path = "spec.earlyStopping"
    if given.algorithm_name not in RULES:
        mend = closest(given.algorithm_name, RULES)
        found.error(f"{path}.algorithmName", f"{quoted(given.algorithm_name)} is no rule of Katib's", mend)
        return {}
    settings = {setting.name: setting.value for setting in given.algorithm_settings}
    numbers = {name: int(text) if text.isdecimal() else text for name, text in settings.items()}
    return {"algorithm": RULES[given.algorithm_name], **({"settings": numbers} if numbers else {})}
