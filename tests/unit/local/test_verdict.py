"""Whose doing the end of a process was."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tuning_operator.local import verdict, warden

ENDED: dict[str, Any] = {"started": 1.0, "ended": 2.0, "code": 0, "signal": None, "error": "", "stopped": False}


def record(**changes: Any) -> warden.Record:
    return cast(warden.Record, {**ENDED, **changes})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, ("Succeeded", "", ""), id="well"),
        pytest.param({"code": 3}, ("Failed", "NonZeroExit", "exit code 3: oh no"), id="badly"),
        pytest.param(
            {"code": None, "signal": 9},
            ("Failed", "NonZeroExit", "killed by signal 9 (SIGKILL); perhaps the machine had no memory left: oh no"),
            id="killed",
        ),
        pytest.param(
            {"code": None, "signal": 11},
            ("Failed", "NonZeroExit", "killed by signal 11 (SIGSEGV): oh no"),
            id="crashed",
        ),
        pytest.param(
            {"code": None, "signal": 40}, ("Failed", "NonZeroExit", "killed by signal 40 (real-time): oh no"), id="odd"
        ),
        pytest.param(
            {"code": None, "error": "x: No such file or directory"},
            ("Failed", "StartError", "the command cannot be run: x: No such file or directory"),
            id="never started",
        ),
        pytest.param({"stopped": True}, ("Lost", "Stopped", "the process was told to stop"), id="stopped, and well"),
        pytest.param(
            {"stopped": True, "code": None, "signal": 15},
            ("Lost", "Stopped", "the process was told to stop"),
            id="stopped",
        ),
    ],
)
def test_verdict(changes: dict[str, Any], expected: tuple[str, str, str]) -> None:
    assert verdict.judge(record(**changes), "oh no") == expected


@pytest.mark.parametrize(
    ("changes", "code"), [({}, 0), ({"code": 3}, 3), ({"code": None, "signal": 9}, 137), ({"code": None}, None)]
)
def test_exit_code_is_given_as_a_containers_is(changes: dict[str, Any], code: int | None) -> None:
    assert verdict.exit_code(record(**changes)) == code
