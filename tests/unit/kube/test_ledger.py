"""The books of who may start what: nothing is given away twice, between any two rounds and whatever is under way."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator
from typing import Any

from tests.unit.kube.shelves import Server, eventually
from tests.unit.scheduling.builders import NOW, container, node
from tuning_operator.kube import capacity, ledger, store
from tuning_operator.scheduling import sharing

A, B = store.Key("team", "a"), store.Key("team", "b")


class Desk:
    """A ledger with the view of a server, in which time stands still until it is moved."""

    def __init__(self, server: Server, *namespaces: str) -> None:
        self.now = NOW
        self.told: list[store.Key] = []
        self.server = server
        self.view = capacity.Capacity(server, namespaces)  # type: ignore[arg-type]
        self.books = ledger.Ledger(self.view, sharing.EQUAL, lambda: self.now, self.told.append)
        self.view.changed = self.books.wake

    def asks(self, key: store.Key, wants: int, *live: ledger.Live, molds: tuple[ledger.Mold, ...] = ()) -> None:
        self.books.report(key, ledger.Party(molds or (mold(),), wants, 99, live))

    def profiles(self, key: store.Key) -> tuple[str, ...]:
        return self.books.offer(key).profiles

    async def offers(self, key: store.Key, *profiles: str) -> None:
        await eventually(lambda: self.profiles(key) == profiles, f"{key} is offered {profiles}")

    async def message(self, key: store.Key) -> str:
        await eventually(lambda: self.books.offer(key).shortage is not None, "a shortage")
        shortage = self.books.offer(key).shortage
        assert shortage is not None
        return shortage.message

    async def start(self, key: store.Key, uid: str, profile: str = "") -> None:
        claim = self.books.claim(key, profile)
        assert claim is not None
        claim.uid = uid


def mold(profile: str = "", after: int = 0, **given: Any) -> ledger.Mold:
    pod = {"metadata": {}, "spec": {"containers": [container(**(given or {"gpu": 1}))]}}
    return ledger.Mold(profile, pod, datetime.timedelta(seconds=after))


@contextlib.asynccontextmanager
async def desk(*bodies: dict[str, Any], quotas: dict[str, int] | None = None, **options: Any) -> AsyncIterator[Desk]:
    server = Server(*options.get("forbidden", ()))
    for body in bodies:
        server.put("Node", body)
    for name, pods in (quotas or {}).items():
        server.put("ResourceQuota", quota(name, pods))
    made = Desk(server)
    tasks = [asyncio.create_task(part) for part in (made.view.run(), made.books.run())]
    try:
        yield made
        assert not any(task.done() for task in tasks), tasks
    finally:
        made.books.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def quota(name: str, pods: int, used: int = 0) -> dict[str, Any]:
    status = {"hard": {"pods": str(pods)}, "used": {"pods": str(used)}}
    return {"metadata": {"name": name, "namespace": "team"}, "status": status}


def pod(uid: str, on: str = "a") -> dict[str, Any]:
    return {
        "metadata": {"name": uid, "namespace": "team", "uid": uid},
        "spec": {"nodeName": on, "containers": [container(gpu=1)]},
    }


async def test_before_all_is_known_nothing_is_said() -> None:
    made = Desk(Server())
    made.asks(A, 3)
    assert not made.books.offer(A).known


async def test_room_is_offered_and_the_job_told() -> None:
    async with desk(node("a", gpu=4)) as made:
        made.asks(A, 3)
        await made.offers(A, "", "", "")
        assert made.told == [A]
        assert made.books.offer(A).shortage is None


async def test_a_job_that_came_late_gets_its_share_of_what_is_not_used_yet() -> None:
    async with desk(node("a", gpu=4)) as made:
        made.asks(A, 4)
        await made.offers(A, "", "", "", "")
        made.asks(B, 4)
        await made.offers(A, "", "")
        await made.offers(B, "", "")


async def test_room_that_was_taken_back_cannot_be_used() -> None:
    async with desk(node("a", gpu=1)) as made:
        made.asks(A, 1)
        await made.offers(A, "")
        made.server.put("Pod", pod("theirs"))
        await made.offers(A)
        assert made.books.claim(A, "") is None
        assert await made.message(A) == "needs 1 nvidia.com/gpu; 0 of 1 free on 1 node"


async def test_what_is_being_made_counts_until_it_is_seen_and_once_only_then() -> None:
    async with desk(node("a", gpu=2)) as made:
        made.asks(A, 2)
        await made.offers(A, "", "")
        claim = made.books.claim(A, "")
        assert claim is not None
        made.asks(B, 2)  # a round while the Pod is being made, and A has not been looked at since
        await made.offers(B, "")
        await made.offers(A)
        claim.uid = "p"
        made.books.wake()
        await asyncio.sleep(0.06)
        assert (made.profiles(A), made.profiles(B)) == ((), ("",))
        made.asks(A, 1, ledger.Live("p", "", ""))
        made.server.put("Pod", pod("p"))
        made.asks(A, 1, ledger.Live("p", "", "a"))
        await asyncio.sleep(0.06)
        assert (made.profiles(A), made.profiles(B)) == ((), ("",))


async def test_room_that_was_not_used_after_all_is_free_again() -> None:
    async with desk(node("a", gpu=1)) as made:
        made.asks(A, 1)
        await made.offers(A, "")
        claim = made.books.claim(A, "")
        assert claim is not None
        made.asks(B, 1)
        await made.message(B)
        made.books.release(claim)
        await made.offers(A, "")  # without being asked again
        made.asks(A, 0)
        await made.offers(B, "")


async def test_pods_that_are_not_bound_yet_count_for_an_operator_that_has_just_started() -> None:
    async with desk(node("a", gpu=2)) as made:
        made.asks(A, 2, ledger.Live("waits", "", ""))
        await made.offers(A, "")


async def test_room_is_free_when_a_pod_has_ended() -> None:
    async with desk(node("a", gpu=1)) as made:
        made.asks(A, 1)
        await made.offers(A, "")
        await made.start(A, "p")
        made.asks(A, 1, ledger.Live("p", "", "a"))
        made.server.put("Pod", pod("p"))
        await made.message(A)
        made.asks(A, 1)
        made.server.remove("Pod", "p", "team")
        await made.offers(A, "")


async def test_two_jobs_never_spend_more_than_the_quota_however_late_it_is_heard_of() -> None:
    async with desk(node("a", gpu=8), quotas={"q": 2}) as made:
        made.asks(A, 2)
        made.asks(B, 2)
        await made.offers(A, "")
        await made.offers(B, "")
        await made.start(A, "pa")
        made.asks(A, 1, ledger.Live("pa", "", "a"))
        await asyncio.sleep(0.06)
        assert (made.profiles(A), made.profiles(B)) == ((), ("",))
        made.server.put("ResourceQuota", quota("q", 2, used=1))
        await made.start(B, "pb")
        made.asks(B, 1, ledger.Live("pb", "", "a"))
        await asyncio.sleep(0.06)
        assert (made.profiles(A), made.profiles(B)) == ((), ())
        made.server.put("ResourceQuota", quota("q", 2, used=2))
        assert "needs of the quota q: 1 pods" in await made.message(A)


async def test_the_next_profile_is_tried_when_the_wait_is_over() -> None:
    async with desk(node("a")) as made:
        molds = (mold("gpu"), mold("cpu", after=60, cpu=1))
        made.asks(A, 1, molds=molds)
        assert "cpu: only after 0:01:00 of waiting" in await made.message(A)
        made.now += datetime.timedelta(seconds=60)
        made.books.wake()
        await made.offers(A, "cpu")


async def test_without_the_right_to_see_nodes_quotas_alone_are_counted_and_that_is_said() -> None:
    async with desk(node("a"), quotas={"q": 3}, forbidden=("nodes",)) as made:
        made.asks(A, 4)
        made.asks(B, 4)
        await made.offers(A, "", "")
        await made.offers(B, "")
        assert (await made.message(B)).endswith(ledger.HIDDEN)


async def test_a_job_that_is_over_leaves_no_trace() -> None:
    async with desk(node("a", gpu=1)) as made:
        made.asks(A, 1)
        await made.offers(A, "")
        made.asks(B, 1)
        await made.message(B)
        made.books.forget(A)
        await made.offers(B, "")
        assert not made.books.offer(A).known


async def test_a_shortage_whose_numbers_change_is_not_told_each_time() -> None:
    async with desk(node("a", gpu=4), node("b", gpu=4)) as made:
        made.asks(A, 1, molds=(mold(gpu=4),))
        await made.offers(A, "")
        for index, name in enumerate("ab"):
            made.server.put("Pod", pod(f"p{index}", name))
        first = await made.message(A)
        told = len(made.told)
        for index in range(2, 5):
            made.server.put("Pod", pod(f"p{index}"))
            await asyncio.sleep(0.03)
        assert (await made.message(A), len(made.told)) == (first, told)
