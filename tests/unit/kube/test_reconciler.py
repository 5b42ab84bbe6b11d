"""A look at a job: it never waits for the search, what is stale is looked at again, and refusals are told apart."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.kube import test_following
from tests.unit.kube import test_store as bodies
from tuning_operator.api import job
from tuning_operator.kube import client, executor, obstacles, reconciler, sidecars, store, workqueue
from tuning_operator.tuner import actions, state

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class Search:
    """A search's process that answers when it is let go, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        self.calls += 1
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return function(*args)

    async def run_within(self, _seconds: float | None, function: Callable[..., Any], *args: Any) -> Any:
        return await self.run(function, *args)


class Hands:
    """Writes into the store alone. `stale` is how many writes of the job's status meet a newer version first."""

    def __init__(self, known: store.Store) -> None:
        self._store = known
        self._version = 100
        self.stale = 0
        self.refusal: Exception | None = None
        self.told: list[str] = []
        self.recorded: list[job.JobStatus] = []
        self.trials = 0

    async def rehearse(self, record: store.JobRecord, owner: state.Job, profile: str = "") -> None:
        if self.refusal is not None:
            raise self.refusal

    async def create_trial(self, record: store.JobRecord, owner: state.Job, action: actions.CreateTrial) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.trials += 1
        self._store.observe_trial(bodies.trial(action.proposal.number))

    async def start(self, record: store.JobRecord, owner: state.Job, action: actions.StartAttempt) -> None:
        self._store.observe_pod(bodies.pod(number=action.trial.number))

    async def announce(self, record: store.JobRecord, action: actions.Announce) -> None:
        self.told.append(action.reason)

    async def record_job(self, record: store.JobRecord, status: job.JobStatus) -> None:
        self._version += 1
        if self.stale:
            self.stale -= 1
            raise executor.Stale("it has changed")
        self.recorded.append(status)
        self._store.observe_job({**bodies.job(self._version), "status": status.to_wire()})


class Reach:
    """Sidecars that are never asked: no job here has early stopping."""

    async def observations(
        self, namespace: str, pod: store.PodRecord, after: int, metrics: tuple[str, ...]
    ) -> sidecars.Page:
        raise AssertionError(f"{pod.name} was asked for its observations")


class Bench:
    """A reconciler, and the queue without workers: the test does the looks."""

    def __init__(self, search: Search | None = None) -> None:
        self.known = store.Store()
        self.known.observe_job(bodies.job())
        self.queue: workqueue.WorkQueue[store.Key] = workqueue.WorkQueue()
        self.hands = Hands(self.known)
        self.search = search or Search()
        self.reach = Reach()
        self.now = NOW
        self._reconciler = reconciler.Reconciler(
            self.known,
            self.queue,
            self.hands,  # type: ignore[arg-type]
            self.search,  # type: ignore[arg-type]
            self.reach,
            test_following.Logs(),
            lambda: self.now,
        )

    async def look(self, times: int = 1) -> None:
        for _ in range(times):
            await self._reconciler.look(bodies.KEY)
            for _ in range(5):
                await asyncio.sleep(0)

    async def close(self) -> None:
        await self._reconciler.close()
        self.queue.close()

    @property
    def status(self) -> job.JobStatus:
        return self.known.jobs[bodies.KEY].status


async def test_a_look_does_not_wait_for_the_searchs_process() -> None:
    bench = Bench()
    bench.search.gate.clear()
    async with asyncio.timeout(5):
        await bench.look(3)
    assert (bench.search.calls, bench.hands.recorded) == (1, [])
    bench.search.gate.set()
    await bench.look(3)
    assert bench.hands.trials == 1
    await bench.close()


async def test_a_plan_made_from_what_is_no_longer_so_is_made_again_at_once() -> None:
    bench = Bench()
    await bench.look()
    bench.hands.stale = 2
    await bench.look()
    assert bench.hands.recorded[0].phase == "Pending"
    await bench.close()


async def test_a_search_that_fails_is_left_alone_for_longer_each_time() -> None:
    bench = Bench(Search(OSError("killed")))
    tried: list[float] = []
    for second in range(40):
        bench.now, before = NOW + datetime.timedelta(seconds=second), bench.search.calls
        await bench.look()
        if bench.search.calls > before:
            tried.append(second)
    assert tried == [0, 1, 3, 7, 15, 31]
    await bench.close()


FAULT = client.Refused(422, "Invalid", "spec.containers[0].image: Required value")
QUOTA = client.Refused(403, "Forbidden", "exceeded quota: none")
WEBHOOK = client.Failing(500, "InternalError", "failed calling webhook")
TAKEN = executor.Taken("Pod a exists and belongs to somebody else")


async def test_a_template_that_makes_no_pod_fails_the_job_before_anything_is_made() -> None:
    bench = Bench()
    bench.hands.refusal = FAULT
    await bench.look(3)
    assert (bench.status.phase, bench.hands.trials) == ("Failed", 0)
    assert "image: Required value" in bench.status.message
    await bench.close()


@pytest.mark.parametrize(
    ("refusal", "word"),
    [(QUOTA, "QuotaExceeded"), (WEBHOOK, "ServerFailing"), (TAKEN, "NameTaken")],
    ids=["a quota", "a webhook that is down", "a name that is taken"],
)
async def test_what_others_can_lift_is_told_and_tried_again(refusal: Exception, word: str) -> None:
    bench = Bench()
    if not isinstance(refusal, executor.Taken):
        bench.hands.refusal = refusal
    await bench.look(2)
    bench.hands.refusal = refusal
    await bench.look(3)
    assert (bench.status.phase, bench.hands.trials) == ("Pending", 0)
    assert word in bench.status.message
    bench.hands.refusal = None
    await bench.look()
    assert bench.hands.trials == 0
    bench.now += obstacles.PATIENCE
    await bench.look(3)
    assert (bench.hands.trials, bench.status.message) == (1, "")
    await bench.close()


async def test_nothing_is_started_for_a_trial_that_is_being_deleted() -> None:
    bench = Bench()
    await bench.look(1)
    bench.known.observe_trial(bodies.trial(deletionTimestamp=bodies.GONE))
    await bench.look(3)
    assert bench.known.pod("team", "trial-0") is None
    await bench.close()


async def test_a_job_that_is_gone_leaves_nothing_behind() -> None:
    bench = Bench()
    bench.search.gate.clear()
    await bench.look()
    thinking = bench._reconciler._memories[bodies.KEY].thinking
    assert thinking is not None
    bench.known.forget_job(bodies.job())
    await bench.look()
    assert thinking.cancelled()
    assert bench._reconciler._memories == {}
    assert bench.queue._alarms == {}
    await bench.close()
