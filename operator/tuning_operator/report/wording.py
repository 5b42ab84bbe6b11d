"""Numbers and times as they stand in charts: short, and the same everywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tuning_operator.api.base import Scalar

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"
"""What stands where there is no number."""


def figure(value: float, digits: int = 5) -> str:
    """A number to so many significant digits, without the zeros at its end."""
    if not math.isfinite(value):
        return "∞" if value > 0 else f"{MINUS}∞" if value < 0 else "NaN"
    text = f"{value:.{digits}g}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")
    return text.replace("-", MINUS, 1) if text.startswith("-") else text


def setting(value: Scalar) -> str:
    """A parameter's value."""
    return figure(value, 4) if isinstance(value, float) else str(value)


def settings(values: Mapping[str, Scalar]) -> str:
    """A configuration in one line."""
    return " ".join(f"{name}={setting(value)}" for name, value in values.items())


def elapsed(seconds: float) -> str:
    """A time such as 2.1 s, 1 min 05 s, 2 h 03 min or 3 d 4 h."""
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes:02d} min" if minutes else f"{hours} h"


def many(count: int, thing: str) -> str:
    """A count with its noun, such as 1 trial or 1,200 trials."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
