"""Curves of running trials: of the metrics that matter, and made anew only when something has come."""

from __future__ import annotations

import math

from tests import builders
from tuning_operator.api import manifest
from tuning_operator.tuner import observed


def test_nothing_is_followed_where_nothing_is_decided_before_the_end() -> None:
    assert observed.metrics(manifest.parse(builders.job()).spec) == ()


def test_only_metrics_that_are_followed_make_curves() -> None:
    curves = observed.Curves(("loss",))
    assert curves.take(1, {"loss": 0.5, "lr": 0.1})
    assert not curves.take(2, {"lr": 0.1})
    assert curves.take(3, {"loss": 0.25})
    assert {name: list(curve) for name, curve in curves.now().items()} == {"loss": [(1, 0.5), (3, 0.25)]}


def test_curves_are_the_same_object_until_something_comes() -> None:
    curves = observed.Curves(("loss",))
    curves.take(1, {"loss": 0.5})
    before = curves.now()
    assert curves.now() is before
    curves.take(2, {"loss": math.nan})
    assert curves.now()["loss"].diverged_at == 2
