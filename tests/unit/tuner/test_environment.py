"""What a trial's process finds in its environment, with parameters as they come back from storage."""

from __future__ import annotations

import dataclasses
import json

from tests import builders
from tests.unit.tuner import scenes
from tuning_operator.tuner import environment, parameters

SPEC = scenes.spec(
    parameters=[
        builders.real("lr", 0.0, 10.0),
        builders.whole("layers"),
        builders.choice("kernel", "rbf", "7"),
        builders.choice("size", 32, 64),
        builders.whole("degree", when={"kernel": ["rbf"]}),
    ],
    profiles=[{"name": "cpu", "resources": {"requests": {"cpu": 1}}}],
)
STORED: dict[str, int | float | str] = {"kernel": "7", "layers": 3, "lr": 1, "size": 32}
"""As the API server gives it back: in another order, and with 1 for 1.0."""


def test_parameters_come_back_with_the_types_and_in_the_order_of_the_spec() -> None:
    typed = parameters.typed(SPEC, STORED)
    assert repr(typed) == "{'lr': 1.0, 'layers': 3, 'kernel': '7', 'size': 32}"


def test_the_environment_of_an_attempt() -> None:
    seen = scenes.snapshot(wanted=SPEC)
    item = scenes.one(4)
    update = {"parameters": parameters.typed(SPEC, STORED), "profile": "cpu"}
    item = dataclasses.replace(item, spec=item.spec.model_copy(update=update))
    found = environment.of_trial(seen.job, item, 2, "/tuning-metrics/metrics.jsonl")
    assert json.loads(found.pop("TUNING_PARAMETERS")) == {"lr": 1.0, "layers": 3, "kernel": "7", "size": 32}
    assert found == {
        "HP_lr": "1.0",
        "HP_layers": "3",
        "HP_kernel": "7",
        "HP_size": "32",
        "TUNING_METRICS_FILE": "/tuning-metrics/metrics.jsonl",
        "TUNING_JOB": "job",
        "TUNING_TRIAL": "job-4",
        "TUNING_TRIAL_NUMBER": "4",
        "TUNING_ATTEMPT": "2",
        "TUNING_PROFILE": "cpu",
    }


def test_small_floats_lose_nothing() -> None:
    item = scenes.one(0)
    item = dataclasses.replace(item, spec=item.spec.model_copy(update={"parameters": {"lr": 1e-05 / 3}}))
    assert float(environment.of_trial(scenes.snapshot().job, item, 1, "f")["HP_lr"]) == 1e-05 / 3
