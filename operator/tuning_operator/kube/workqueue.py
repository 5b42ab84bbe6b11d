"""A queue of keys to look at: de-duplicating, delaying, backing off.

Any number of events for one key while it waits make one look; a key is never looked at twice at the same time; one
that came while it was being looked at is looked at again.
"""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from tuning_operator.kube import metrics

Key = TypeVar("Key")

FIRST_RETRY_SECONDS = 0.1
LAST_RETRY_SECONDS = 30.0


class WorkQueue(Generic[Key]):
    """Keys that wait to be handled by `run`'s handler."""

    def __init__(self) -> None:
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._queued: dict[Key, float] = {}
        self._active: dict[Key, float] = {}
        self._again: set[Key] = set()
        self._alarms: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self.progress = 0
        """How many looks were finished; a liveness probe watches it while keys are waiting."""

    def __len__(self) -> int:
        return len(self._queued)

    def longest(self) -> tuple[Key | None, float]:
        """The key that has been looked at for the longest time, and for how many seconds."""
        key = min(self._active, key=self._active.__getitem__, default=None)
        return key, time.monotonic() - self._active[key] if key is not None else 0.0

    def add(self, key: Key) -> None:
        """Look at the key as soon as a worker is free."""
        if key in self._active:
            self._again.add(key)
        elif key not in self._queued:
            self._queued[key] = time.monotonic()
            self._ready.put_nowait(key)

    def add_at(self, key: Key, moment: datetime.datetime, now: datetime.datetime) -> None:
        """Look at the key at that moment at the latest; an earlier appointment is kept."""
        self._add_in(key, max(0.0, (moment - now).total_seconds()))

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a key that is gone."""
        self._failures.pop(key, None)
        alarm = self._alarms.pop(key, None)
        if alarm is not None:
            alarm.cancel()

    async def run(self, handle: Callable[[Key], Awaitable[None]], failed: Callable[[Key, Exception], None]) -> None:
        """Handles keys until cancelled. `failed` is told about each error; the key is tried again later."""
        while True:
            key = await self._ready.get()
            began = self._active[key] = time.monotonic()
            metrics.QUEUE_SECONDS.observe(began - self._queued.pop(key))
            try:
                await handle(key)
                self._failures.pop(key, None)
            except Exception as error:  # one key's error must not end the worker
                failed(key, error)
                self._retry(key)
            finally:
                self.progress += 1
                metrics.RECONCILE_SECONDS.observe(time.monotonic() - began)
                self._active.pop(key, None)
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)

    def _retry(self, key: Key) -> None:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        self._add_in(key, min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(failures - 1, 16)))

    def _add_in(self, key: Key, seconds: float) -> None:
        """One appointment a key: a key that fails at each of many events must not be tried once for each of them."""
        loop = asyncio.get_running_loop()
        due, alarm = loop.time() + seconds, self._alarms.get(key)
        if alarm is not None:
            if alarm.when() <= due:
                return
            alarm.cancel()
        self._alarms[key] = loop.call_at(due, self._ring, key)

    def _ring(self, key: Key) -> None:
        self._alarms.pop(key, None)
        self.add(key)

    def close(self) -> None:
        """Cancels all appointments."""
        for alarm in self._alarms.values():
            alarm.cancel()
        self._alarms.clear()
