"""What training code calls: hand in metrics, read parameters.

It must never be the reason that a training run breaks or slows down, and the same script has to run outside a trial:
so there is no connection, no thread and no state here, only one appended line for each report.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any, SupportsFloat

METRICS_FILE = "TUNING_METRICS_FILE"
PARAMETERS = "TUNING_PARAMETERS"
MEASURE, PEAK_MEMORY = "TUNING_MEASURE", "peakMemory"
"""The variable that asks for the trial's memory, and the metric as which it is reported."""
MEMORY_FILES = ("/sys/fs/cgroup/memory.peak", "/sys/fs/cgroup/memory/memory.max_usage_in_bytes")
"""Where a container finds the most memory it had so far: control groups of version 2 (Linux 5.19) and 1."""


def report(
    metrics: Mapping[str, SupportsFloat] | None = None, /, *, step: SupportsFloat | None = None, **named: SupportsFloat
) -> None:
    """Report one observation: ``report(step=3, accuracy=0.9)``, or ``report({"val/accuracy": 0.9}, step=3)``.

    Values are numbers or anything that ``float()`` takes, such as NumPy and PyTorch scalars; NaN and infinity are
    recorded as such. Several threads and processes may report at the same time. Outside a trial the line goes to
    standard output. Raises TypeError for a value that is no number and OSError when the file cannot be written.
    """
    line = _line({**(metrics or {}), **named}, step, time.time())
    path = os.environ.get(METRICS_FILE)
    if path:
        _append(path, line.encode())
    else:
        sys.stdout.write(line)
        sys.stdout.flush()


def parameters(defaults: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The trial's configuration, with the types that the job gave it, on top of `defaults`.

    Outside a trial these are the defaults. Raises ValueError when TUNING_PARAMETERS is not a JSON object.
    """
    text = os.environ.get(PARAMETERS)
    try:
        chosen = json.loads(text) if text else {}
    except ValueError:
        chosen = None
    if not isinstance(chosen, dict):
        raise ValueError(f'{PARAMETERS} must hold a JSON object such as {{"lr": 0.1}}; it holds {text}')
    return {**(defaults or {}), **chosen}


def _line(metrics: Mapping[str, SupportsFloat], step: SupportsFloat | None, now: float) -> str:
    row: dict[str, object] = {"time": round(now, 6)}
    if step is not None:
        row["step"] = _step(step)
    for name, value in metrics.items():
        row[name] = encode(_number(name, value))
    if os.environ.get(MEASURE) == PEAK_MEMORY:
        row.setdefault(PEAK_MEMORY, peak_memory())
    return json.dumps(row) + "\n"


def peak_memory(files: Iterable[str] = MEMORY_FILES) -> int:
    """The most memory that this container had at a time so far, in bytes; where that cannot be told, this process."""
    for path in files:
        try:
            with open(path, encoding="ascii") as file:  # noqa: PTH123
                return int(file.read())
        except (OSError, ValueError):
            continue
    import resource  # not there on Windows

    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size * 1024


def encode(value: float) -> float | str:
    """A number as JSON can say it: NaN and the infinities are strings, because JSON has no other place for them."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _step(step: SupportsFloat) -> float | str:
    number = _number("step", step)
    return int(number) if number.is_integer() else encode(number)


def _number(name: str, value: SupportsFloat) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} is {value!r}, which is no number; report single numbers ({error})") from error


def _append(path: str, line: bytes) -> None:
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)  # noqa: PTH103, PTH120
    # One write to a file opened for appending is never mixed with another writer's, so no lock is needed.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if os.write(descriptor, line) != len(line):
            raise OSError(f"{path}: only a part of the line could be written; is the disk full?")
    finally:
        os.close(descriptor)
