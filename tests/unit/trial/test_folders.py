"""The init container that makes a trial's folder for checkpoints ready."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tuning_trial import folders


def environ(place: Path, **more: str) -> dict[str, str]:
    return {"TUNING_CHECKPOINTS": str(place), "TUNING_TRIAL_NUMBER": "7", **more}


def run(place: Path, **more: str) -> tuple[int, str]:
    told = place.parent / "message"
    given = {**os.environ, **environ(place, **more), "TUNING_TERMINATION_FILE": str(told)}
    done = subprocess.run([sys.executable, "-m", "tuning_trial.folders"], env=given, check=False)
    return done.returncode, told.read_text() if told.exists() else ""


def test_the_folder_is_made_once_and_what_is_in_it_stays(tmp_path: Path) -> None:
    assert run(tmp_path / "job") == (0, "")
    (tmp_path / "job" / "7" / "model").write_text("weights")
    assert run(tmp_path / "job") == (0, "")
    assert [path.name for path in (tmp_path / "job" / "7").iterdir()] == ["model"]


def test_what_nobody_needs_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in ("0", "1", "2", "5", "7", "mine", "٣"):
        (tmp_path / name).mkdir()
    folders.prepare(environ(tmp_path, TUNING_DISCARD="0-1,3-7"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "7", "mine", "٣"]


@pytest.mark.parametrize("obstacle", ["file", "missing"])
def test_a_volume_that_cannot_be_written_is_told(tmp_path: Path, obstacle: str) -> None:
    place = tmp_path / "job" if obstacle == "file" else Path("/proc/1/nothing")
    if obstacle == "file":
        place.write_text("")
    given = {**environ(place), "TUNING_TERMINATION_FILE": str(tmp_path / "message")}
    done = subprocess.run(
        [sys.executable, "-m", "tuning_trial.folders"],
        env={**os.environ, **given},
        check=False,
        capture_output=True,
    )
    assert done.returncode == 1
    assert (tmp_path / "message").read_text().startswith("the checkpoints' volume cannot be written (")
