"""The jobs of a folder for the web page, whoever runs them: what has not changed on the disk is not read again."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tuning_operator.local import folder, reading
from tuning_operator.stopping import curve
from tuning_operator.web import source


class Folders:
    """A source of the jobs in a folder such as .tuning. Raises nothing for what cannot be read: it is passed over."""

    def __init__(self, root: Path, clock: Callable[[], datetime.datetime]) -> None:
        self._root = root
        self._clock = clock
        self._readers: dict[str, reading.Reader] = {}
        self._reading = asyncio.Lock()

    async def jobs(self) -> Sequence[source.Brief]:
        """All jobs that are kept in the folder."""
        return await asyncio.to_thread(self._briefs)

    async def job(self, namespace: str, name: str) -> source.Found | None:
        """One job; local ones have no namespace."""
        if namespace or not self._is_job(name):
            return None
        async with self._reading:
            return await asyncio.to_thread(self._found, name)

    async def log(self, namespace: str, name: str, number: int) -> source.Log:
        """The end of what the trial's newest attempt wrote, its errors last."""
        return await asyncio.to_thread(self._log, name, number)

    async def curves(self, namespace: str, name: str, number: int) -> Mapping[str, curve.Curve]:
        """Nothing more: a job's own curves are read as they are now."""
        return {}

    def _is_job(self, name: str) -> bool:
        # One part of a path, and none that leads elsewhere.
        return Path(name).name == name and name not in (".", "..") and (self._root / name / "job.json").is_file()

    def _briefs(self) -> list[source.Brief]:
        briefs = []
        for path in sorted(self._root.glob("*/job.json")):
            try:
                record = folder.Folder(path.parent).read_job()
            except folder.FolderError:
                continue
            if record is not None:
                objective = str(record.spec["objectives"][0]["metric"])
                briefs.append(source.Brief("", path.parent.name, record.status, objective))
        return briefs

    def _found(self, name: str) -> source.Found | None:
        reader = self._readers.setdefault(name, reading.Reader(folder.Folder(self._root / name)))
        try:
            snapshot = reader.snapshot(self._clock())
        except folder.FolderError:
            return None
        return source.Found(snapshot, reader.version)

    def _log(self, name: str, number: int) -> source.Log:
        home = folder.Folder(self._root / name)
        place = home.attempt(number, home.newest_attempt(number))
        parts = []
        for kind in ("stdout", "stderr"):
            text = _tail(place / f"{kind}.log")
            if text:
                parts.append(text)
        return source.Log("\n".join(parts)) if parts else source.Log(note="It has written nothing.")


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - source.MAX_LOG_BYTES))
            cut = "[…]\n" if size > source.MAX_LOG_BYTES else ""
            return cut + file.read().decode("utf-8", "replace")
    except OSError:
        return ""
