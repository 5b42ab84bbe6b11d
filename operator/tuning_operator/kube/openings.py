"""Which trials of a job are still worth a look: of ten thousand that have ended, none is.

A trial is closed by whoever has seen that nothing is left to be done about it. When one that is closed changes all the
same (somebody deletes it, say), all of its job are open again: what was derived from them holds no longer.
"""

from __future__ import annotations

from typing import Generic, TypeVar

Owner = TypeVar("Owner")


class Openings(Generic[Owner]):
    """Open and closed trials, by number, of each owner."""

    def __init__(self) -> None:
        self._open: dict[Owner, set[int]] = {}
        self._closed: dict[Owner, set[int]] = {}
        self._epochs: dict[Owner, int] = {}

    def __len__(self) -> int:
        return sum(len(numbers) for part in (self._open, self._closed) for numbers in part.values())

    def open(self, owner: Owner) -> list[int]:
        """The open ones, in order."""
        return sorted(self._open.get(owner, ()))

    def epoch(self, owner: Owner) -> int:
        """Grows whenever closed trials were opened again."""
        return self._epochs.get(owner, 0)

    def is_closed(self, owner: Owner, number: int) -> bool:
        """Whether nothing is expected of the trial any more."""
        return number in self._closed.get(owner, ())

    def close(self, owner: Owner, number: int) -> None:
        """Nothing is left to be done about the trial."""
        self._open.get(owner, set()).discard(number)
        self._closed.setdefault(owner, set()).add(number)

    def touch(self, owner: Owner, number: int) -> None:
        """The trial has changed."""
        if self.is_closed(owner, number):
            self.reopen(owner)
        self._open.setdefault(owner, set()).add(number)

    def drop(self, owner: Owner, number: int) -> None:
        """The trial is gone."""
        if self.is_closed(owner, number):
            self.reopen(owner)
        left = self._open.get(owner, set())
        left.discard(number)
        if not left and not self._closed.get(owner):
            self.forget(owner)

    def reopen(self, owner: Owner) -> None:
        """Opens all trials of the owner."""
        self._open.setdefault(owner, set()).update(self._closed.pop(owner, ()))
        self._epochs[owner] = self.epoch(owner) + 1

    def forget(self, owner: Owner) -> None:
        """The owner is gone."""
        self._open.pop(owner, None)
        self._closed.pop(owner, None)
        self._epochs.pop(owner, None)
