"""The one gate that every write of the operator goes through.

An operator may be stopped for a minute without noticing: a paused machine, a starved container. When it goes on, its
term is over and another one works. So each write asks, right before it is sent, whether the term still lasts, and may
not take longer than what is left of it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Seconds that only grow, also while the machine sleeps, and that no change of the date touches."""


def elapsed() -> float:
    """Seconds since the machine's start; the time that it slept counts where the system can tell."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class NotLeading(PermissionError):
    """Another operator may be at work: nothing may be written now."""


class Gate:
    """Open until a moment of its clock; closed at first."""

    def __init__(self, clock: Clock = elapsed) -> None:
        self._clock = clock
        self._until = -math.inf

    def open(self, until: float = math.inf) -> None:
        """Lets writes through until then."""
        self._until = until

    def close(self) -> None:
        """Lets nothing through any more."""
        self._until = -math.inf

    def left(self) -> float:
        """For how many more seconds the gate is open; 0 when it is closed."""
        return max(0.0, self._until - self._clock())

    def passage(self) -> float:
        """How long a write that is sent now may take, in seconds. Raises NotLeading when the gate is closed."""
        left = self.left()
        if not left:
            raise NotLeading("the lease is not held: another operator may be at work")
        return left
