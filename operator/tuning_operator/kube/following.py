"""The log of a trial's container, followed while it grows: for trials that print their metrics.

Nothing is put into the Pod for it, so any image will do, also one without a shell; and the log outlives the process,
so an operator that was away reads it when it is back. The price: a log is as reliable as its node. A connection that
breaks is made again from a little earlier, and what was read already is passed over by its time stamps.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import datetime
import logging
import re
import time
from collections.abc import AsyncIterator, Mapping

import aiohttp

from tuning_operator.api import job, trial
from tuning_operator.kube import client, names, store
from tuning_operator.stopping import curve
from tuning_operator.tuner import observed, outcomes, state
from tuning_trial import collector, record, summary

log = logging.getLogger(__name__)

CHUNK = 32 * 1024
CONNECT_SECONDS = 10.0
SILENT_SECONDS = 600.0
"""A connection on which nothing comes for so long is made again: it may have died unnoticed."""
LAST_READ_SECONDS = 30.0
CLOSING_SECONDS = 5.0
"""How long the kubelet may take to end a stream once the container has ended."""
PATIENCE_SECONDS = 120.0
"""How long the log of a container that has ended is tried to be read."""
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 0.2, 5.0

OVERLAP = datetime.timedelta(seconds=2)
"""How much is read again after a break: the kubelet is asked in whole seconds, and writers of one log may overtake each other."""
MAX_REMEMBERED = 5000
"""How many lines that overlap are known again; only a trial that prints more than that in two seconds, and whose
connection breaks, has some of them counted twice."""
OVERLAP_NANOSECONDS = OVERLAP // datetime.timedelta(microseconds=1) * 1000
MAX_HELD = 2 * collector.MAX_LINE

STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d) ")
PIECE = 8000
"""From this length on a line may have been stored in pieces, each of which old kubelets give a time stamp of its own."""


class Unreadable(Exception):
    """What came is not the log, but the reason why there is none."""


class Log:
    """What a container's log has told so far."""

    def __init__(self, spec: job.JobSpec, metrics: tuple[str, ...]) -> None:
        objectives = outcomes.reported(spec)
        self._record = record.Record(objectives)
        self._feed = collector.Feed.of_output(self._record, spec.metrics.format, spec.metrics.pattern or "", objectives)
        self._curves = observed.Curves(metrics)
        self._rows = 0
        self._held = bytearray()
        self._raw = False
        self._seen: collections.deque[int] = collections.deque()
        self._floor = self._newest = 0
        self._again: collections.Counter[int] = collections.Counter()
        self._summary: tuple[int, int, summary.Summary] | None = None
        self.complete = False
        """It was read to its end."""
        self.lost = ""
        """Why its end will never be read."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics whose curves are followed."""
        return self._curves.names

    @property
    def since(self) -> str:
        """From where to read on; empty for the beginning."""
        if not self._newest:
            return ""
        moment = datetime.datetime.fromtimestamp(self._newest // 10**9, datetime.UTC) - OVERLAP
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def curves(self) -> Mapping[str, curve.Curve]:
        """The curves so far."""
        return self._curves.now()

    def summary(self) -> summary.Summary:
        """What it has told so far."""
        state = (self._record.rows, self._record.bad_lines)
        if self._summary is None or self._summary[:2] != state:
            self._summary = (*state, self._record.summary(collector.STDOUT))
        return self._summary[2]

    def begin(self) -> None:
        """A new connection: it begins with a whole line, and with some that were read already."""
        self._held.clear()
        self._raw = False
        self._again = collections.Counter(self._seen)

    def end(self) -> None:
        """Nothing more will come."""
        if self._held:
            self._line(bytes(self._held))
            self._held.clear()
        self._feed.end()
        self.complete = True

    def take(self, data: bytes) -> bool:
        """More of the log; answers whether a curve has changed. Raises Unreadable."""
        self._held += data
        *whole, rest = self._held.split(b"\n")
        for line in whole:
            self._line(bytes(line) + b"\n")
        self._held = bytearray(rest)
        if len(self._held) > MAX_HELD:
            self._line(bytes(self._held))
            self._held.clear()
            self._raw = True
        return self._follow()

    def _line(self, line: bytes) -> None:
        if self._raw:
            # The rest of a line that was too long to be held: it continues what was read.
            self._feed.take(line)
            self._raw = not line.endswith(b"\n")
            return
        found = STAMP.match(line)
        if found is None:
            # A kubelet that cannot find the log says so in its place.
            if line.strip() and not self._newest:
                raise Unreadable(line.decode("utf-8", "replace").strip()[:300])
            return
        if self._is_new(_nanoseconds(found[0])):
            text = line[found.end() :]
            self._feed.take(STAMP.sub(b"", text) if len(text) > PIECE else text)

    def _is_new(self, stamp: int) -> bool:
        if self._again:
            if stamp <= self._floor:
                return False
            if self._again[stamp] > 0:
                self._again[stamp] -= 1
                return False
        self._newest = max(self._newest, stamp)
        self._seen.append(stamp)
        while len(self._seen) > MAX_REMEMBERED or self._seen[0] < self._newest - 2 * OVERLAP_NANOSECONDS:
            self._floor = max(self._floor, self._seen.popleft())
        return True

    def _follow(self) -> bool:
        changed = False
        while self._curves.names and (rows := self._record.observations(self._rows)):
            self._rows = rows[-1].id
            changed |= any([self._curves.take(row.step, row.values) for row in rows])  # noqa: C419 - all are taken
        return changed


class Logs:
    """Opens logs, each in a stream of its own."""

    def __init__(self, api: client.Api) -> None:
        self._api = api
        # Apart from the connections for calls: as many streams as running trials would leave none for these.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=api.tls), read_bufsize=CHUNK, trust_env=True
        )
        self._turn = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def open(
        self, namespace: str, pod: store.PodRecord, since: str, *, follow: bool
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The log's bytes, with a time stamp before each line. Raises ApiError, or OSError."""
        query = {"container": pod.logged, "timestamps": "true"}
        query |= {"follow": "true"} if follow else {}
        query |= {"sinceTime": since} if since else {}
        url, headers = await self._api.address(names.log_path(namespace, pod.name), query)
        silence = SILENT_SECONDS if follow else LAST_READ_SECONDS
        patience = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silence)
        try:
            async with self._session.get(url, headers=headers, timeout=patience) as answer:
                if answer.status != 200:
                    client.decode(answer.status, await answer.read())
                yield self._chunks(answer)
        except aiohttp.ClientError as error:
            raise OSError(str(error) or type(error).__name__) from error

    async def _chunks(self, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        while chunk := await answer.content.read(CHUNK):
            yield chunk

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One log at a time is worked on, for half of the time: the event loop has other things to do."""
        async with self._turn:
            began = time.perf_counter()
            yield
            await asyncio.sleep(time.perf_counter() - began)

    async def close(self) -> None:
        """Closes the streams."""
        await self._session.close()


@dataclasses.dataclass(slots=True)
class Follower:
    """Reads one Pod's log to its end."""

    logs: Logs
    namespace: str
    pod: store.PodRecord
    log: Log
    ended: asyncio.Event
    """The container has ended."""

    async def run(self) -> AsyncIterator[bool]:
        """Yields whenever something has been read: whether a curve has changed by it. Ends with the log."""
        retry, clean, deadline = FIRST_RETRY_SECONDS, False, None
        clock = asyncio.get_running_loop().time
        while not self.log.complete and not self.log.lost:
            follow = not self.ended.is_set()
            if not follow and deadline is None:
                deadline = clock() + PATIENCE_SECONDS
            try:
                async for changed in self._read(follow):
                    retry = FIRST_RETRY_SECONDS
                    yield changed
            except client.NotFound as error:
                if clean:  # the Pod went after its log had come to an end
                    self.log.end()
                else:
                    self.log.lost = f"the Pod was deleted before its log was read to the end ({error.message})"
                continue
            except (OSError, TimeoutError) as error:
                # The API server is not there: that says nothing about the log.
                log.debug("log not followed", extra={"pod": f"{self.namespace}/{self.pod.name}", "why": str(error)})
                clean, deadline = False, None
            except (client.ApiError, Unreadable) as error:
                clean = False
                if deadline is not None and clock() >= deadline:
                    self.log.lost = _why(error)
                    continue
            else:
                clean = True
                if not follow:
                    self.log.end()
                    continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ended.wait(), retry) if follow else await asyncio.sleep(retry)
            retry = min(2 * retry, LAST_RETRY_SECONDS)

    async def _read(self, follow: bool) -> AsyncIterator[bool]:
        self.log.begin()
        async with self.logs.open(self.namespace, self.pod, self.log.since, follow=follow) as chunks:
            while (chunk := await self._next(chunks, follow)) is not None:
                async with self.logs.turn():
                    changed = self.log.take(chunk)
                yield changed

    async def _next(self, chunks: AsyncIterator[bytes], follow: bool) -> bytes | None:
        """The next bytes; None at the end, and when the container has ended and the stream, which should, does not."""
        coming = asyncio.ensure_future(anext(chunks, None))
        ending = asyncio.ensure_future(self.ended.wait())
        try:
            await asyncio.wait([coming, ending] if follow else [coming], return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                await asyncio.wait([coming], timeout=CLOSING_SECONDS)
            return coming.result() if coming.done() else None
        finally:
            for task in (coming, ending):
                task.cancel()
            await asyncio.gather(coming, ending, return_exceptions=True)


def _nanoseconds(stamp: bytes) -> int:
    """A time stamp as nanoseconds since 1970; their digits vary, so they cannot be compared as text."""
    text = stamp[:-1].decode()
    offset = "+00:00" if text.endswith("Z") else text[-6:]
    seconds = int(datetime.datetime.fromisoformat(text[:19] + offset).timestamp())
    fraction = text[20 : len(text) - (1 if text.endswith("Z") else 6)] if text[19] == "." else ""
    return seconds * 10**9 + int(fraction.ljust(9, "0"))


def settled(seen: state.Attempt, log: Log | None, *, gone: bool) -> state.Attempt:
    """An attempt whose process has ended, given its log: with its summary, still being read, or lost."""
    if log is not None and log.complete:
        return dataclasses.replace(seen, summary=log.summary())
    if (log is None and not gone) or (log is not None and not log.lost):
        return dataclasses.replace(seen, phase=trial.AttemptPhase.RUNNING, reason="", message="", unread=True)
    if seen.phase is trial.AttemptPhase.FAILED:
        return seen
    why = log.lost if log is not None else "the Pod was deleted before its log was read"
    return dataclasses.replace(seen, phase=trial.AttemptPhase.LOST, reason="LogUnreadable", message=why)


def _why(error: Exception) -> str:
    match error:
        case client.ApiError() if error.status == 403:
            return f"the operator may not read logs: {error.message}; allow it get on pods/log"
        case _:
            return f"the log cannot be read: {error or type(error).__name__}"
