"""Actions as API calls: what is ours is success, what has changed is read anew, what is told is told once."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

import pytest

from tests.unit.kube import test_store as bodies
from tests.unit.kube.test_render import item, owner
from tuning_operator.api import trial
from tuning_operator.kube import client, executor, names, render, store
from tuning_operator.tuner import actions, state

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
CONFLICT = client.Conflict(409, "Conflict", "changed")
GONE = client.NotFound(404, "NotFound", "gone")


class Server:
    """An API server that answers from a list, and remembers what it was asked."""

    def __init__(self, *answers: client.Object | Exception) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[Any, ...]] = []

    async def _answer(self, *call: Any) -> client.Object:
        self.calls.append(call)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def get(self, path: str) -> client.Object:
        return await self._answer("get", path)

    async def create(self, path: str, body: client.Object, *, dry_run: bool = False) -> client.Object:
        return await self._answer("create", path, body)

    async def merge(self, path: str, change: client.Object) -> client.Object:
        return await self._answer("merge", path, change)

    async def replace_status(self, path: str, version: str, status: client.Object) -> client.Object:
        return await self._answer("status", path, version)

    async def delete(self, path: str, uid: str) -> client.Object:
        return await self._answer("delete", path, uid)


class Sidecar:
    """A sidecar that fails so often, and then hears."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.told = 0

    async def finish(self, namespace: str, pod: store.PodRecord, token: str) -> None:
        self.told += 1
        if self.told <= self.failures:
            raise OSError("not yet")


def hands(
    known: store.Store, *answers: client.Object | Exception, sidecar: Sidecar | None = None
) -> tuple[executor.Executor, Server]:
    server = Server(*answers)
    made = render.Sidecar("sidecar", render.SidecarMode.CLASSIC)
    return executor.Executor(server, known, made, sidecar or Sidecar(), lambda: NOW), server  # type: ignore[arg-type]


def seen(known: store.Store) -> tuple[store.JobRecord, state.Trial]:
    (record,) = known.trials(bodies.KEY, bodies.UID)
    return known.jobs[bodies.KEY], state.Trial(record.name, record.uid, record.spec, record.status)


def recording(known: store.Store) -> actions.RecordTrial:
    return actions.RecordTrial(seen(known)[1], trial.TrialStatus(phase=trial.TrialPhase.RUNNING), "it runs")


async def test_a_trial_that_has_changed_is_read_anew() -> None:
    known = bodies.filled()
    does, server = hands(known, CONFLICT, bodies.trial(version=9, phase="Stopped"))
    with pytest.raises(executor.Stale):
        await does.record_trial(known.jobs[bodies.KEY], recording(known))
    assert [call[0] for call in server.calls] == ["status", "get"]
    assert [record.status.phase for record in known.trials(bodies.KEY, bodies.UID)] == ["Stopped"]


async def test_a_conflict_that_reading_does_not_explain_backs_off() -> None:
    known = bodies.filled()
    does, _ = hands(known, CONFLICT, bodies.trial(version=1))
    with pytest.raises(client.Conflict):
        await does.record_trial(known.jobs[bodies.KEY], recording(known))


@pytest.mark.parametrize("answers", [(CONFLICT, GONE), (GONE, GONE)], ids=["changed, then gone", "gone"])
async def test_a_trial_that_is_gone_is_forgotten(answers: tuple[Exception, ...]) -> None:
    known = bodies.filled()
    does, _ = hands(known, *answers)
    with pytest.raises(executor.Stale):
        await does.record_trial(known.jobs[bodies.KEY], recording(known))
    assert known.trials(bodies.KEY, bodies.UID) == []


async def test_a_trial_that_was_forgotten_meanwhile_is_not_written() -> None:
    known = bodies.filled()
    does, server = hands(known)
    record, planned = known.jobs[bodies.KEY], recording(known)
    known.forget_trial(bodies.trial())
    with pytest.raises(executor.Stale):
        await does.record_trial(record, planned)
    assert server.calls == []


async def test_a_job_that_is_gone_is_forgotten() -> None:
    known = bodies.filled()
    does, _ = hands(known, GONE, GONE)
    with pytest.raises(executor.Stale):
        await does.record_job(known.jobs[bodies.KEY], known.jobs[bodies.KEY].status)
    assert known.jobs == {}


@pytest.mark.parametrize("answer", [GONE, CONFLICT], ids=["gone", "another one has its name"])
async def test_a_pod_that_is_not_there_to_be_deleted_is_known_to_be_gone(answer: Exception) -> None:
    known = bodies.filled()
    does, server = hands(known, answer)
    record, of = seen(known)
    assert await does.stop(record, actions.StopAttempt(of, "enough"))
    assert bodies.newest(known).gone
    assert not await does.stop(record, actions.StopAttempt(of, "enough"))
    assert len(server.calls) == 1


def starting() -> actions.StartAttempt:
    return actions.StartAttempt(item(owner()), 1, "it is time")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [({}, "belongs to somebody else"), ({"deletionTimestamp": "2026-01-01T00:00:00Z"}, "is still being removed")],
    ids=["somebody else's", "an earlier trial's"],
)
async def test_a_name_that_is_taken_is_told(metadata: dict[str, Any], message: str) -> None:
    known = bodies.filled()
    does, _ = hands(known, CONFLICT, bodies.pod(**metadata))
    with pytest.raises(executor.Taken, match=message):
        await does.start(known.jobs[bodies.KEY], owner(), starting())


async def test_a_pod_of_ours_that_is_there_already_is_success() -> None:
    known = bodies.filled()
    of = item(owner())
    reference = [{"kind": "TuningTrial", "name": of.name, "uid": of.uid, "controller": True}]
    labels = {names.JOB_UID_LABEL: bodies.UID, names.NUMBER_LABEL: "7", names.ATTEMPT_LABEL: "1"}
    there = bodies.pod(name=names.pod(of.name, 1), ownerReferences=reference, labels=labels)
    does, _ = hands(known, CONFLICT, there)
    await does.start(known.jobs[bodies.KEY], owner(), starting())
    assert bodies.newest(known, of.uid).name == names.pod(of.name, 1)


async def test_the_name_of_a_rehearsal_may_be_taken() -> None:
    known = bodies.filled()
    does, server = hands(known, CONFLICT)
    await does.rehearse(known.jobs[bodies.KEY], owner())
    assert len(server.calls) == 1


WAITS = actions.Announce("waiting", "Unschedulable", "0/3 nodes", actions.Severity.WARNING, repeats=True)


async def test_what_repeats_is_counted_in_one_event() -> None:
    known = bodies.filled()
    does, server = hands(known, {}, CONFLICT, {"count": 4}, {})
    await does.announce(known.jobs[bodies.KEY], WAITS)
    await does.announce(known.jobs[bodies.KEY], WAITS)
    (_, collection, made), _, (_, path), (_, patched, change) = server.calls
    assert path == patched == f"{collection}/{made['metadata']['name']}"
    assert change == {"count": 5, "message": "0/3 nodes", "lastTimestamp": "2026-01-01T00:00:00Z"}


async def test_what_is_told_once_is_not_told_again() -> None:
    known = bodies.filled()
    does, server = hands(known, {}, CONFLICT)
    once = actions.Announce("started", "Started", "tuning")
    await does.announce(known.jobs[bodies.KEY], once)
    await does.announce(known.jobs[bodies.KEY], once)
    assert [call[0] for call in server.calls] == ["create", "create"]


@pytest.mark.parametrize("error", [client.Refused(403, "Forbidden", "no"), ConnectionError("no"), TimeoutError()])
async def test_an_event_that_cannot_be_written_holds_nothing_up(error: Exception) -> None:
    known = bodies.filled()
    does, _ = hands(known, error)
    await does.announce(known.jobs[bodies.KEY], WAITS)


def draining(known: store.Store, **spec: Any) -> tuple[store.JobRecord, actions.Collect]:
    ended = {"terminated": {"exitCode": 0, "startedAt": bodies.GONE, "finishedAt": bodies.GONE}}
    body = bodies.pod(version=5, annotations={names.CONTAINER_ANNOTATION: "trial"})
    body["spec"] = spec
    body["status"]["containerStatuses"] = [
        {"name": "trial", "state": ended},
        {"name": "tuning-sidecar", "state": {"running": {}}},
    ]
    known.observe_pod(body)
    assert bodies.newest(known).attempt.draining
    return known.jobs[bodies.KEY], actions.Collect(seen(known)[1], "it has ended")


async def test_a_sidecar_is_told_until_it_hears_and_by_one_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "COLLECT_RETRY_SECONDS", 0.001)
    known = bodies.filled()
    sidecar = Sidecar(failures=2)
    does, _ = hands(known, sidecar=sidecar)
    asked = draining(known)
    for _ in range(3):
        does.collect(*asked)
    async with asyncio.timeout(5):
        while sidecar.told < 3:
            await asyncio.sleep(0.001)
    does.collect(*asked)
    await asyncio.sleep(0.05)  # nothing may happen now, and nothing announces that
    assert sidecar.told == 3
    await does.close()


async def test_a_native_sidecar_is_left_to_the_kubelet() -> None:
    known = bodies.filled()
    sidecar = Sidecar()
    does, _ = hands(known, sidecar=sidecar)
    does.collect(*draining(known, initContainers=[{"name": "tuning-sidecar", "restartPolicy": "Always"}]))
    await asyncio.sleep(0.05)  # nothing may happen now, and nothing announces that
    assert sidecar.told == 0
