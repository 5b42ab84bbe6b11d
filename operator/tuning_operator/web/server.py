"""Serves the pages: read-only, to the machine itself alone, and without ever holding up the event loop.

It listens on the loopback address. In a Pod, `kubectl port-forward` leads there, and nothing else: who may see the page is
who may forward ports of the operator's Pod, which the API server checks. A program of authentication beside it in the Pod
is the other way in. The Host of each request is checked, or any web page could have a visitor's browser read from here.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import functools
import hashlib
import importlib.resources
import logging
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence

from aiohttp import web

from tuning_operator.report import page, view
from tuning_operator.report.markup import Markup
from tuning_operator.stopping import curve
from tuning_operator.web import pages, source
from tuning_operator.web.query import Query, select

log = logging.getLogger(__name__)

HOME = "127.0.0.1"
LOCAL = frozenset({"localhost", HOME, "[::1]"})
MOST_DRAWN = 4
"""Jobs whose drawings are kept. Each may hold a megabyte, in an operator that has little."""
PAUSE_SECONDS = 1.5
SHARE = 8
"""A job is drawn again no sooner than after this many times as long as drawing it took."""
STALE_SECONDS = 10.0
"""A job that is at work is drawn again after this time though nothing has happened: time itself is shown."""
COMPRESSED_APART_BYTES = 32 * 1024
"""Larger pages are compressed beside the event loop."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
ASSETS = {"style.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclasses.dataclass(frozen=True, slots=True)
class Drawn:
    """A job as it was drawn last."""

    version: Hashable
    seen: view.View
    charts: Markup
    at: float
    took: float


class Server:
    """The pages over one source. `clock` gives the time, `ticks` seconds that only grow."""

    def __init__(
        self,
        shown: source.Source,
        clock: Callable[[], datetime.datetime],
        *,
        hosts: Sequence[str] = (),
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = shown
        self._clock = clock
        self._ticks = ticks
        self._hosts = LOCAL | set(hosts)
        self._drawn: dict[tuple[str, str], Drawn] = {}
        self._drawing: dict[tuple[str, str], asyncio.Lock] = {}

    def application(self) -> web.Application:
        """The application, for a runner or a test."""
        made = web.Application(middlewares=[self._guard])
        made.add_routes(
            [
                web.get("/", self._jobs),
                web.get("/jobs/{namespace}/{name}", self._job),
                web.get("/jobs/{namespace}/{name}/compare", self._compare),
                web.get("/jobs/{namespace}/{name}/trials/{number}", self._trial),
                web.get("/assets/{name}", _asset),
            ]
        )
        return made

    async def serve(self, port: int) -> tuple[web.AppRunner, int]:
        """Serves until the runner is cleaned up; 0 takes any port. Answers the port. Raises OSError."""
        runner = web.AppRunner(self.application(), access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOME, port).start()
        except OSError:
            await runner.cleanup()
            raise
        return runner, runner.addresses[0][1]

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuses names that this page does not go by, and turns every failure into a page."""
        host = request.host.rpartition(":")[0] if request.host.rpartition(":")[2].isdigit() else request.host
        if host not in self._hosts:
            return _page("Refused", pages.problem("Refused", f"This page does not go by the name {host}."), status=403)
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _page(error.reason, pages.problem(error.reason, error.text or error.reason), status=error.status)
        except Exception:
            log.exception("page failed", extra={"path": request.path})
            said = "The page could not be made. The log of whoever serves it says why."
            return _page("Error", pages.problem("Error", said), status=500)

    async def _jobs(self, request: web.Request) -> web.StreamResponse:
        briefs = await self._source.jobs()
        body = await asyncio.to_thread(pages.jobs, briefs, self._clock())
        return _page("Tuning jobs", body, request)

    async def _job(self, request: web.Request) -> web.StreamResponse:
        drawn = await self._look(request)
        query = Query.parse(request.query)

        def draw() -> Markup:
            return pages.job(drawn.seen, drawn.charts, select(drawn.seen, query), query)

        return _page(drawn.seen.name, await asyncio.to_thread(draw), request, [_home()])

    async def _trial(self, request: web.Request) -> web.StreamResponse:
        drawn = await self._look(request)
        row = _row(drawn.seen, request.match_info["number"])
        place = (_namespace(request), request.match_info["name"], row.number)
        live: Mapping[str, curve.Curve] = {} if row.finished else await self._source.curves(*place)
        written = await self._source.log(*place)
        body = await asyncio.to_thread(pages.trial, drawn.seen, row, written, live)
        return _page(f"Trial {row.number} of {drawn.seen.name}", body, request, [_home(), _job_step(drawn.seen)])

    async def _compare(self, request: web.Request) -> web.StreamResponse:
        drawn = await self._look(request)
        wanted = list(dict.fromkeys(request.query.getall("t", [])))[: pages.MOST_COMPARED]
        if not wanted:
            raise web.HTTPBadRequest(text="Choose trials in the job's table first.")
        rows = [_row(drawn.seen, number) for number in wanted]
        body = await asyncio.to_thread(pages.compare, drawn.seen, rows)
        return _page(f"Trials of {drawn.seen.name}", body, request, [_home(), _job_step(drawn.seen)])

    async def _look(self, request: web.Request) -> Drawn:
        """The job that an address names, drawn. Raises HTTPNotFound."""
        key = _namespace(request), request.match_info["name"]
        found = await self._source.job(*key)
        if found is None:
            raise web.HTTPNotFound(text=f"There is no job {'/'.join(filter(None, key))}.")
        async with self._drawing.setdefault(key, asyncio.Lock()):
            known = self._drawn.pop(key, None)
            if known is None or self._is_due(known, found):
                begun = self._ticks()
                seen, charts = await asyncio.to_thread(_draw, found, key[0])
                known = Drawn(found.version, seen, charts, self._ticks(), self._ticks() - begun)
            self._drawn[key] = known
        while len(self._drawn) > MOST_DRAWN:
            oldest = next(iter(self._drawn))
            del self._drawn[oldest]
            self._drawing.pop(oldest, None)
        return known

    def _is_due(self, known: Drawn, found: source.Found) -> bool:
        age = self._ticks() - known.at
        if found.version == known.version:
            return not known.seen.status.phase.is_finished() and age > max(STALE_SECONDS, SHARE * known.took)
        return age > max(PAUSE_SECONDS, SHARE * known.took)


def _draw(found: source.Found, namespace: str) -> tuple[view.View, Markup]:
    seen = view.of(found.snapshot, namespace=namespace, created=found.created)
    return seen, page.charts(seen, first=page.winner(seen))


def _namespace(request: web.Request) -> str:
    return request.match_info["namespace"].removeprefix("-")


def _row(seen: view.View, number: str) -> view.Row:
    row = seen.by_number.get(int(number)) if number.isascii() and number.isdigit() and len(number) < 10 else None
    if row is None:
        raise web.HTTPNotFound(text=f"There is no trial {number[:20]} in {seen.name}.")
    return row


def _home() -> tuple[str, str]:
    return "/", "Tuning jobs"


def _job_step(seen: view.View) -> tuple[str, str]:
    return pages.address(seen.namespace, seen.name), seen.name


def _page(
    heading: str,
    body: Markup,
    request: web.Request | None = None,
    where: Sequence[tuple[str, str]] = (),
    *,
    status: int = 200,
) -> web.Response:
    """The page, or 304 for one who has it already."""
    data = pages.document(heading, where, body).encode()
    tag = f'"{hashlib.sha256(data).hexdigest()[:24]}"'
    if request is not None and request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers=HEADERS | {"ETag": tag})
    made = web.Response(
        body=data,
        status=status,
        content_type="text/html",
        charset="utf-8",
        headers=HEADERS | {"ETag": tag},
        zlib_executor_size=COMPRESSED_APART_BYTES,
    )
    made.enable_compression()
    return made


async def _asset(request: web.Request) -> web.Response:
    kind = ASSETS.get(request.match_info["name"])
    if kind is None:
        raise web.HTTPNotFound
    return web.Response(text=_bundle(request.match_info["name"]), content_type=kind, charset="utf-8", headers=HEADERS)


@functools.cache
def _bundle(name: str) -> str:
    """What reports bring inside, and what only a live page needs."""
    own = importlib.resources.files(__package__) / "assets"
    match name:
        case "style.css":
            return page.asset("chart.css") + page.asset("page.css") + own.joinpath("web.css").read_text("utf-8")
        case "page.js":
            return page.asset("script.js") + own.joinpath("live.js").read_text("utf-8")
        case _:
            return own.joinpath(name).read_text("utf-8")
