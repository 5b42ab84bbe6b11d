"""A stopping rule that cannot work is refused with the field and the mend."""

from __future__ import annotations

from typing import Any

import pytest

from tests import builders
from tuning_operator.api import errors
from tuning_operator.tuner import admission


def problems(early: dict[str, Any], **fields: Any) -> list[str]:
    try:
        admission.admit(builders.job(earlyStopping=early, **fields))
    except errors.SpecError as refusal:
        return [str(problem) for problem in refusal.problems]
    return []


@pytest.mark.parametrize(
    ("early", "fields", "expected"),
    [
        pytest.param({"algorithm": "asha"}, {}, [], id="asha"),
        pytest.param({"algorithm": "none"}, {}, [], id="none"),
        pytest.param(
            {"algorithm": "medianstop", "settings": {"min_trials_required": 1, "start_step": 4}},
            {},
            [],
            id="as in Katib",
        ),
        pytest.param(
            {"algorithm": "asah"},
            {},
            ["spec.earlyStopping.algorithm: asah is not a known stopping rule; did you mean asha?"],
            id="misspelt",
        ),
        pytest.param(
            {"algorithm": "asha", "settings": {"reduction": 3}},
            {},
            [
                "spec.earlyStopping.settings.reduction: reduction is not a setting of asha; did you mean reduction_factor?"
            ],
            id="unknown setting",
        ),
        pytest.param(
            {"algorithm": "asha", "settings": {"reduction_factor": 1}},
            {},
            [
                "spec.earlyStopping.settings.reduction_factor: 1 is not allowed: Input should be greater than or equal to 2"
            ],
            id="setting out of range",
        ),
        pytest.param(
            {"algorithm": "threshold"},
            {},
            ["spec.earlyStopping.settings.bound: threshold needs the setting bound; add bound"],
            id="missing setting",
        ),
        pytest.param(
            {"algorithm": "hyperband"},
            {},
            [
                "spec.earlyStopping.maxSteps: hyperband shares out steps and has to know how many; "
                "give the step at which a trial is done"
            ],
            id="no maxSteps",
        ),
        pytest.param(
            {"algorithm": "asha", "metric": "loss"},
            {},
            [
                "spec.earlyStopping.metric: loss is not an objective, so it is not known which values are good; "
                "write one of accuracy"
            ],
            id="no objective",
        ),
        pytest.param(
            {"algorithm": "bohb", "maxSteps": 27},
            {"algorithm": "random"},
            [
                "spec.search.algorithm: bohb is hyperband with a search that learns, and random does not; "
                "use bayesian here, or hyperband as the stopping rule"
            ],
            id="bohb without a model",
        ),
        pytest.param({"algorithm": "bohb", "maxSteps": 27}, {"algorithm": "bayesian"}, [], id="bohb"),
    ],
)
def test_what_cannot_work_is_refused(early: dict[str, Any], fields: dict[str, Any], expected: list[str]) -> None:
    assert problems(early, **fields) == expected
