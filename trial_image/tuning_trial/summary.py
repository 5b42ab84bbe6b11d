"""A trial's curves in a few numbers, and the one message in which they travel.

The sidecar writes this message as its container's termination message and the operator reads it from the Pod's
status, so that no network path and no database stands between them. Kubernetes cuts messages that are too long;
a cut message is no JSON, so the size is kept here, where it is known what may be left out.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

VERSION = 1
LIMIT_BYTES = 4096
"""The longest termination message that Kubernetes keeps for one container, in bytes."""
SMALLEST_LIMIT_BYTES = 256
MAX_POINTS = 64
"""The most points of one curve that travel in a message."""
DIGITS = 9
"""To how many significant digits the points of a curve are told."""
PROBLEM_SHARE = 8
"""The problem may take one part in this many of the message; the rest is for the metrics."""


@dataclasses.dataclass(frozen=True)
class Metric:
    """One metric's curve in short. All values are finite; those that were not are only counted."""

    count: int = 0
    """How many finite values were reported."""
    first: float | None = None
    last: float | None = None
    min: float | None = None
    max: float | None = None
    mean: float | None = None
    not_finite: int = 0
    """How many values were NaN or infinite."""
    last_step: float | None = None
    """The step of the last finite value, where the trial named one."""
    diverged: bool = False
    """Whether the newest value was NaN or infinite."""


@dataclasses.dataclass(frozen=True)
class Points:
    """A curve, thinned: `values[i]` was reported at `steps[i]`. Steps grow strictly, and all numbers are finite."""

    steps: tuple[float, ...] = ()
    values: tuple[float, ...] = ()

    def halved(self) -> Points:
        """Every second point, with the last one."""
        start = (len(self.steps) + 1) % 2
        return Points(self.steps[start::2], self.values[start::2])


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a trial reported. The objectives come first in `metrics`; `curves` are theirs, as far as they are known."""

    metrics: Mapping[str, Metric] = dataclasses.field(default_factory=dict)
    rows: int = 0
    """How many lines held at least one metric."""
    bad_lines: int = 0
    """How many lines could not be read."""
    dropped_metrics: int = 0
    """How many metrics were reported but are not in `metrics`."""
    problem: str = ""
    """What is wrong, for people; empty when every objective has a finite value."""
    curves: Mapping[str, Points] = dataclasses.field(default_factory=dict)

    def to_message(self, limit: int = LIMIT_BYTES) -> str:
        """The summary as compact JSON of at most `limit` bytes in UTF-8.

        Metrics that do not fit are left out from the end, so the objectives stay longest, and are counted as dropped.
        Curves get the room that is left, thinned until they fit.
        Raises ValueError for a limit under 256 bytes, and for a metric whose value is not finite.
        """
        if limit < SMALLEST_LIMIT_BYTES:
            raise ValueError(f"a summary does not fit into {limit} bytes; allow at least {SMALLEST_LIMIT_BYTES}")
        problem = _shorten(self.problem, limit // PROBLEM_SHARE)
        room = limit - len(self._assemble(problem, self.dropped_metrics + len(self.metrics), []).encode())
        entries: list[str] = []
        for name, metric in self.metrics.items():
            entry = f"{_dump(name)}:{_dump(_to_wire(metric))}"
            room -= len(entry.encode()) + 1
            if room < 0:
                break
            entries.append(entry)
        text = self._assemble(problem, self.dropped_metrics + len(self.metrics) - len(entries), entries)
        curves = _fitting(self.curves, limit - len(text.encode()))
        return f'{text[:-1]},"curves":{{{",".join(curves)}}}}}' if curves else text

    def _assemble(self, problem: str, dropped: int, entries: list[str]) -> str:
        head = {"v": VERSION, "rows": self.rows, "bad": self.bad_lines, "dropped": dropped, "problem": problem}
        return f'{_dump(head)[:-1]},"metrics":{{{",".join(entries)}}}}}'

    @classmethod
    def from_message(cls, text: str) -> Summary:
        """The summary that `to_message` wrote.

        Raises ValueError, saying what is wrong, for anything else: the message may come from any container.
        """
        try:
            wire = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"the summary is not valid JSON ({error}); it begins with {text[:40]!r}") from error
        if not isinstance(wire, dict) or wire.get("v") != VERSION:
            version = wire.get("v") if isinstance(wire, dict) else None
            raise ValueError(f"the summary has version {version!r:.20}, this program reads version {VERSION}")
        return cls(
            metrics={name: _metric(name, value) for name, value in _object("metrics", wire.get("metrics", {})).items()},
            rows=_count("rows", wire.get("rows", 0)),
            bad_lines=_count("bad", wire.get("bad", 0)),
            dropped_metrics=_count("dropped", wire.get("dropped", 0)),
            problem=str(wire.get("problem", "")),
            curves={name: _points(name, value) for name, value in _object("curves", wire.get("curves", {})).items()},
        )


def clean(text: str) -> str:
    """`text` without the halves of surrogate pairs, which JSON can write but UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _dump(value: object) -> str:
    return clean(json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False))


def _shorten(text: str, limit: int) -> str:
    # What counts is the length after JSON has escaped it: a control character takes six bytes there.
    if len(_dump(text).encode()) <= limit:
        return text
    low, high = 0, min(len(text), limit)
    while low < high:
        middle = (low + high + 1) // 2
        if len(_dump(text[:middle] + "…").encode()) <= limit:
            low = middle
        else:
            high = middle - 1
    return text[:low] + "…"


def _to_wire(metric: Metric) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(metric).items()
        if value is not None and (value or name not in ("not_finite", "diverged"))
    }


def _fitting(curves: Mapping[str, Points], room: int) -> list[str]:
    """As many curves as fit into `room` bytes, each with as many points as its share of what is left allows."""
    entries: list[str] = []
    room -= len(',"curves":{}')
    for index, (name, points) in enumerate(curves.items()):
        share = room // (len(curves) - index)
        kept = points
        while len(kept.steps) > MAX_POINTS:
            kept = kept.halved()
        while kept.steps:
            entry = f"{_dump(name)}:{_dump([list(map(_short, kept.steps)), list(map(_short, kept.values))])}"
            if len(entry.encode()) < share:
                entries.append(entry)
                room -= len(entry.encode()) + 1
                break
            kept = kept.halved() if len(kept.steps) > 1 else Points()
    return entries


def _short(value: float) -> float | int:
    rounded = float(f"{value:.{DIGITS}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 10**DIGITS else rounded


def _points(name: str, value: object) -> Points:
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(part, list) for part in value):
        raise ValueError(f"the curve of {name} in the summary must be two lists, not {value!r:.40}")
    steps, values = (tuple(_value(f"the curve of {name}", item) for item in part) for part in value)
    if len(steps) != len(values) or len(steps) > MAX_POINTS or None in steps or None in values:
        raise ValueError(
            f"the curve of {name} in the summary must be two lists of as many numbers, at most {MAX_POINTS}"
        )
    if any(later <= earlier for earlier, later in zip(steps, steps[1:])):  # type: ignore[operator]
        raise ValueError(f"the steps of {name} in the summary must grow")
    return Points(steps, values)  # type: ignore[arg-type]


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is not a finite number")


def _object(field: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{field} of the summary must be an object, not {value!r:.40}")
    return value


def _count(field: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{field} of the summary must be a whole number from 0, not {value!r:.40}")
    return value


def _value(field: str, value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise ValueError(f"{field} of the summary must be a number, not {value!r:.40}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{field} of the summary must be a finite number")
    return number


def _metric(name: str, value: object) -> Metric:
    wire = _object(name, value)
    counts = {field: _count(f"{name}.{field}", wire.get(field, 0)) for field in ("count", "not_finite")}
    values = {
        field: _value(f"{name}.{field}", wire.get(field))
        for field in ("first", "last", "min", "max", "mean", "last_step")
    }
    return Metric(**counts, **values, diverged=wire.get("diverged") is True)  # type: ignore[arg-type]
