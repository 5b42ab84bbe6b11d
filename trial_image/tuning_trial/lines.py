r"""What one line of a metrics file says.

Any program can be a trial, so the lines are whatever it prints: JSON, text, or neither. A reader turns one line into
the values in it, in a bounded time whatever the line is, and says why when it cannot.

``json``: one JSON object a line. Numbers, and strings that are numbers, are metrics (also "NaN" and "Infinity"); true,
false, null, lists and other strings are not. Objects inside are flattened: ``{"val": {"acc": 0.9}}`` is ``val/acc``.
``text``: ``name=value`` pairs, as Katib finds them, except that names may hold ``/`` and ``.`` and values may be NaN or
infinite. With a pattern of the user's, group 1 is the name and group 2 the value.

In both, ``step`` is the row's step and ``time`` or ``timestamp`` its time, unless they are objectives themselves.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import re
import signal
import threading
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

MAX_PATTERN_LINE = 4096
"""The longest line, in characters, that a pattern of the user's is tried on."""
MAX_NUMBER = 64
"""The longest text, in characters, that may be a number."""
MAX_DEPTH = 4
"""How deep objects in a JSON line are flattened."""
PATTERN_SECONDS = 0.1
"""How long, in seconds of processor time, a pattern of the user's may take for one line."""
PATTERN_CHANCES = 5
"""After this many lines that took too long, the pattern is not tried any more."""

STEP = "step"
TIMES = ("timestamp", "time")

# A name begins only where no name character stands before it: so each character is looked at once or twice, and a
# line without "=" takes linear and not quadratic time.
PAIR = re.compile(
    r"(?<![\w|./-])([\w|./-]+)\s*=\s*"
    r"([+-]?(?:(?i:nan|inf(?:inity)?)\b|\d*(?:\.\d+)?(?:[Ee][+-]?\d+)?))"
)


class Row(NamedTuple):
    """What one line says. `values` may hold NaN and infinities; `time` is in seconds since 1970."""

    step: float | None
    time: float | None
    values: dict[str, float]


class BadLineError(ValueError):
    """A line that cannot be read, and why."""


class ConfigurationError(ValueError):
    """A metrics configuration that cannot work: what is wrong, and what to write instead."""


class JsonReader:
    """Reads JSON lines."""

    def __init__(self, objectives: Collection[str] = ()) -> None:
        self._special = _special(objectives)
        # Reading whole numbers as floats spares a conversion, and the quadratic time of very long ones.
        self._decoder = json.JSONDecoder(parse_int=float)

    def read(self, line: str) -> Row | None:
        """The line's row, None for a line without metrics. Raises BadLineError."""
        try:
            # raw_decode() takes half of the time that decode() needs, but wants the line bare.
            line = line.strip()
            fields, end = self._decoder.raw_decode(line)
        except (ValueError, RecursionError) as error:
            raise BadLineError(f"not valid JSON ({error})") from error
        if type(fields) is not dict or end != len(line):
            raise BadLineError("not one JSON object")
        step = time = None
        for name in self._special:
            value = fields.pop(name, None)
            if value is None:
                continue
            if name == STEP:
                step = finite(value)
            else:
                time = timestamp(value)
        for value in fields.values():
            if type(value) is not float:
                fields = dict(_flatten(fields, "", MAX_DEPTH))
                break
        return Row(step, time, fields) if fields else None


class TextReader:
    """Reads ``name=value`` pairs."""

    def __init__(self, objectives: Collection[str] = (), pattern: str = "") -> None:
        """`pattern` is a regular expression of the user's. Raises ConfigurationError when it is none."""
        self._special = _special(objectives)
        self._find = _GuardedPattern(pattern).pairs if pattern else PAIR.findall

    def read(self, line: str) -> Row | None:
        """The line's row, None for a line without metrics. Raises BadLineError."""
        step = time = None
        values: dict[str, float] = {}
        for found, text in self._find(line):
            name, value = found.lstrip("./"), number(text)
            if value is None or not name:
                continue
            if name not in self._special:
                values[name] = value
            elif name == STEP:
                step = finite(value)
            else:
                time = finite(value)
        return Row(step, time, values) if values else None


def number(value: object) -> float | None:
    """`value` as a float where it is a number or the text of one; None for all else."""
    if type(value) is float:
        return value
    if not isinstance(value, str) or len(value) > MAX_NUMBER or "_" in value:
        return None
    try:
        return float(value)
    except ValueError:
        return None


def finite(value: object) -> float | None:
    """`value` as a float where it is a finite number; None for all else."""
    found = number(value)
    return None if found is None or found - found != 0.0 else found


def timestamp(value: object) -> float | None:
    """Seconds since 1970 from a number or an RFC 3339 text; None for all else."""
    seconds = finite(value)
    if seconds is not None:
        return seconds
    if not isinstance(value, str) or len(value) > MAX_NUMBER:
        return None
    # Python before 3.11 knows neither "Z" nor fractions other than of three or six digits.
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(\.\d+)?(?:([+-]\d\d:\d\d)|[Zz])", value)
    if not match:
        return None
    try:
        moment = datetime.datetime.fromisoformat(match[1].replace("t", "T") + (match[3] or "+00:00"))
        return moment.timestamp() + float(match[2] or 0)
    except (ValueError, OverflowError):
        return None


def _special(objectives: Collection[str]) -> tuple[str, ...]:
    return tuple(name for name in (STEP, *TIMES) if name not in objectives)


def _flatten(fields: dict[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, float]]:
    for name, value in fields.items():
        if type(value) is dict:
            if depth > 1:
                yield from _flatten(value, f"{prefix}{name}/", depth - 1)
        else:
            metric = number(value)
            if metric is not None:
                yield prefix + name, metric


class _OverdueError(Exception):
    """The pattern took too long."""


class _GuardedPattern:
    """A regular expression of the user's that cannot hang its caller.

    Python's expressions backtrack: some need exponential time, even on a short line. They do look for signals on their
    way, so a timer of processor time ends them. Signals reach the main thread only; elsewhere there is no guard.
    """

    def __init__(self, pattern: str) -> None:
        try:
            self._regex = re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            raise ConfigurationError(
                f"metrics.pattern is no regular expression: {error}; write one with two groups, the name and the value"
            ) from error
        if self._regex.groups < 2:
            raise ConfigurationError(
                f"metrics.pattern has {self._regex.groups} groups; write two, the metric's name and its value,"
                r" such as (\w+)=([0-9.]+)"
            )
        self._chances = PATTERN_CHANCES

    def pairs(self, line: str) -> list[tuple[str, str]]:
        """The names and values in the line. Raises BadLineError."""
        if not self._chances:
            raise BadLineError("metrics.pattern was given up, as it is too slow; write one without nested repetition")
        if len(line) > MAX_PATTERN_LINE:
            raise BadLineError(f"longer than the {MAX_PATTERN_LINE} characters that metrics.pattern is tried on")
        try:
            with _processor_time(PATTERN_SECONDS):
                found = self._regex.findall(line)
        except (_OverdueError, RecursionError, MemoryError) as error:
            self._chances -= 1
            raise BadLineError(
                f"metrics.pattern takes more than {PATTERN_SECONDS} s for it; write one without nested repetition"
            ) from error
        return [(groups[0], groups[1]) for groups in found]


@contextlib.contextmanager
def _processor_time(seconds: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def overdue(_signal: int, _frame: object) -> None:
        raise _OverdueError

    previous = signal.signal(signal.SIGVTALRM, overdue)
    try:
        try:
            # The timer counts processor time, so a slow or a busy machine makes no pattern overdue.
            signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
            yield
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    finally:
        # Apart from the timer's end, as the handler may raise even there.
        signal.signal(signal.SIGVTALRM, previous)
