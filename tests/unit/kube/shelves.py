"""An API server that has collections and nothing else: what is put into them is listed, and told to those who watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from tuning_operator.kube import client

Body = dict[str, Any]

PATHS = {"Node": "nodes", "Pod": "pods", "ResourceQuota": "resourcequotas", "LimitRange": "limitranges"}


class Server:
    """Stands in for `client.Api`. `forbidden` are plurals that nobody may read; `page` is how much a page holds."""

    def __init__(self, *forbidden: str, page: int = 2) -> None:
        self.forbidden = set(forbidden)
        self.lists: dict[str, int] = {}
        self._page = page
        self._objects: dict[str, dict[str, Body]] = {}
        self._watchers: dict[str, list[asyncio.Queue[Body | None]]] = {}
        self._version = 100

    def put(self, kind: str, body: Body) -> None:
        """Creates or changes an object."""
        metadata = body["metadata"]
        key = f"{metadata.get('namespace', '')}/{metadata['name']}"
        kept = self._objects.setdefault(PATHS[kind], {})
        change = "MODIFIED" if key in kept else "ADDED"
        self._version += 1
        metadata.setdefault("uid", f"uid-{kind}-{key}")
        metadata["resourceVersion"] = str(self._version)
        kept[key] = body
        self._tell(PATHS[kind], {"type": change, "object": body})

    def remove(self, kind: str, name: str, namespace: str = "", *, silently: bool = False) -> None:
        """Deletes an object; silently, if the watch is to miss it."""
        body = self._objects[PATHS[kind]].pop(f"{namespace}/{name}")
        if not silently:
            self._tell(PATHS[kind], {"type": "DELETED", "object": body})

    def expire(self, kind: str) -> None:
        """Tells those who watch that what they have seen is too old."""
        self._tell(PATHS[kind], {"type": "ERROR", "object": {"code": 410}})

    async def pages(self, path: str, selector: str = "", fields: str = "") -> AsyncIterator[tuple[list[Body], int]]:
        plural = path.rsplit("/", 1)[1]
        self.lists[plural] = self.lists.get(plural, 0) + 1
        if plural in self.forbidden:
            raise client.Refused(403, "Forbidden", f"cannot list resource {plural}")
        bodies = list(self._objects.get(plural, {}).values())
        for start in range(0, max(1, len(bodies)), self._page):
            yield bodies[start : start + self._page], self._version

    async def watch(self, path: str, version: str, fields: str = "") -> AsyncIterator[Body]:
        mine: asyncio.Queue[Body | None] = asyncio.Queue()
        plural = path.rsplit("/", 1)[1]
        self._watchers.setdefault(plural, []).append(mine)
        while (event := await mine.get()) is not None:
            yield event

    def _tell(self, plural: str, event: Body) -> None:
        for watcher in self._watchers.get(plural, []):
            watcher.put_nowait(event)


async def eventually(holds: Any, what: str) -> None:
    """Returns as soon as it holds."""
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.002)
    assert holds(), what
