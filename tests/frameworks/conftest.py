"""These tests run what people train with, on tiny tasks; `make frameworks` installs it, which is large."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Any

import pytest


@dataclasses.dataclass
class Trial:
    """A trial's folders. Each attempt writes its metrics into a file of its own, and all share the checkpoints."""

    folder: pathlib.Path
    monkeypatch: pytest.MonkeyPatch
    attempt: int = 0

    def begin(self) -> None:
        """The next attempt."""
        self.attempt += 1
        self.monkeypatch.setenv("TUNING_METRICS_FILE", str(self.folder / f"metrics-{self.attempt}.jsonl"))

    def rows(self) -> list[dict[str, Any]]:
        """What the attempt has reported."""
        path = self.folder / f"metrics-{self.attempt}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def steps(self, metric: str) -> list[int]:
        """The steps at which it has reported a metric."""
        return [row["step"] for row in self.rows() if metric in row]


@pytest.fixture
def trial(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Trial:
    """A trial with a folder for checkpoints, in its first attempt."""
    monkeypatch.setenv("TUNING_CHECKPOINT_DIR", str(tmp_path / "checkpoints"))
    monkeypatch.chdir(tmp_path)
    made = Trial(tmp_path, monkeypatch)
    made.begin()
    return made


@pytest.fixture
def bare(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> Trial:
    """A trial without one."""
    monkeypatch.delenv("TUNING_CHECKPOINT_DIR")
    return trial


class Killed(BaseException):
    """Stands for the end of a node: nothing that the libraries catch."""
