"""Numbers, times and trials in words. Pure, and the same on a terminal and in a pipe."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping

from tuning_operator.api import trial
from tuning_operator.tuner import standing, state

LONGEST = 400
"""Characters of a message that are shown; all of it is in the logs."""


def value(number: float) -> str:
    """An objective's value: six significant digits, and at least four decimals where it is of ordinary size."""
    size = abs(number)
    if size and not 1e-4 <= size < 1e9:
        return f"{number:.6g}"
    decimals = max(4, 5 - math.floor(math.log10(size))) if size else 4
    whole, _, fraction = f"{number:.{decimals}f}".partition(".")
    return f"{whole}.{fraction[:4]}{fraction[4:].rstrip('0')}"


def parameters(values: Mapping[str, int | float | str], *, digits: int = 4, between: str = " ") -> str:
    """A configuration, floats with that many significant digits."""
    return between.join(
        f"{name}={clean(f'{item:.{digits}g}' if isinstance(item, float) else str(item))}"
        for name, item in values.items()
    )


def objectives(values: Mapping[str, float], errors: Mapping[str, float] | None = None) -> str:
    """A trial's objective values, or means with their standard errors."""
    known = {metric: f"±{error:.2g}" for metric, error in (errors or {}).items()}
    return " ".join(f"{metric}={value(number)}{known.get(metric, '')}" for metric, number in values.items())


def duration(time: datetime.timedelta) -> str:
    """A time such as 2.1s, 1m05s or 2h03m."""
    seconds = max(0.0, time.total_seconds())
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest:02d}s"


def clean(text: str, longest: int = LONGEST) -> str:
    """Text from a trial or a manifest as one line without control characters; the end of it where it is too long."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= longest else f"{line[: longest // 3]} … {line[-longest + longest // 3 + 3 :]}"


def ran(item: state.Trial, now: datetime.datetime) -> datetime.timedelta | None:
    """How long a trial ran, or has been running; None while it has not begun."""
    begun = item.status.start_time
    return (item.status.completion_time or now) - begun if begun else None


def ending(item: state.Trial, now: datetime.datetime) -> str:
    """What became of a finished trial, in one line."""
    status = item.status
    configuration = parameters(item.spec.parameters, between=", ")
    time = ran(item, now)
    lasted = f" in {duration(time)}" if time is not None else ""
    match status.phase:
        case trial.TrialPhase.SUCCEEDED:
            infeasible = f", infeasible: {clean(status.message)}" if status.reason else ""
            return f"trial {item.number} succeeded: {objectives(status.values)} ({configuration}){lasted}{infeasible}"
        case phase:
            why = clean(": ".join(filter(None, (status.reason, status.message))))
            return f"trial {item.number} {phase.lower()}: {why} ({configuration}){lasted}"


def best(winner: standing.Candidate) -> str:
    """The last line of a run that has found something."""
    configuration = parameters(winner.trial.spec.parameters, digits=6)
    return f"best: {objectives(winner.values, winner.errors)} {configuration} ({_trials(winner)})"


def _trials(winner: standing.Candidate) -> str:
    first = winner.trial.number
    return f"trial {first}" if winner.repeats == 1 else f"trials {first} to {first + winner.repeats - 1}"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Rows as lines with aligned columns."""
    cells = [list(head), *(list(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
