r"""What one line of a metrics file says.

Any program can be a trial, so the lines are whatever it prints: JSON, text, or neither. A reader turns one line into
the values in it, in a bounded time whatever the line is, and says why when it cannot.

``json``: one JSON object a line. Numbers, and strings that are numbers, are metrics (also "NaN" and "Infinity"); true,
false, null, lists and other strings are not. Objects inside are flattened: ``{"val": {"acc": 0.9}}`` is ``val/acc``.
``text``: ``name=value`` pairs, as Katib finds them, except that names may hold ``/`` and ``.`` and values may be NaN or
infinite. With a pattern of the user's, a regular expression of RE2's, group 1 is the name and group 2 the value.

In both, ``step`` is the row's step and ``time`` or ``timestamp`` its time, unless they are objectives themselves.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple, Protocol

MAX_PATTERN_LINE = 4096
"""The longest line, in characters, that a pattern of the user's is tried on."""
MAX_NUMBER = 64
"""The longest text, in characters, that may be a number."""
MAX_DEPTH = 4
"""How deep objects in a JSON line are flattened."""

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


class Reader(Protocol):
    """Reads one line after the other."""

    def read(self, line: str) -> Row | None:
        """The line's row, None for a line without metrics. Raises BadLineError."""


class JsonReader:
    """Reads JSON lines."""

    def __init__(self, objectives: Collection[str] = (), *, others: bool = False) -> None:
        """Where there may be `others`, lines that do not begin as a JSON object does are passed over."""
        self._special = _special(objectives)
        self._others = others
        # Reading whole numbers as floats spares a conversion, and the quadratic time of very long ones.
        self._decoder = json.JSONDecoder(parse_int=float)

    def read(self, line: str) -> Row | None:
        """The line's row, None for a line without metrics. Raises BadLineError."""
        try:
            # raw_decode() takes half of the time that decode() needs, but wants the line bare.
            line = line.strip()
            if self._others and not line.startswith("{"):
                return None
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
        self._find = _Pattern(pattern).pairs if pattern else PAIR.findall

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


def reader(kind: str, pattern: str, objectives: Collection[str], *, others: bool = False) -> Reader:
    """The reader of a format; where there may be `others`, lines that are no JSON objects are no errors.

    Raises ConfigurationError.
    """
    if kind == "text":
        return TextReader(objectives, pattern)
    if kind != "json":
        raise ConfigurationError(f"metrics.format is {kind!r}; write json or text")
    if pattern:
        raise ConfigurationError("metrics.pattern is for the format text; leave it out, or write format: text")
    return JsonReader(objectives, others=others)


class _Pattern:
    """A regular expression of the user's, which is RE2's: so it takes linear time, and cannot hang its caller.

    Katib's patterns are of the same language, as it is Go's.
    """

    def __init__(self, pattern: str) -> None:
        self._regex = compiled(pattern)

    def pairs(self, line: str) -> list[tuple[str, str]]:
        """The names and values in the line. Raises BadLineError."""
        if len(line) > MAX_PATTERN_LINE:
            raise BadLineError(f"longer than the {MAX_PATTERN_LINE} characters that metrics.pattern is tried on")
        return [(groups[0] or "", groups[1] or "") for groups in self._regex.findall(line)]


def compiled(pattern: str) -> Any:
    """A pattern of the user's, ready to be used. Raises ConfigurationError when it is none."""
    # Only who has a pattern pays for the library.
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        regex = re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        raise ConfigurationError(
            f"metrics.pattern is no regular expression of RE2's: {reason}; write one with two groups, the name and the"
            r" value, such as (\w+)=([-+.\w]+)"
        ) from error
    if regex.groups < 2:
        raise ConfigurationError(
            f"metrics.pattern has {regex.groups} of the two groups it needs; put the metric's name and its value in round"
            r" brackets, such as (\w+)=([-+.\w]+)"
        )
    return regex
