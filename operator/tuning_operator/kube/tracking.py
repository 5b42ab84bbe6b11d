"""Tracking a collection that is not ours: a paged listing, then a watch, and a listing again when the watch is too old.

Apart from kopf, which keeps every object that it watches: of other people's Pods a few numbers are enough.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any

from tuning_operator.kube import client

log = logging.getLogger(__name__)

BREATH = 100
"""Objects that are taken in before the event loop has a turn."""
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.5, 30.0
REFUSED_PAUSE_SECONDS = 300.0
"""How long a right that is not given is not asked for again."""

Body = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Collection:
    """What is followed, and who hears of it. `sweep` is told all uids of a complete listing."""

    path: str
    observe: Callable[[Body], None]
    forget: Callable[[Body], None]
    sweep: Callable[[set[str]], None]
    fields: str = ""


class Tracker:
    """Follows one collection until cancelled."""

    def __init__(self, api: client.Api, what: Collection) -> None:
        self._api = api
        self._what = what
        self.settled = asyncio.Event()
        """Set when the collection is known, or is known to be out of reach."""
        self.refused = False
        """The operator has no right to it."""

    async def run(self) -> None:
        """Lists and watches. What fails is tried again, ever more slowly."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                version = await self._list()
                self.refused = False
                self.settled.set()
                pause = FIRST_PAUSE_SECONDS
                await self._watch(version)
                await asyncio.sleep(FIRST_PAUSE_SECONDS)  # the watch has become too old: list again
            except client.Refused as refusal:
                log.log(logging.DEBUG if self.refused else logging.WARNING, "not allowed", extra=self._why(refusal))
                self.refused = True
                self.settled.set()
                await asyncio.sleep(REFUSED_PAUSE_SECONDS)
            except (client.ApiError, OSError, TimeoutError) as error:
                log.warning("not reached; it is tried again", extra=self._why(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, LAST_PAUSE_SECONDS)

    def _why(self, error: Exception) -> dict[str, str]:
        return {"path": self._what.path, "why": str(error)}

    async def _list(self) -> int:
        seen: set[str] = set()
        version = 0
        async for page, version in self._api.pages(self._what.path, fields=self._what.fields):  # noqa: B007
            for index, body in enumerate(page):
                self._what.observe(body)
                seen.add(body["metadata"]["uid"])
                if index % BREATH == BREATH - 1:
                    await asyncio.sleep(0)
        self._what.sweep(seen)
        return version

    async def _watch(self, version: int) -> None:
        """Takes in events until the server no longer has those that come next."""
        since = str(version)
        while True:
            async for event in self._api.watch(self._what.path, since, self._what.fields):
                body = event["object"]
                match event["type"]:
                    case "ERROR":
                        return
                    case "DELETED":
                        self._what.forget(body)
                    case "ADDED" | "MODIFIED":
                        self._what.observe(body)
                since = body["metadata"]["resourceVersion"]
            await asyncio.sleep(FIRST_PAUSE_SECONDS)
