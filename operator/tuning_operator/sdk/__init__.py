"""For Python: `tune` a function here or on a cluster, build jobs, take search spaces from other libraries, tune estimators.

    from tuning_operator import sdk

    def train(lr, layers):
        ...
        return accuracy

    job = sdk.tune(train, {"lr": sdk.real(1e-4, 1, log=True), "layers": (1, 8)}, objective="accuracy", trials=40)
    job.best.parameters

Whatever is heavy is imported by what needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tuning_operator.sdk.spaces import Space, SpaceError, choice, integer, ordinal, real, space

if TYPE_CHECKING:
    from tuning_operator.sdk.building import manifest
    from tuning_operator.sdk.estimators import TuningSearchCV
    from tuning_operator.sdk.handles import Best, Job, load
    from tuning_operator.sdk.tuning import tune, tune_async

__all__ = [
    "Best",
    "Job",
    "Space",
    "SpaceError",
    "TuningSearchCV",
    "choice",
    "integer",
    "load",
    "manifest",
    "ordinal",
    "real",
    "space",
    "tune",
    "tune_async",
]

_HOMES = {
    "Best": "handles",
    "Job": "handles",
    "TuningSearchCV": "estimators",
    "load": "handles",
    "manifest": "building",
    "tune": "tuning",
    "tune_async": "tuning",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
