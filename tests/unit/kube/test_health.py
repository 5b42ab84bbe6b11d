"""Alive is who makes progress; ready is who knows all; and whoever waits for its term is both."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator

import pytest

from tuning_operator.kube import health, workqueue

PROBE_SECONDS = 1.0


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def probe(port: int, path: str = "/healthz") -> int:
    """What a kubelet finds: the code, or 0 when there is no answer in time."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PROBE_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@contextlib.asynccontextmanager
async def served(endpoints: health.Health) -> AsyncIterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    runner = await endpoints.serve(port)
    try:
        yield port
    finally:
        await runner.cleanup()


@pytest.fixture
def queue() -> workqueue.WorkQueue[str]:
    return workqueue.WorkQueue()


async def test_a_blocked_event_loop_is_not_alive(queue: workqueue.WorkQueue[str]) -> None:
    async with served(health.Health(queue, lambda: True, lambda: True)) as port:
        assert await asyncio.to_thread(probe, port) == 200
        probing = asyncio.create_task(asyncio.to_thread(probe, port))
        await asyncio.sleep(0)
        time.sleep(PROBE_SECONDS + 0.5)  # noqa: ASYNC251 - what must not happen is what is tested
        assert await probing == 0


async def test_a_queue_without_progress_is_not_alive(queue: workqueue.WorkQueue[str]) -> None:
    clock = Clock()
    endpoints = health.Health(queue, lambda: True, lambda: True, clock)
    queue.add("a")
    assert not endpoints.stuck()
    clock.seconds = health.STUCK_SECONDS + 1
    assert "1 jobs wait" in endpoints.stuck()
    async with served(endpoints) as port:
        assert await asyncio.to_thread(probe, port) == 500
        queue.progress += 1
        assert await asyncio.to_thread(probe, port) == 200


async def test_a_look_that_never_ends_is_not_alive(
    queue: workqueue.WorkQueue[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(_: str) -> None:
        await asyncio.Event().wait()

    worker = asyncio.create_task(queue.run(hang, lambda *_: None))
    queue.add("a")
    await asyncio.sleep(0)
    endpoints = health.Health(queue, lambda: True, lambda: True)
    assert not endpoints.stuck()
    monkeypatch.setattr(health, "ENDLESS_SECONDS", -1.0)
    assert "looking at a has not ended" in endpoints.stuck()
    worker.cancel()


def test_who_waits_for_its_term_is_not_stuck(queue: workqueue.WorkQueue[str]) -> None:
    clock = Clock()
    leading = False
    endpoints = health.Health(queue, lambda: True, lambda: leading, clock)
    queue.add("a")
    clock.seconds = 10 * health.STUCK_SECONDS
    assert not endpoints.stuck()
    leading = True
    clock.seconds += 1
    assert not endpoints.stuck(), "the time before its term does not count"


@pytest.mark.parametrize(("ready", "code"), [(False, 503), (True, 200)])
async def test_ready_is_who_knows_all(queue: workqueue.WorkQueue[str], ready: bool, code: int) -> None:
    async with served(health.Health(queue, lambda: ready, lambda: False)) as port:
        assert await asyncio.to_thread(probe, port, "/readyz") == code
