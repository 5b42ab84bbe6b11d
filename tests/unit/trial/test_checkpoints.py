"""What a trial leaves for its next attempt: whole files only, and all that was reported up to where it goes on."""

from __future__ import annotations

import json
import math
import pathlib

import pytest

from tuning_trial import checkpoints


@pytest.fixture
def metrics(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setenv("TUNING_CHECKPOINT_DIR", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("TUNING_METRICS_FILE", str(tmp_path / "metrics.jsonl"))
    return tmp_path / "metrics.jsonl"


def rows(path: pathlib.Path) -> list[tuple[int, object]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [(row["step"], row["loss"]) for row in found]


def test_the_next_attempt_tells_again_what_came_before_its_checkpoint(metrics: pathlib.Path) -> None:
    for step in range(1, 6):
        checkpoints.report({"loss": 1 / step}, step)
    metrics.unlink()
    checkpoints.replay(3)
    checkpoints.report({"loss": 7}, 4)
    assert rows(metrics) == [(1, 1.0), (2, 0.5), (3, 1 / 3), (4, 7.0)]
    metrics.unlink()
    checkpoints.replay(math.inf)
    assert rows(metrics) == [(1, 1.0), (2, 0.5), (3, 1 / 3), (4, 7.0)]


def test_values_that_are_not_finite_are_told_again_as_such(metrics: pathlib.Path) -> None:
    checkpoints.report({"loss": math.nan}, 1)
    checkpoints.replay(1)
    assert rows(metrics) == [(1, "NaN"), (1, "NaN")]


def test_half_a_line_of_an_attempt_that_was_killed_is_passed_over(metrics: pathlib.Path) -> None:
    checkpoints.report({"loss": 1}, 1)
    history = pathlib.Path(str(checkpoints.saved(checkpoints.HISTORY)))
    with history.open("a") as file:
        file.write('{"step": 2, "met')
    metrics.unlink()
    checkpoints.replay(9)
    assert rows(metrics) == [(1, 1.0)]


def test_what_was_not_saved_to_its_end_does_not_count(metrics: pathlib.Path) -> None:
    with checkpoints.saving("model") as path:
        pathlib.Path(str(path)).write_text("whole")

    def half() -> None:
        with checkpoints.saving("model") as path:
            pathlib.Path(str(path)).write_text("ha")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert pathlib.Path(str(checkpoints.saved("model"))).read_text() == "whole"


def test_without_a_folder_nothing_is_kept_and_all_is_reported(
    metrics: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TUNING_CHECKPOINT_DIR")
    checkpoints.report({"loss": 1}, 1)
    checkpoints.replay(9)
    with checkpoints.saving("model") as path:
        assert path is None
    assert (checkpoints.folder(), checkpoints.saved("model"), rows(metrics)) == (None, None, [(1, 1.0)])
