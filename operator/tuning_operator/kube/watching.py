"""kopf's part: which objects are watched, and how each event becomes "look at that job again".

An index function runs for every listed object before the first handler of any object does, so the store is complete
before the first decision. The functions fill our store and leave kopf's own indices empty. No handler that needs a
finalizer or writes annotations is used: an operator that is away or gone never blocks a deletion.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import aiohttp
import kopf

from tuning_operator.api import job
from tuning_operator.kube import client, metrics, names, store, workqueue

log = logging.getLogger(__name__)

LOGIN_PAUSE_SECONDS = 2.0
LAST_BACKOFF_SECONDS = 8.0
NOT_SERVED_SECONDS = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object that is watched, and what is done with each object that comes and goes."""

    plural: str
    version: tuple[str, str]
    labels: dict[str, Any]
    observe: store.Take
    forget: store.Take


class Login:
    """Gives kopf our credentials: at the start, and again whenever the API server has not accepted them (401).

    A token that has expired is replaced by the one that the kubelet has written meanwhile. An API server that cannot
    ask etcd answers 401 to a good token, too: so the same credentials are offered again, but not in a tight loop.
    """

    def __init__(self, api: client.Api, pause: float = LOGIN_PAUSE_SECONDS) -> None:
        self._api = api
        self._pause = pause
        self._logins = 0

    async def offer(self, **_: Any) -> kopf.AiohttpSession:
        """A session with the credentials as they are now."""
        if self._logins:
            await asyncio.sleep(self._pause)
        self._logins += 1
        known = await self._api.credentials()
        info = kopf.ConnectionInfo(
            server=known.server,
            ca_path=known.ca_path,
            insecure=known.insecure,
            certificate_path=known.certificate_path,
            private_key_path=known.private_key_path,
            token=known.token,
        )
        connector = aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context())
        session = aiohttp.ClientSession(connector=connector, headers=info.as_http_headers(), middlewares=(insist,))
        # kopf gives up when it is offered what was refused before; the priority is how it tells one from the other.
        return kopf.AiohttpSession(server=known.server, aiohttp_session=session, priority=self._logins)


async def insist(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Asks again until there is something: an API server that starts answers 404 for kinds that it does not serve yet,
    and kopf would take that for the end.
    """
    while (response := await _counted(request, handler)).status == HTTPStatus.NOT_FOUND:
        log.warning("not served", extra={"path": request.url.path})
        response.release()
        await asyncio.sleep(NOT_SERVED_SECONDS)
    return response


async def _counted(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    verb, resource = metrics.call(request.method, request.url.path, request.url.query)
    code = "none"
    try:
        response = await handler(request)
        code = str(response.status)
    finally:
        metrics.REQUESTS.labels(verb, resource, code).inc()
    return response


class Backoffs:
    """Pauses between the tries of a call, in seconds, without an end: kopf would end the operator after the last."""

    def __iter__(self) -> Iterator[float]:
        yield from (0.5, 1, 2, 4)
        while True:
            yield LAST_BACKOFF_SECONDS


def registry(api: client.Api, known: store.Store, queue: workqueue.WorkQueue[store.Key]) -> kopf.OperatorRegistry:
    """The handlers, joined to the store and the queue."""
    made = kopf.OperatorRegistry()
    kopf.on.login(registry=made)(Login(api).offer)
    every_pod = {names.JOB_UID_LABEL: kopf.PRESENT}
    kinds = (
        Kind("tuningjobs", (job.GROUP, job.VERSION), {}, known.observe_job, known.forget_job),
        Kind("tuningtrials", (job.GROUP, job.VERSION), {}, known.observe_trial, known.forget_trial),
        Kind("pods", ("", "v1"), every_pod, known.observe_pod, known.forget_pod),
    )
    for kind in kinds:
        _watch(kind, made, queue)
    return made


def settings() -> kopf.OperatorSettings:
    """kopf's settings: nothing is posted or written by kopf itself, and every connection has its limits."""
    made = kopf.OperatorSettings()
    made.posting.enabled = False
    # Otherwise kopf follows all CRDs and namespaces of the cluster; ours are there before it starts, and stay.
    made.scanning.disabled = True
    made.watching.label_selectors["v1", "pods"] = names.JOB_UID_LABEL
    made.watching.server_timeout = 300
    made.watching.chunk_size = 500
    made.networking.request_timeout = 60
    made.networking.error_backoffs = Backoffs()
    made.queueing.idle_timeout = 1.0
    # Nothing is lost with an event that was not looked at before the end.
    made.queueing.exit_timeout = 0.5
    made.process.ultimate_exiting_timeout = None
    return made


def _watch(kind: Kind, made: kopf.OperatorRegistry, queue: workqueue.WorkQueue[store.Key]) -> None:
    async def index(body: kopf.Body, **_: Any) -> None:
        store.take(kind.observe, body)

    async def event(type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002 - kopf's word
        key = store.take(kind.forget if type == "DELETED" else kind.observe, body)
        if key is not None:
            queue.add(key)

    labels = kind.labels or None
    kopf.index(*kind.version, kind.plural, id=f"index-{kind.plural}", labels=labels, registry=made)(index)
    kopf.on.event(*kind.version, kind.plural, id=f"event-{kind.plural}", labels=labels, registry=made)(event)
