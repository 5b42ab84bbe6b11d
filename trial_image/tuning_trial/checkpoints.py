"""The folder in which a trial that is started again finds what the attempt before it has left.

What was reported is kept beside what was learned: a new attempt's metrics are collected anew, so one that goes on from
epoch 7 has to tell the first seven epochs once more, or a best value among them would be lost.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, SupportsFloat

from tuning_trial import reporter

CHECKPOINT_DIR = "TUNING_CHECKPOINT_DIR"
HISTORY = "reported.jsonl"


def folder() -> str | None:
    """The folder for checkpoints, made if it is not there; None where the job has none."""
    path = os.environ.get(CHECKPOINT_DIR)
    if path:
        os.makedirs(path, exist_ok=True)  # noqa: PTH103
    return path or None


def saved(name: str) -> str | None:
    """The path of what was saved under a name; None where there is nothing."""
    place = folder()
    path = os.path.join(place, name) if place else ""  # noqa: PTH118
    return path if path and os.path.exists(path) else None  # noqa: PTH110


@contextlib.contextmanager
def saving(name: str) -> Iterator[str | None]:
    """The path to write to; what is written counts when the block ends well, so that there is never half of it.

    None where the job has no folder for checkpoints.
    """
    place = folder()
    if place is None:
        yield None
        return
    root, suffix = os.path.splitext(name)  # noqa: PTH122
    draft = os.path.join(place, f".{root}.new{suffix}")  # noqa: PTH118
    yield draft
    os.replace(draft, os.path.join(place, name))  # noqa: PTH105, PTH118


def report(metrics: Mapping[str, SupportsFloat], step: int) -> None:
    """Report as `tuning_trial.report` does, and remember it for the attempts to come."""
    values = {name: float(value) for name, value in metrics.items()}
    reporter.report(values, step=step)
    place = folder()
    if place is not None:
        row = {"step": step, "metrics": {name: reporter.encode(value) for name, value in values.items()}}
        reporter._append(os.path.join(place, HISTORY), json.dumps(row).encode() + b"\n")  # noqa: PTH118


def replay(until: float) -> None:
    """Report again what earlier attempts reported up to that step, and forget what they reported after it."""
    path = saved(HISTORY)
    if path is None:
        return
    rows = [row for row in _rows(path) if row["step"] <= until]
    with saving(HISTORY) as draft:
        assert draft is not None
        with open(draft, "w", encoding="utf-8") as file:  # noqa: PTH123
            file.writelines(json.dumps(row) + "\n" for row in rows)
    for row in rows:
        reporter.report({name: float(value) for name, value in row["metrics"].items()}, step=row["step"])


def _rows(path: str) -> Iterator[dict[str, Any]]:
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        for line in file:
            with contextlib.suppress(ValueError):  # the last line of an attempt that was killed
                yield json.loads(line)
