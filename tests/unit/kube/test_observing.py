"""Live observations: what running trials report reaches the operator soon, whatever becomes of their sidecars."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import json
import pathlib
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests import builders
from tests.unit.kube import test_store as bodies
from tests.unit.kube.test_following import Logs
from tests.unit.kube.test_render import item, owner
from tuning_operator.api import job
from tuning_operator.api.trial import AttemptPhase
from tuning_operator.kube import following, observing, render, sidecars, store
from tuning_operator.tuner import state
from tuning_trial import collector, sidecar, web

SECONDS = 20.0
LOSS = ("loss",)


@dataclasses.dataclass
class Trial:
    """A real sidecar, but for its process: its collector, its loop and its server."""

    path: pathlib.Path
    sidecar: sidecar.Sidecar

    def report(self, *rows: dict[str, Any]) -> None:
        with self.path.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def trial(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    monkeypatch.setattr(render, "PORT", port)
    path = tmp_path / "metrics.jsonl"
    collecting = sidecar.Sidecar(
        collector.Collector(str(path), objectives=LOSS), sidecar.Message(str(tmp_path / "message"), 4096)
    )
    server = web.Server(port, collecting, web.Labels("job", "trial", "team"), "token")
    server.start()
    thread = threading.Thread(target=collecting.run)
    thread.start()
    yield Trial(path, collecting)
    collecting.request("the test is over")
    thread.join()
    server.shutdown()
    server.server_close()


def stopping(**fields: Any) -> job.JobSpec:
    """A job whose trials may be stopped early."""
    spec = owner(objectives=[builders.objective("loss", "minimize")], **fields).spec
    return spec.model_copy(update={"early_stopping": job.EarlyStopping(algorithm="asha")})


@dataclasses.dataclass
class Desk:
    """An observer, and what it has said."""

    observer: observing.Observer
    changes: int = 0
    unreachable: list[str] = dataclasses.field(default_factory=list)

    def attend(self, *pods: store.PodRecord, spec: job.JobSpec | None = None) -> None:
        self.observer.attend(bodies.KEY, spec or stopping(), [(each, item(owner())) for each in pods])

    async def sees(self, *values: float, of: store.PodRecord) -> None:
        async with asyncio.timeout(SECONDS):
            while self.values(of) != values:
                await asyncio.sleep(0.01)

    def values(self, of: store.PodRecord) -> tuple[float, ...]:
        curves = self.observer.curves(bodies.KEY, of.uid)
        return curves["loss"].values if curves else ()


@contextlib.asynccontextmanager
async def opened(reach: observing.Reach, logs: following.Logs | None = None) -> AsyncIterator[Desk]:
    def changed(_: store.Key) -> None:
        desk.changes += 1

    def unreachable(_: store.Key, item: state.Trial, why: str) -> None:
        desk.unreachable.append(why)

    desk = Desk(observing.Observer(reach, logs or Logs(), changed, unreachable))
    try:
        yield desk
    finally:
        await desk.observer.close()


@contextlib.asynccontextmanager
async def direct() -> AsyncIterator[Desk]:
    reach = sidecars.Sidecars(None, sidecars.Access.DIRECT)  # type: ignore[arg-type]
    try:
        async with opened(reach) as desk:
            yield desk
    finally:
        await reach.close()


def pod(uid: str = "pod-uid") -> store.PodRecord:
    return store.PodRecord("trial-1", uid, "1", "127.0.0.1", state.Attempt(1, AttemptPhase.RUNNING))


async def test_what_a_trial_reports_comes_as_its_curve_and_makes_the_job_looked_at(trial: Trial) -> None:
    async with direct() as desk:
        desk.attend(pod())
        trial.report({"step": 1, "loss": 3}, {"step": 2, "loss": 2, "lr": 1})
        await desk.sees(3, 2, of=pod())
        before = desk.changes
        assert before > 0
        trial.report({"step": 3, "lr": 1})
        trial.report({"step": 4, "loss": 1})
        await desk.sees(3, 2, 1, of=pod())
        assert desk.changes > before


async def test_an_operator_that_begins_anew_sees_it_from_the_beginning(trial: Trial) -> None:
    trial.report(*({"step": step, "loss": step} for step in range(1, 2501)))
    for _ in range(2):
        async with direct() as desk:
            desk.attend(pod())
            async with asyncio.timeout(SECONDS):
                while not (values := desk.values(pod())) or values[-1] != 2500:
                    await asyncio.sleep(0.01)
            assert values[0] == 1


async def test_a_pod_that_nobody_needs_any_more_is_let_go(trial: Trial) -> None:
    trial.report({"loss": 1})
    async with direct() as desk:
        desk.attend(pod())
        await desk.sees(1, of=pod())
        desk.attend()
        assert desk.values(pod()) == ()
        assert not desk.observer._watched


class Scripted:
    """Sidecars that answer from a list, and then never again."""

    def __init__(self, *answers: Exception | sidecars.Page) -> None:
        self.answers = list(answers)
        self.asked: list[int] = []

    async def observations(
        self, namespace: str, pod: store.PodRecord, after: int, metrics: tuple[str, ...]
    ) -> sidecars.Page:
        self.asked.append(after)
        if not self.answers:
            await asyncio.Event().wait()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def page(*values: float, last: int, more: bool = False) -> sidecars.Page:
    rows = tuple(sidecars.Row(last - len(values) + index, {"loss": value}) for index, value in enumerate(values, 1))
    return sidecars.Page(rows, last, more)


@pytest.mark.parametrize(
    "error", [OSError("refused"), TimeoutError(), ValueError("nonsense")], ids=lambda error: type(error).__name__
)
async def test_a_sidecar_that_does_not_answer_is_asked_again_where_it_was_left(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "FIRST_RETRY_SECONDS", 0.001)
    reach = Scripted(page(3, 2, last=2, more=True), error, error, page(1, last=3, more=True))
    async with opened(reach) as desk:
        desk.attend(pod())
        await desk.sees(3, 2, 1, of=pod())
    assert reach.asked[:4] == [0, 2, 2, 2]


async def test_people_are_told_once_when_a_sidecar_is_silent_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "FIRST_RETRY_SECONDS", 0.001)
    monkeypatch.setattr(observing, "PATIENCE_SECONDS", 0.0)
    reach = Scripted(OSError("no route"), OSError("no route"), page(1, last=1, more=True))
    async with opened(reach) as desk:
        desk.attend(pod())
        await desk.sees(1, of=pod())
        assert desk.unreachable == ["no route"]


async def test_many_trials_are_each_asked_less_often() -> None:
    async with opened(Scripted()) as desk:
        desk.attend(pod())
        alone = desk.observer._pause()
        desk.attend(*(pod(str(number)) for number in range(200)))
        assert (alone, desk.observer._pause()) == (observing.SHORTEST_PAUSE_SECONDS, 1.0)


def logged(phase: AttemptPhase, *, gone: bool = False) -> store.PodRecord:
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    attempt = state.Attempt(1, phase, started=start, ended=start if phase.is_finished() else None)
    return store.PodRecord("trial-1", "pod-uid", "1", "", attempt, gone=gone, logged="trial")


PRINTS = {"metrics": {"source": "stdout"}}


def printed(*values: float) -> bytes:
    return b"".join(b'2026-01-01T00:00:0%dZ {"loss": %f}\n' % (at, value) for at, value in enumerate(values, 1))


async def test_a_log_is_followed_without_a_sidecar_and_the_result_is_there_when_it_was_read() -> None:
    logs = Logs([printed(3), None], [printed(3, 2)])
    async with opened(Scripted(), logs) as desk:
        spec = stopping(**PRINTS)
        desk.attend(logged(AttemptPhase.RUNNING), spec=spec)
        await desk.sees(3, of=pod())
        over = logged(AttemptPhase.SUCCEEDED)
        desk.attend(over, spec=spec)
        assert desk.observer.attempt(bodies.KEY, over).unread
        async with asyncio.timeout(SECONDS):
            while (attempt := desk.observer.attempt(bodies.KEY, over)).unread:
                await asyncio.sleep(0.005)
        assert attempt.phase is AttemptPhase.SUCCEEDED
        assert attempt.summary is not None
        assert attempt.summary.metrics["loss"].last == 2
        desk.attend(spec=spec)
        assert not desk.observer._watched


async def test_a_log_is_read_also_where_nothing_is_decided_before_the_end() -> None:
    logs = Logs([printed(3, 2)])
    spec = stopping(**PRINTS).model_copy(update={"early_stopping": None})
    async with opened(Scripted(), logs) as desk:
        over = logged(AttemptPhase.FAILED)
        desk.attend(over, spec=spec)
        async with asyncio.timeout(SECONDS):
            while desk.observer.attempt(bodies.KEY, over).unread:
                await asyncio.sleep(0.005)
        assert desk.changes == 1


def test_a_pod_that_is_gone_before_its_log_was_followed_is_lost() -> None:
    observer = observing.Observer(Scripted(), Logs(), lambda _: None, lambda *_: None)
    attempt = observer.attempt(bodies.KEY, logged(AttemptPhase.SUCCEEDED, gone=True))
    assert (attempt.phase, attempt.reason) == (AttemptPhase.LOST, "LogUnreadable")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param([], id="list"),
        pytest.param({}, id="empty"),
        pytest.param({"observations": 3}, id="number for rows"),
        pytest.param({"observations": [{"values": {"loss": "x"}}]}, id="text for a value"),
        pytest.param({"observations": [{"values": []}]}, id="list for values"),
        pytest.param({"observations": [], "last": "x"}, id="text for last"),
        pytest.param({"observations": [], "last": 3}, id="last before what was asked for"),
        pytest.param({"observations": [{"values": {}}] * (sidecars.PAGE_ROWS + 1)}, id="too many rows"),
    ],
)
def test_an_answer_that_is_none_is_refused(answer: Any) -> None:
    with pytest.raises(ValueError, match="sidecar"):
        sidecars.page(answer, 5)
