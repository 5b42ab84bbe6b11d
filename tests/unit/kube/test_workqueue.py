"""The queue's promises: nothing is looked at twice at once, nothing is forgotten, a failing key backs off."""

from __future__ import annotations

import asyncio
import datetime

import pytest

from tuning_operator.kube import workqueue

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class Looks:
    """Records the looks at keys; each look takes until it is let go."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.active: dict[str, int] = {}
        self.most = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.errors: list[str] = []
        self.fail: set[str] = set()

    async def look(self, key: str) -> None:
        self.started.append(key)
        self.active[key] = self.active.get(key, 0) + 1
        self.most = max(self.most, self.active[key])
        await self.gate.wait()
        self.active[key] -= 1
        if key in self.fail:
            raise ValueError(key)

    def failed(self, key: str, error: Exception) -> None:
        self.errors.append(f"{key}: {error}")


async def settle(condition: object = None) -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def start(looks: Looks, workers: int = 3) -> tuple[workqueue.WorkQueue[str], list[asyncio.Task[None]]]:
    queue: workqueue.WorkQueue[str] = workqueue.WorkQueue()
    return queue, [asyncio.create_task(queue.run(looks.look, looks.failed)) for _ in range(workers)]


async def stop(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_many_events_make_one_look() -> None:
    looks = Looks()
    queue, tasks = await start(looks)
    for _ in range(10):
        queue.add("a")
    await settle()
    assert looks.started == ["a"]
    await stop(tasks)


async def test_an_event_during_a_look_makes_another_one_after_it() -> None:
    looks = Looks()
    queue, tasks = await start(looks)
    looks.gate.clear()
    queue.add("a")
    await settle()
    queue.add("a")
    queue.add("a")
    await settle()
    assert looks.started == ["a"]
    looks.gate.set()
    await settle()
    assert (looks.started, looks.most) == (["a", "a"], 1)
    await stop(tasks)


async def test_different_keys_are_looked_at_side_by_side() -> None:
    looks = Looks()
    queue, tasks = await start(looks)
    looks.gate.clear()
    for key in "abc":
        queue.add(key)
    await settle()
    assert sorted(looks.started) == ["a", "b", "c"]
    await stop(tasks)


async def test_a_key_that_fails_is_tried_again_and_holds_up_no_other() -> None:
    looks = Looks()
    looks.fail = {"bad"}
    queue, tasks = await start(looks, workers=1)
    queue.add("bad")
    queue.add("good")
    await settle()
    assert looks.started == ["bad", "good"]
    assert looks.errors == ["bad: bad"]
    looks.fail.clear()
    async with asyncio.timeout(5):
        while looks.started.count("bad") < 2:
            await asyncio.sleep(0.01)
    await stop(tasks)


async def test_the_earlier_appointment_is_kept() -> None:
    looks = Looks()
    queue, tasks = await start(looks)
    queue.add_at("a", NOW + datetime.timedelta(hours=1), NOW)
    queue.add_at("a", NOW, NOW)
    queue.add_at("a", NOW + datetime.timedelta(hours=2), NOW)
    async with asyncio.timeout(5):
        while not looks.started:
            await asyncio.sleep(0.01)
    queue.close()
    await stop(tasks)


async def test_a_key_that_is_gone_is_not_looked_at_later() -> None:
    looks = Looks()
    queue, tasks = await start(looks)
    queue.add_at("a", NOW + datetime.timedelta(milliseconds=20), NOW)
    queue.forget("a")
    await asyncio.sleep(0.05)
    assert looks.started == []
    await stop(tasks)


async def test_a_key_that_fails_at_many_events_is_tried_again_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workqueue, "FIRST_RETRY_SECONDS", 0.02)
    looks = Looks()
    looks.fail = {"bad"}
    queue, tasks = await start(looks, workers=1)
    for _ in range(3):
        queue.add("bad")
        await settle()
    assert looks.started == ["bad"] * 3
    looks.fail.clear()
    async with asyncio.timeout(5):
        while len(looks.started) < 4:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)  # nothing may happen now, and nothing announces that
    assert looks.started == ["bad"] * 4
    await stop(tasks)
