"""Fields that the API knows and this version does not serve are refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.api.manifests import changed
from tests.unit.api.test_manifest import refusal

UNSERVED = {
    "two workers": (
        "spec.trial.workers",
        2,
        "spec.trial.workers: more than one worker a trial is not served by this version; remove the field",
    ),
}


@pytest.mark.parametrize(("path", "value", "line"), UNSERVED.values(), ids=UNSERVED)
def test_refuses_by_name(path: str, value: Any, line: str) -> None:
    assert refusal(changed(path, value)) == [line]
