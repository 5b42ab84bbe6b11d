"""Logs as kubelets serve them: cut, interrupted, rotated, told in pieces, not there; and what becomes of the trial."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
import yarl
from aiohttp import web

from tests import builders
from tuning_operator.api import manifest
from tuning_operator.api.trial import AttemptPhase
from tuning_operator.kube import client, following, store
from tuning_operator.tuner import state

START = datetime.datetime(2026, 1, 1, 10, tzinfo=datetime.UTC)


def made(metrics: tuple[str, ...] = (), **fields: Any) -> following.Log:
    spec = manifest.parse(builders.job(metrics={"source": "stdout", **fields})).spec
    return following.Log(spec, metrics)


def line(number: int, text: str = "", *, fraction: str | None = None) -> bytes:
    """The kubelet's line of the log's second `number`."""
    stamp = (START + datetime.timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f".{number:09d}".rstrip("0").rstrip(".") if fraction is None else fraction
    return f'{stamp}{digits}Z {text or f"""{{"step": {number}, "accuracy": {number}}}"""}\n'.encode()


def lines(*numbers: int) -> bytes:
    return b"".join(map(line, numbers))


def steps(log: following.Log) -> list[float]:
    curve = log.summary().curves.get("accuracy")
    return list(curve.steps) if curve else []


def test_lines_are_taken_without_their_time_stamps() -> None:
    log = made()
    log.begin()
    log.take(lines(1, 2, 3))
    assert (steps(log), log.summary().rows) == ([1, 2, 3], 3)


@pytest.mark.parametrize("size", [1, 7, 50, 1000])
def test_how_the_stream_is_cut_does_not_matter(size: int) -> None:
    log, data = made(), lines(*range(1, 30))
    log.begin()
    for start in range(0, len(data), size):
        log.take(data[start : start + size])
    assert log.summary().rows == 29


@pytest.mark.parametrize("broken_at", [0, 1, 30, 70, 71, 120, 200])
@pytest.mark.parametrize("replayed_from", [1, 3, 5])
def test_after_a_break_what_was_read_already_is_passed_over(broken_at: int, replayed_from: int) -> None:
    log = made()
    log.begin()
    log.take(lines(1, 2, 3, 4, 5)[:broken_at])
    read = log.summary().rows
    log.begin()
    log.take(lines(*range(min(replayed_from, read + 1), 9)))
    assert (log.summary().rows, steps(log)) == (8, list(range(1, 9)))


def test_lines_of_one_moment_are_told_apart_by_their_number() -> None:
    same = [line(1, f'{{"accuracy": {value}}}', fraction=".5") for value in range(4)]
    log = made()
    log.begin()
    log.take(b"".join(same[:2]))
    log.begin()
    log.take(b"".join(same))
    assert log.summary().rows == 4


def test_a_line_that_was_overtaken_by_another_writers_is_not_lost() -> None:
    late = line(2, fraction=".1") + line(1, fraction=".9")
    log = made()
    log.begin()
    log.take(line(2, fraction=".1"))
    log.begin()
    log.take(late)
    assert log.summary().rows == 2


@pytest.mark.parametrize(
    ("earlier", "later"), [(".5", ".50001"), ("", ".1"), (".123456789", ".2"), (".99", ".990000001")]
)
def test_time_stamps_are_numbers_however_many_digits_they_have(earlier: str, later: str) -> None:
    log = made()
    log.begin()
    log.take(line(1, fraction=later))
    assert following._nanoseconds(f"2026-01-01T10:00:01{earlier}Z ".encode()) < log._newest


def test_a_time_stamp_with_an_offset_is_the_same_moment() -> None:
    assert following._nanoseconds(b"2026-01-01T11:00:01.5+01:00 ") == following._nanoseconds(b"2026-01-01T10:00:01.5Z ")


def test_after_a_break_the_log_is_asked_for_from_a_little_earlier() -> None:
    log = made()
    assert log.since == ""
    log.begin()
    log.take(line(10))
    assert log.since == "2026-01-01T10:00:08Z"


def test_a_long_line_that_an_old_kubelet_tells_in_stamped_pieces_is_one_line() -> None:
    text = '{"accuracy": 0.5, "padding": "' + "x" * 40_000 + '"}'
    pieces = [text[start : start + 16384].encode() for start in range(0, len(text), 16384)]
    stamp = line(1, "x").split(b" ")[0] + b" "
    log = made()
    log.begin()
    log.take(b"".join(stamp + piece for piece in pieces) + b"\n")
    assert (log.summary().rows, log.summary().bad_lines) == (1, 0)


def test_a_line_without_an_end_is_not_held_for_ever() -> None:
    log = made()
    log.begin()
    log.take(line(1)[:-1].replace(b"}", b', "x": "'))
    for _ in range(100):
        log.take(b"x" * 32_768)
    assert len(log._held) <= following.MAX_HELD
    log.take(b"\n" + line(2))
    assert (log.summary().rows, log.summary().bad_lines) == (1, 1)


def test_the_rest_of_a_line_that_rotation_has_cut_is_bad_and_no_more() -> None:
    log = made()
    log.begin()
    log.take(line(1) + line(2, '{"accuracy": '))
    log.take(line(3, "0.5}") + line(4))
    assert (steps(log), log.summary().bad_lines) == ([1, 4], 1)


def test_a_last_line_without_a_line_break_counts() -> None:
    log = made()
    log.begin()
    log.take(line(1)[:-1])
    log.end()
    assert (log.complete, steps(log)) == (True, [1])


def test_a_kubelets_excuse_is_not_the_log() -> None:
    log = made()
    log.begin()
    with pytest.raises(following.Unreadable, match="no such file"):
        log.take(b"failed to try resolving symlinks in path: lstat /var/log/pods/x: no such file\n")


def test_curves_of_followed_metrics_grow() -> None:
    log = made(("accuracy",))
    log.begin()
    assert log.take(lines(1, 2))
    assert not log.take(line(3, "epoch 3"))
    assert list(log.curves()["accuracy"]) == [(1, 1), (2, 2)]


def test_text_is_found_with_the_users_pattern() -> None:
    log = made(format="text", pattern=r"(\w+) is (\d+)")
    log.begin()
    log.take(line(1, "the accuracy is 7, I think") + line(2, "not json"))
    assert log.summary().metrics["accuracy"].last == 7


Stream = list[bytes | Exception | None]
"""What a connection brings: bytes, an error, or (None) nothing more, without an end."""


class Logs(following.Logs):
    """Connections from a list."""

    def __init__(self, *streams: Exception | Stream) -> None:
        self.streams = list(streams)
        self.asked: list[tuple[str, bool]] = []
        self._turn = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def open(
        self, namespace: str, pod: store.PodRecord, since: str, *, follow: bool
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        self.asked.append((since, follow))
        stream = self.streams.pop(0) if self.streams else []
        if isinstance(stream, Exception):
            raise stream
        yield self._bring(stream)

    async def _bring(self, stream: Iterable[bytes | Exception | None]) -> AsyncIterator[bytes]:
        for part in stream:
            if isinstance(part, Exception):
                raise part
            if part is None:
                await asyncio.Event().wait()
            else:
                yield part


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "FIRST_RETRY_SECONDS", 0.001)
    monkeypatch.setattr(following, "CLOSING_SECONDS", 0.01)


async def follow(logs: following.Logs, *, ended: bool = True) -> following.Log:
    log, over = made(), asyncio.Event()
    if ended:
        over.set()
    follower = following.Follower(logs, "team", pod(), log, over)
    async with asyncio.timeout(20):
        async for _ in follower.run():
            if len(steps(log)) == 3:
                over.set()
    return log


def pod() -> store.PodRecord:
    return store.PodRecord("trial-1", "uid", "1", "", state.Attempt(1, AttemptPhase.RUNNING), logged="trial")


SERVER_DOWN = OSError("connection refused")
FORBIDDEN = client.Refused(403, "Forbidden", "pods/log is forbidden")
GONE = client.NotFound(404, "NotFound", "pods not found")
NODE_DOWN = client.Failing(500, "InternalError", "dial tcp: no route to host")


@pytest.mark.parametrize(
    "streams",
    [
        pytest.param([[lines(1, 2, 3)], []], id="followed to its end"),
        pytest.param([[lines(1, 2), SERVER_DOWN], [lines(1, 2, 3)], []], id="interrupted"),
        pytest.param([SERVER_DOWN, SERVER_DOWN, [lines(1, 2, 3)], []], id="server away at first"),
        pytest.param([[lines(1), lines(2)[:9], SERVER_DOWN], [lines(1, 2, 3)]], id="cut within a line"),
        pytest.param([[lines(1, 2, 3), None], []], id="a stream that does not end by itself"),
        pytest.param([[lines(1, 2, 3)], GONE], id="the pod went right after its end"),
        pytest.param([NODE_DOWN, [b"unable to retrieve container logs\n"], [lines(1, 2, 3)], []], id="excuses first"),
    ],
)
async def test_a_log_is_read_to_its_end_whatever_comes_between(streams: list[Any]) -> None:
    log = await follow(Logs(*streams), ended=False)
    assert (log.complete, log.lost, steps(log), log.summary().rows) == (True, "", [1, 2, 3], 3)


async def test_an_operator_that_was_away_reads_it_from_the_beginning() -> None:
    logs = Logs([lines(1, 2, 3)])
    log = await follow(logs)
    assert (log.complete, steps(log), logs.asked) == (True, [1, 2, 3], [("", False)])


async def test_a_log_that_the_operator_may_not_read_is_given_up_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(following, "PATIENCE_SECONDS", 0.0)
    log = await follow(Logs(FORBIDDEN))
    assert log.lost == "the operator may not read logs: pods/log is forbidden; allow it get on pods/log"


async def test_a_log_that_went_with_its_pod_is_lost() -> None:
    log = await follow(Logs([lines(1), SERVER_DOWN], GONE))
    assert "deleted before its log was read to the end" in log.lost


async def test_an_api_server_that_is_away_for_long_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PATIENCE_SECONDS", 0.0)
    log = await follow(Logs(*[SERVER_DOWN] * 6, [lines(1, 2, 3)]))
    assert steps(log) == [1, 2, 3]


def log_in(condition: str) -> following.Log | None:
    log = made()
    log.complete = condition == "complete"
    log.lost = "why" if condition == "lost" else ""
    return None if condition == "none" else log


@pytest.mark.parametrize(
    ("phase", "condition", "gone", "expected", "unread"),
    [
        (AttemptPhase.SUCCEEDED, "complete", False, AttemptPhase.SUCCEEDED, False),
        (AttemptPhase.SUCCEEDED, "complete", True, AttemptPhase.SUCCEEDED, False),
        (AttemptPhase.SUCCEEDED, "reading", False, AttemptPhase.RUNNING, True),
        (AttemptPhase.SUCCEEDED, "reading", True, AttemptPhase.RUNNING, True),
        (AttemptPhase.SUCCEEDED, "none", False, AttemptPhase.RUNNING, True),
        (AttemptPhase.SUCCEEDED, "none", True, AttemptPhase.LOST, False),
        (AttemptPhase.SUCCEEDED, "lost", False, AttemptPhase.LOST, False),
        (AttemptPhase.FAILED, "reading", False, AttemptPhase.RUNNING, True),
        (AttemptPhase.FAILED, "lost", False, AttemptPhase.FAILED, False),
        (AttemptPhase.FAILED, "none", True, AttemptPhase.FAILED, False),
    ],
)
def test_the_end_of_a_process_counts_when_its_log_was_read(
    phase: AttemptPhase, condition: str, gone: bool, expected: AttemptPhase, unread: bool
) -> None:
    attempt = following.settled(state.Attempt(1, phase), log_in(condition), gone=gone)
    assert (attempt.phase, attempt.unread) == (expected, unread)
    assert (attempt.summary is not None) == (condition == "complete")


class Api:
    """As much of the API server as a log needs."""

    tls = False

    def __init__(self, url: str) -> None:
        self._url = url

    async def address(self, path: str, query: dict[str, str]) -> tuple[str, dict[str, str]]:
        return str(yarl.URL(f"{self._url}{path}").with_query(query)), {"Authorization": "Bearer token"}


async def test_a_stream_comes_over_http_and_a_refusal_is_one() -> None:
    asked: list[dict[str, str]] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(dict(request.query))
        if len(asked) == 1:
            return web.json_response({"message": "no such pod", "reason": "NotFound"}, status=404)
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(1, 4):
            await response.write(line(number))
        await response.write_eof()
        return response

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    logs = following.Logs(Api(f"http://127.0.0.1:{runner.addresses[0][1]}"))  # type: ignore[arg-type]
    try:
        with pytest.raises(client.NotFound, match="no such pod"):
            async with logs.open("team", pod(), "", follow=True):
                pass
        async with logs.open("team", pod(), "2026-01-01T10:00:00Z", follow=False) as chunks:
            assert b"".join([chunk async for chunk in chunks]) == lines(1, 2, 3)
    finally:
        await logs.close()
        await runner.cleanup()
    assert asked[0] == {"container": "trial", "timestamps": "true", "follow": "true"}
    assert asked[1] == {"container": "trial", "timestamps": "true", "sinceTime": "2026-01-01T10:00:00Z"}
