"""Manifests from Python: every field by keyword, checked as the operator checks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuning_operator.api.job import API_VERSION
from tuning_operator.sdk import spaces
from tuning_operator.tuner import admission


def manifest(
    name: str,
    parameters: Any,
    template: Mapping[str, Any],
    *,
    objective: str | Sequence[Mapping[str, Any]] = "objective",
    goal: str = "maximize",
    target: float | None = None,
    trials: int | None = 20,
    parallel: int = 1,
    failures: int | None = None,
    duration: str = "",
    algorithm: str = "",
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    stopping: Mapping[str, Any] | None = None,
    constraints: Sequence[str] = (),
    namespace: str = "",
    **spec: Any,
) -> dict[str, Any]:
    """A TuningJob. `objective` is a metric's name, or a list as in a manifest; `template` is the trial's Pod; `stopping` is
    ``spec.earlyStopping``; `spec` are further fields of the spec, as in a manifest.

    Raises SpecError with every problem, and SpaceError for what is no search space.
    """
    found = parameters if isinstance(parameters, spaces.Space) else spaces.space(parameters)
    objectives = (
        [{"metric": objective, "goal": goal, **({} if target is None else {"target": target})}]
        if isinstance(objective, str)
        else [dict(one) for one in objective]
    )
    limits = {
        "maxTrials": trials,
        "parallelTrials": parallel,
        "maxFailedTrials": failures,
        "maxDuration": duration or None,
    }
    body = {
        "objectives": objectives,
        "parameters": [parameter.to_wire() for parameter in found.parameters],
        "search": {"seed": seed, **({"algorithm": algorithm} if algorithm else {}), **_given(settings=settings)},
        "limits": {key: value for key, value in limits.items() if value is not None},
        "template": dict(template),
        **_given(constraints=list(constraints), earlyStopping=stopping),
        **spec,
    }
    metadata = {"name": name, **_given(namespace=namespace)}
    made = {"apiVersion": API_VERSION, "kind": "TuningJob", "metadata": metadata, "spec": body}
    admission.admit(made)
    return made


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
