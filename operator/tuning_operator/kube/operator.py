"""Puts the operator together and runs it until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import logging
import os
import pathlib
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import kopf

from tuning_operator.api import job
from tuning_operator.kube import (
    capacity,
    client,
    election,
    executor,
    following,
    gate,
    health,
    ledger,
    metrics,
    reconciler,
    render,
    sidecars,
    store,
    sweeping,
    watching,
    workqueue,
)
from tuning_operator.scheduling import sharing
from tuning_operator.search import worker

T = TypeVar("T")

log = logging.getLogger(__name__)

WORKERS = 8
NATIVE_SIDECARS_SINCE = (1, 29)
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.5, 5.0
KINDS = frozenset({"tuningjobs", "tuningjobs/status", "tuningtrials", "tuningtrials/status"})
WARM = ("tuning_operator.tuner.admission", "tuning_operator.tuner.proposing", "tuning_operator.search.surrogate")


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    sidecar_image: str
    sidecar_mode: str = "auto"
    sidecar_access: str = "auto"
    namespaces: tuple[str, ...] = ()
    lease: election.Place | None = None
    """The Lease that the one operator at work holds; none: it works alone."""
    identity: str = ""
    """The holder's name in the Lease. A container that starts again in its Pod has the same, and need not wait."""
    counts: bool = True
    """Whether Pods are made only when there is room for them."""
    shares: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Weights of namespaces, where they are not 1."""
    port: int = 8080
    web_port: int = 0
    """The port of the page, on the loopback address alone; 0 for none."""
    web_hosts: tuple[str, ...] = ()
    """Names that the page goes by, beside localhost."""
    ready_file: pathlib.Path | None = None


class Broken(Exception):
    """The operator cannot go on; a fresh process may."""


async def run(options: Options) -> None:
    """Runs the operator until SIGTERM or SIGINT. Raises client.Unconfigured, or Broken."""
    stop = asyncio.Event()
    _heed(stop)
    api = await client.Api.connect()
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(api.close)
        if await _until(stop, _served(api)):
            await serve(api, options, stop)


async def serve(api: client.Api, options: Options, stop: asyncio.Event) -> None:
    """Watches and reconciles until `stop` is set. Raises Broken when something ends that should not."""
    queue: workqueue.WorkQueue[store.Key] = workqueue.WorkQueue()
    known = store.Store()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(queue.close)
        office = _office(api, options)
        stack.push_async_callback(office.release)
        sweeper = sweeping.Sweeper(api, known, queue, options.namespaces)
        endpoints = health.Health(queue, sweeper.complete.is_set, office.won.is_set)
        inventory = metrics.Inventory(known, office.won.is_set, queue.__len__)
        metrics.REGISTRY.register(inventory)
        stack.callback(metrics.REGISTRY.unregister, inventory)
        await _listen(endpoints, options.port, stack)
        if options.web_port:
            await _show(api, known, options, stack)
        crew = Crew(api.behind(office.gate), known, queue, options, render.SidecarMode(await _mode(options, api)))
        tasks = await _watch(watching.registry(api, known, queue), options, stop)
        tasks.append(asyncio.create_task(office.run(), name="election"))
        tasks.append(asyncio.create_task(_serve_terms(office, crew), name="crew"))
        tasks.append(asyncio.create_task(sweeper.run(), name="sweeper"))
        tasks.append(asyncio.create_task(metrics.watch_lag(), name="lag"))
        stack.push_async_callback(_cancel, *tasks)
        log.info("operator started", extra={"sidecar_mode": crew.mode, "in_cluster": api.in_cluster})
        async with _announcing(sweeper.complete, options.ready_file):
            await _until(stop, asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED))
        log.info("operator stops")
    _check(tasks)
    if not stop.is_set():
        raise Broken("the watch has ended")


@dataclasses.dataclass(frozen=True, slots=True)
class Crew:
    """All that works on jobs. It is made anew for each term, so that a term begins like a process does."""

    api: client.Api
    known: store.Store
    queue: workqueue.WorkQueue[store.Key]
    options: Options
    mode: render.SidecarMode

    async def work(self) -> None:
        """Works until cancelled. Raises what a worker raises, which no job can cause."""
        async with contextlib.AsyncExitStack() as stack:
            search = worker.Worker()
            stack.callback(search.close)
            warming = asyncio.create_task(search.warm(*WARM))
            stack.push_async_callback(_cancel, warming)
            reach = sidecars.Sidecars(self.api, _access(self.options, self.api))
            stack.push_async_callback(reach.close)
            streams = following.Logs(self.api)
            stack.push_async_callback(streams.close)
            hands = executor.Executor(
                self.api, self.known, render.Sidecar(self.options.sidecar_image, self.mode), reach, _now
            )
            stack.push_async_callback(hands.close)
            books, tasks = self._count(stack)
            look = reconciler.Reconciler(self.known, self.queue, hands, search, reach, streams, _now, books)
            stack.push_async_callback(look.close)
            for key in self.known.jobs:
                self.queue.add(key)
            async with asyncio.TaskGroup() as workers:
                for task in tasks:
                    workers.create_task(task)
                for _ in range(WORKERS):
                    workers.create_task(self.queue.run(look.look, _failed))

    def _count(
        self, stack: contextlib.AsyncExitStack
    ) -> tuple[ledger.Ledger | None, tuple[Coroutine[Any, Any, None], ...]]:
        """What counts the room that there is, and the tasks that this takes."""
        if not self.options.counts:
            return None, ()
        view = capacity.Capacity(self.api, self.options.namespaces)
        books = ledger.Ledger(view, sharing.Policy(self.options.shares), _now, self.queue.add)
        view.changed = books.wake
        stack.callback(books.close)
        return books, (view.run(), books.run())


def _office(api: client.Api, options: Options) -> election.Elector | election.Alone:
    if options.lease is None:
        return election.Alone()
    identity = options.identity or f"{socket.gethostname()}-{os.getpid()}"
    return election.Elector(api, options.lease, identity, _now)


async def _serve_terms(office: election.Elector | election.Alone, crew: Crew) -> None:
    """Lets the crew work whenever, and only while, this operator leads."""
    while True:
        metrics.LEADER.set(0)
        await office.won.wait()
        metrics.LEADER.set(1)
        work = asyncio.create_task(crew.work())
        over = asyncio.create_task(office.lost.wait())
        try:
            await asyncio.wait([work, over], return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            await _cancel(work, over)


async def _watch(registry: kopf.OperatorRegistry, options: Options, stop: asyncio.Event) -> list[asyncio.Task[Any]]:
    """Starts kopf. Its own way to run would, at the end, wait for all tasks of the event loop, also for ours."""
    tasks = await kopf.spawn_tasks(
        registry=registry,
        settings=watching.settings(),
        standalone=True,
        clusterwide=not options.namespaces,
        namespaces=options.namespaces,
    )
    _heed(stop)  # kopf has taken the signals for itself
    return list(tasks)


def _heed(stop: asyncio.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Does the work; None if `stop` is set before it is done."""
    working, stopped = asyncio.ensure_future(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([working, stopped], return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        await _cancel(working, stopped)


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _check(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Raises Broken for a task that ended by an error."""
    for task in tasks:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise Broken(f"{task.get_name()} has failed: {error}") from error


async def _listen(endpoints: health.Health, port: int, stack: contextlib.AsyncExitStack) -> None:
    try:
        stack.push_async_callback((await endpoints.serve(port)).cleanup)
    except OSError as error:
        raise Broken(f"cannot listen on port {port}: {error}; choose another one with --port") from error


async def _show(api: client.Api, known: store.Store, options: Options, stack: contextlib.AsyncExitStack) -> None:
    """Serves the page, also while another operator leads. What it needs is imported here: most do without."""
    from tuning_operator.kube import serving
    from tuning_operator.web import server

    reach = sidecars.Sidecars(api, _access(options, api))
    stack.push_async_callback(reach.close)
    pages = server.Server(serving.Cluster(api, known, reach, _now), _now, hosts=options.web_hosts)
    try:
        runner, _ = await pages.serve(options.web_port)
    except OSError as error:
        raise Broken(f"cannot listen on port {options.web_port}: {error}; choose another one with --web") from error
    stack.push_async_callback(runner.cleanup)


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
    metrics.RECONCILE_ERRORS.labels(getattr(error, "reason", None) or type(error).__name__).inc()
    if isinstance(error, gate.NotLeading):
        log.info("left to the next term", extra={"job": key, "why": str(error)})
    elif isinstance(error, (client.ApiError, OSError, TimeoutError)):
        log.warning("will try again", extra={"job": key, "why": str(error)})
    else:
        log.error("will try again", extra={"job": key}, exc_info=error)


async def _served(api: client.Api) -> bool:
    """Returns when the API server serves our kinds: an operator that starts before it, or before the CRDs, waits."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            served = await api.get(f"/apis/{job.API_VERSION}")
            missing = KINDS - {resource["name"] for resource in served.get("resources", [])}
            if not missing:
                return True
            log.warning("waiting for the CRDs", extra={"missing": ", ".join(sorted(missing))})
        except client.NotFound:
            log.warning("waiting for the CRDs", extra={"missing": ", ".join(sorted(KINDS))})
        except (client.ApiError, OSError, TimeoutError) as error:
            log.warning("waiting for the API server", extra={"why": str(error)})
        await asyncio.sleep(pause)
        pause = min(2 * pause, LAST_PAUSE_SECONDS)


async def _mode(options: Options, api: client.Api) -> render.SidecarMode:
    if options.sidecar_mode != "auto":
        return render.SidecarMode(options.sidecar_mode)
    try:
        version = await api.get("/version")
    except (client.ApiError, OSError, TimeoutError) as error:
        raise Broken(f"the API server does not tell its version: {error}") from error
    major, minor = (int("".join(filter(str.isdigit, version[part])) or 0) for part in ("major", "minor"))
    native = (major, minor) >= NATIVE_SIDECARS_SINCE
    return render.SidecarMode.NATIVE if native else render.SidecarMode.CLASSIC


def _access(options: Options, api: client.Api) -> sidecars.Access:
    if options.sidecar_access != "auto":
        return sidecars.Access(options.sidecar_access)
    return sidecars.Access.DIRECT if api.in_cluster else sidecars.Access.PROXY
