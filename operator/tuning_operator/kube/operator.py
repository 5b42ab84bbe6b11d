"""Puts the operator together and runs it until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import logging
import pathlib
import signal
from collections.abc import AsyncIterator

import kopf

from tuning_operator.api import job
from tuning_operator.kube import (
    client,
    executor,
    health,
    reconciler,
    render,
    sidecars,
    store,
    sweeping,
    watching,
    workqueue,
)
from tuning_operator.search import worker

log = logging.getLogger(__name__)

WORKERS = 8
NATIVE_SIDECARS_SINCE = (1, 29)
CRD_RETRY_SECONDS = 5.0
WARM = ("tuning_operator.tuner.admission", "tuning_operator.tuner.proposing", "tuning_operator.search.surrogate")


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    sidecar_image: str
    sidecar_mode: str = "auto"
    sidecar_access: str = "auto"
    namespaces: tuple[str, ...] = ()
    port: int = 8080
    ready_file: pathlib.Path | None = None


async def run(options: Options) -> None:
    """Runs the operator until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    api = await client.Api.connect()
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(api.close)
        if not await _served(api, stop):
            return
        await serve(api, options, stop)


async def serve(api: client.Api, options: Options, stop: asyncio.Event) -> None:
    """Watches and reconciles until `stop` is set."""
    queue: workqueue.WorkQueue[store.Key] = workqueue.WorkQueue()
    known = store.Store()
    async with contextlib.AsyncExitStack() as stack:
        search = worker.Worker()
        stack.callback(search.close)
        warming = asyncio.create_task(search.warm(*WARM))
        reach = sidecars.Sidecars(api, _access(options, api))
        stack.push_async_callback(reach.close)
        sidecar = render.Sidecar(options.sidecar_image, await _mode(options, api))
        hands = executor.Executor(api, known, sidecar, reach, _now)
        stack.push_async_callback(hands.close)
        look = reconciler.Reconciler(known, queue, hands, search, _now)
        stack.push_async_callback(look.close)
        stack.callback(queue.close)
        sweeper = sweeping.Sweeper(api, known, queue, options.namespaces)
        runner = await health.Health(queue, sweeper.complete.is_set).serve(options.port)
        stack.push_async_callback(runner.cleanup)
        workers = [asyncio.create_task(queue.run(look.look, _failed)) for _ in range(WORKERS)]
        workers.append(asyncio.create_task(sweeper.run()))
        watch = asyncio.create_task(
            kopf.operator(
                registry=watching.registry(api, known, queue, stop),
                settings=watching.settings(),
                standalone=True,
                clusterwide=not options.namespaces,
                namespaces=options.namespaces,
                stop_flag=stop,
            )
        )
        log.info("operator started", extra={"sidecar_mode": sidecar.mode, "in_cluster": api.in_cluster})
        async with _announcing(sweeper.complete, options.ready_file):
            await asyncio.wait([watch, *workers], return_when=asyncio.FIRST_COMPLETED)
        for task in (*workers, warming):
            task.cancel()
        await asyncio.gather(*workers, warming, return_exceptions=True)
        stop.set()
        await watch


@contextlib.asynccontextmanager
async def _announcing(ready: asyncio.Event, path: pathlib.Path | None) -> AsyncIterator[None]:
    async def touch() -> None:
        await ready.wait()
        log.info("operator ready")
        if path is not None:
            path.touch()

    task = asyncio.create_task(touch())
    try:
        yield
    finally:
        task.cancel()


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _failed(key: store.Key, error: Exception) -> None:
    if isinstance(error, client.Conflict):
        log.debug("changed in the meantime", extra={"job": key})
    elif isinstance(error, (client.ApiError, executor.Foreign, OSError, TimeoutError)):
        log.warning("will try again", extra={"job": key, "why": str(error)})
    else:
        log.error("will try again", extra={"job": key}, exc_info=error)


async def _served(api: client.Api, stop: asyncio.Event) -> bool:
    """Waits until the API server serves our kinds: an operator that starts before its CRDs says so and waits."""
    while not stop.is_set():
        try:
            await api.get(f"/apis/{job.API_VERSION}")
        except (client.ApiError, OSError, TimeoutError) as error:
            log.warning("waiting for the CRDs of %s", job.GROUP, extra={"why": str(error)})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), CRD_RETRY_SECONDS)
        else:
            return True
    return False


async def _mode(options: Options, api: client.Api) -> render.SidecarMode:
    if options.sidecar_mode != "auto":
        return render.SidecarMode(options.sidecar_mode)
    version = await api.get("/version")
    major, minor = (int("".join(filter(str.isdigit, version[part])) or 0) for part in ("major", "minor"))
    native = (major, minor) >= NATIVE_SIDECARS_SINCE
    return render.SidecarMode.NATIVE if native else render.SidecarMode.CLASSIC


def _access(options: Options, api: client.Api) -> sidecars.Access:
    if options.sidecar_access != "auto":
        return sidecars.Access(options.sidecar_access)
    return sidecars.Access.DIRECT if api.in_cluster else sidecars.Access.PROXY
