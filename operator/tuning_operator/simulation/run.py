"""Runs a world to its end: time jumps from one moment at which something happens to the next.

All that is left to chance (who acts first where two operators work, how late they look) comes from one seed.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection, Generator

from tuning_operator.simulation import shell, world
from tuning_operator.tuner import actions

MAX_MOMENTS = 20_000


def run(
    around: world.World,
    operator: Callable[[], shell.Shell] | None = None,
    *,
    operators: int = 1,
    crashes: Collection[int] = (),
    downtime: float = 0.0,
    late: float = 0.0,
    seed: int = 0,
) -> int:
    """Runs until nothing happens any more, and answers how many steps were taken.

    `operator` makes a shell around the world; `operators` of them work side by side. An operator that is about to take
    one of the steps in `crashes` dies instead, and another one stands up `downtime` seconds later. Looks come up to
    `late` seconds after what they are for. Raises shell.Restless.
    """
    make = operator or (lambda: shell.Shell(around))
    crew = Crew(around, make, operators, frozenset(crashes), downtime, random.Random(seed))
    for _ in range(MAX_MOMENTS):
        crew.settle()
        due = min(around.next(), crew.wake())
        if due == math.inf:
            return crew.steps
        around.advance(due + crew.rng.uniform(0.0, late))
    raise shell.Restless(f"no end after {MAX_MOMENTS} moments")


class Crew:
    """Operators that work side by side, in any order."""

    def __init__(
        self,
        around: world.World,
        make: Callable[[], shell.Shell],
        size: int,
        crashes: frozenset[int],
        downtime: float,
        rng: random.Random,
    ) -> None:
        self.steps = 0
        self.rng = rng
        self._world = around
        self._make = make
        self._crashes = crashes
        self._downtime = downtime
        self._shells = [make() for _ in range(size)]

    def wake(self) -> float:
        """When one of them wants to look again."""
        return min(member.wake for member in self._shells)

    def settle(self) -> None:
        """Lets all of them look, step by step, until none finds anything to do."""
        everybody = set(range(len(self._shells)))
        due, looks = set(everybody), dict[int, Generator[actions.Action, None, bool]]()
        while due or looks:
            index = self.rng.choice(sorted(due | looks.keys()))
            if index not in looks:
                due.discard(index)
                looks[index] = self._shells[index].look()
            try:
                self._step(looks[index])
            except StopIteration as end:
                del looks[index]
                if end.value:
                    due |= everybody - {index}
            except _Crash:
                del looks[index]
                due.add(index)
                self._shells[index] = self._make()
                self._world.advance(self._world.now + self._downtime)

    def _step(self, look: Generator[actions.Action, None, bool]) -> None:
        next(look)
        self.steps += 1
        if self.steps in self._crashes:
            raise _Crash


class _Crash(Exception):
    """An operator dies."""
