"""A reverse proxy before the API server: it records every call that the operator makes, and can break any of them.

Crash exactness is a claim about each single call: that the operator may die before it, or after it without having
heard the answer. The proxy is where a test stands between the two.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import enum
import inspect
import json
import pathlib
import re
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

import aiohttp
from aiohttp import web

from tests.integration import client


class Fault(enum.StrEnum):
    """What the proxy may do to a call instead of serving it."""

    DROP_BEFORE = "drop-before"
    """The connection is closed; the API server never sees the call."""
    DROP_AFTER = "drop-after"
    """The API server carries the call out; the connection is closed without an answer."""
    CONFLICT = "409"
    """Answered as if another writer had been quicker; the API server never sees the call."""
    BUSY = "429"
    """Answered as by an API server that has too much to do."""
    BROKEN = "500"
    """Answered as by an API server that has lost its etcd."""


@dataclasses.dataclass
class Call:
    """One call as it came, and what became of it."""

    number: int
    """From 1, in the order in which the calls came."""
    verb: str
    """As in an audit log: get, list, watch, create, update, patch, delete or deletecollection."""
    path: str
    query: Mapping[str, str]
    agent: str
    """The caller's User-Agent."""
    body: bytes
    time: datetime.datetime
    status: int | None = None
    """The HTTP code of the answer; None as long as there is none."""
    fault: Fault | None = None

    @property
    def writes(self) -> bool:
        """Whether the call may change anything."""
        return self.verb not in ("get", "list", "watch")

    def object(self) -> client.Object:
        """The body as JSON; empty where there is none."""
        return json.loads(self.body) if self.body else {}

    def __str__(self) -> str:
        return f"{self.number}: {self.verb} {self.path} -> {self.fault or self.status}"


Verdict = Fault | None
Logs = Callable[[str], bytes | None]
"""The log of a Pod so far, by the Pod's name; None where there is none."""
OnCall = Callable[[Call], Verdict | Awaitable[Verdict]]

_POD_PROXY = re.compile(
    r"/api/v1/namespaces/(?P<namespace>[^/]+)/pods/(?:https?:)?(?P<pod>[^/:]+):(?P<port>\d+)/proxy(?P<path>/.*)"
)
_POD_LOG = re.compile(r"/api/v1/namespaces/(?P<namespace>[^/]+)/pods/(?P<pod>[^/]+)/log")
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "upgrade", "te", "trailer"}


class Proxy:
    """Listens on loopback, in plain HTTP, and forwards as the user of `kubeconfig`.

    `calls` lists every call so far. `on_call`, where it is set, is asked before each one, and may be a coroutine
    that holds the call for as long as it likes. `logs`, where it is set, gives the logs of Pods that have no kubelet whom
    the API server could ask; a connection that follows one ends, as connections do, before the container. `streams` is the number of watches that are open.
    """

    def __init__(self, kubeconfig: pathlib.Path) -> None:
        self.calls: list[Call] = []
        self.on_call: OnCall | None = None
        self.logs: Logs | None = None
        self.streams = 0
        self._closed = asyncio.Event()
        self._kubeconfig = kubeconfig
        self._pending: set[asyncio.Task[web.StreamResponse]] = set()
        self._streaming: list[web.BaseRequest] = []

    async def __aenter__(self) -> Self:
        self._api = await client.Client.connect(self._kubeconfig)
        self.upstream = self._api.server
        self._direct = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        # A caller that hangs up ends its watches; `_serve` shields all other calls from that.
        server = web.Server(self._serve, access_log=None, handler_cancellation=True)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.server = f"http://{host}:{port}"
        self._folder = tempfile.TemporaryDirectory()
        self.kubeconfig_path = pathlib.Path(self._folder.name) / "kubeconfig"
        self.kubeconfig_path.write_text(json.dumps(_kubeconfig(self.server)))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        for task in self._pending:
            task.cancel()
        await asyncio.gather(*self._pending, return_exceptions=True)
        await self._direct.close()
        await self._api.session.close()
        self._folder.cleanup()

    def writes(self) -> list[Call]:
        """The calls that may have changed something."""
        return [call for call in self.calls if call.writes]

    def cut(self) -> int:
        """Breaks all watches that are open; answers how many."""
        for request in list(self._streaming):
            _hang_up(request)
        return len(self._streaming)

    async def idle(self) -> None:
        """Returns when no watch is open."""
        while self.streams:
            self._closed.clear()
            await self._closed.wait()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        call = Call(
            number=len(self.calls) + 1,
            verb=verb(request.method, request.path, request.query),
            path=request.path,
            query=dict(request.query),
            agent=request.headers.get("User-Agent", ""),
            body=body,
            time=datetime.datetime.now(datetime.UTC),
        )
        self.calls.append(call)
        if call.verb == "watch":
            return await self._stream(request, call)
        # A caller that is killed while it waits has still made its call.
        task = asyncio.create_task(self._forward(request, call))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)
        return await asyncio.shield(task)

    async def _judge(self, call: Call) -> Verdict:
        if self.on_call is None:
            return None
        verdict = self.on_call(call)
        return await verdict if inspect.isawaitable(verdict) else verdict

    async def _forward(self, request: web.BaseRequest, call: Call) -> web.StreamResponse:
        call.fault = await self._judge(call)
        if call.fault is Fault.DROP_BEFORE:
            return _hang_up(request)
        if call.fault is not None and call.fault.isdigit():
            call.status = int(call.fault)
            return _refusal(call.status)
        if self.logs is not None and (match := _POD_LOG.fullmatch(request.path)):
            return self._log(call, self.logs(match["pod"]))
        session = self._api.session
        try:
            session, url = await self._target(request)
            async with session.request(
                request.method, url, data=call.body or None, headers=_headers(request.headers)
            ) as answer:
                call.status = answer.status
                body = await answer.read()
                if call.fault is Fault.DROP_AFTER:
                    return _hang_up(request)
                return web.Response(status=answer.status, body=body, headers=_headers(answer.headers))
        except (aiohttp.ClientError, TimeoutError) as error:
            if session is not self._direct:
                return _hang_up(request)
            call.status = 503
            return _unreachable(error)

    def _log(self, call: Call, log: bytes | None) -> web.StreamResponse:
        if log is not None:
            call.status = 200
            return web.Response(body=log)
        call.status = 404
        status = {"kind": "Status", "status": "Failure", "message": "no such pod", "reason": "NotFound", "code": 404}
        return web.json_response(status, status=404)

    async def _stream(self, request: web.BaseRequest, call: Call) -> web.StreamResponse:
        call.fault = await self._judge(call)
        if call.fault is not None:
            return _hang_up(request)
        self.streams += 1
        self._streaming.append(request)
        try:
            async with self._api.session.get(
                self.upstream + request.raw_path, headers=_headers(request.headers)
            ) as answer:
                call.status = answer.status
                response = web.StreamResponse(status=answer.status, headers=_headers(answer.headers))
                response.enable_chunked_encoding()
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response
        except (aiohttp.ClientError, TimeoutError, ConnectionError):
            return _hang_up(request)
        finally:
            self.streams -= 1
            self._streaming.remove(request)
            self._closed.set()

    async def _target(self, request: web.BaseRequest) -> tuple[aiohttp.ClientSession, str]:
        """Where the call goes: to the API server, or to a Pod of the fake kubelet.

        The API server's own pod proxy refuses loopback addresses, where the fake kubelet's Pods are.
        """
        if match := _POD_PROXY.fullmatch(request.path):
            pod = await self._api.find("Pod", match["namespace"], match["pod"])
            ip = str(pod["status"].get("podIP", "")) if pod else ""
            if ip.startswith("127."):
                query = f"?{request.query_string}" if request.query_string else ""
                return self._direct, f"http://{ip}:{match['port']}{match['path']}{query}"
        return self._api.session, self.upstream + request.raw_path


def _unreachable(error: Exception) -> web.StreamResponse:
    """What the API server answers when a Pod does not."""
    message = f"error trying to reach service: {error}"
    status = {"kind": "Status", "status": "Failure", "message": message, "reason": "ServiceUnavailable", "code": 503}
    return web.json_response(status, status=503)


def _refusal(code: int) -> web.StreamResponse:
    reasons = {409: "Conflict", 429: "TooManyRequests", 500: "InternalError"}
    status = {"kind": "Status", "status": "Failure", "message": "injected", "reason": reasons[code], "code": code}
    return web.json_response(status, status=code)


def _hang_up(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def verb(method: str, path: str, query: Mapping[str, str]) -> str:
    """The verb of a request, as an audit log names it."""
    named = _is_named(path)
    match method:
        case "GET" if query.get("watch") in ("1", "true", "True"):
            return "watch"
        case "GET":
            return "get" if named else "list"
        case "DELETE":
            return "delete" if named else "deletecollection"
        case _:
            return {"POST": "create", "PUT": "update", "PATCH": "patch"}.get(method, method.lower())


def _is_named(path: str) -> bool:
    """Whether the path names one object, or something that is no object at all, such as /version."""
    parts = path.strip("/").split("/")
    match parts:
        case ["api", _, *rest] | ["apis", _, _, *rest]:
            in_namespace = rest[:1] == ["namespaces"] and len(rest) > 2
            return len(rest) != (3 if in_namespace else 1)
        case _:
            return True


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}


def _kubeconfig(server: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "proxy", "cluster": {"server": server}}],
        "users": [{"name": "proxy", "user": {}}],
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
        "current-context": "proxy",
    }
