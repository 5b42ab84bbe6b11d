"""Checkpoints that nobody needs any more are named when a trial starts."""

from __future__ import annotations

import pytest

from tests.unit.tuner import scenes
from tests.unit.tuner.scenes import one
from tuning_operator.tuner import actions, checkpoints

TRIALS = (
    one(0, "Succeeded", values={"accuracy": 0.9}),
    one(1, "Succeeded", values={"accuracy": 0.5}),
    one(2, "Failed"),
    one(3, "Stopped", values={"accuracy": 0.7}),
    one(4, "Running"),
    one(5),
)


@pytest.mark.parametrize(
    ("keep", "expected"),
    [(0, {0, 1, 2, 3}), (1, {1, 2, 3}), (2, {1, 2}), (9, {2})],
    ids=["none kept", "the best", "the two best", "all that have a value"],
)
def test_the_best_are_kept_and_the_unfinished(keep: int, expected: set[int]) -> None:
    wanted = scenes.spec(checkpoints={"keep": keep}, trials=9)
    assert set(checkpoints.disposable(wanted, TRIALS)) == expected


def test_without_checkpoints_there_is_nothing_to_remove() -> None:
    assert not checkpoints.disposable(scenes.spec(), TRIALS)


def test_a_start_names_them() -> None:
    wanted = scenes.spec(checkpoints={"claim": "work"}, trials=6, parallel=2)
    todo = scenes.planned(scenes.snapshot(*TRIALS, wanted=wanted))
    (start,) = (action for action in todo if isinstance(action, actions.StartAttempt))
    assert (start.trial.number, start.discard) == (5, frozenset({1, 2, 3}))
