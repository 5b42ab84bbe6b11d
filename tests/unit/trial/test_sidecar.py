"""The sidecar as the kubelet and the operator see it: a process with signals, a port and a termination message."""

from __future__ import annotations

import dataclasses
import http.client
import json
import math
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from tuning_trial import sidecar, web
from tuning_trial.summary import Metric, Summary

PATIENCE_SECONDS = 30


@dataclasses.dataclass
class Running:
    """A sidecar process and the files that it shares with a trial and a kubelet."""

    process: subprocess.Popen[str]
    port: int
    metrics: pathlib.Path
    termination: pathlib.Path

    def report(self, **values: object) -> None:
        with self.metrics.open("a") as file:
            file.write(json.dumps(values) + "\n")

    def ask(self, path: str, method: str = "GET", token: str | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request(method, path, headers={} if token is None else {"X-Tuning-Token": token})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def observations(self, query: str = "") -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.ask(f"/observations{query}")[1])["observations"]
        return rows

    def message(self) -> Summary:
        return Summary.from_message(self.termination.read_text())

    def end(self) -> Summary:
        assert self.process.wait(PATIENCE_SECONDS) == 0
        return self.message()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: pathlib.Path) -> Iterator[Start]:
    processes = []

    def run(ready: bool = True, **overrides: str) -> Running:
        port = free_port()
        metrics, termination = tmp_path / "metrics.jsonl", tmp_path / "termination-log"
        termination.touch()
        environ = {
            "TUNING_METRICS_FILE": str(metrics),
            "TUNING_OBJECTIVES": "accuracy,loss",
            "TUNING_SIDECAR_PORT": str(port),
            "TUNING_SIDECAR_TOKEN": "s3cret",
            "TUNING_TERMINATION_FILE": str(termination),
            "TUNING_JOB": "digits",
            "TUNING_TRIAL": "digits-3",
            "TUNING_NAMESPACE": "research",
            **overrides,
        }
        command = [sys.executable, "-B", "-m", "tuning_trial.sidecar"]
        process = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        running = Running(process, int(environ["TUNING_SIDECAR_PORT"]), metrics, termination)
        if ready:
            until(lambda: _answers(running))
        return running

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def _answers(running: Running) -> bool:
    try:
        return running.ask("/healthz") == (200, "ok\n")
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_the_summary_of_all_that_was_written(start: Start, number: signal.Signals) -> None:
    running = start()
    running.report(step=1, accuracy=0.5)
    with running.metrics.open("a") as file:
        file.write('{"step": 2, "accuracy": 0.75}')
    running.process.send_signal(number)
    assert running.end().metrics["accuracy"] == Metric(2, 0.5, 0.75, 0.5, 0.75, 0.625, 0, 2.0)


def test_last_words_of_a_trial_that_is_told_to_end_together_with_it_are_kept(start: Start) -> None:
    running = start(TUNING_SIDECAR_LINGER_SECONDS="1")
    running.report(accuracy=0.5)
    running.process.send_signal(signal.SIGTERM)
    until(lambda: bool(running.termination.read_text()))  # It lingers: until then the message was empty.
    running.report(accuracy=0.75)
    assert running.end().metrics["accuracy"].last == 0.75


def test_the_right_token_ends_it_and_answers_with_the_summary(start: Start) -> None:
    running = start()
    running.report(accuracy=0.5)
    status, body = running.ask("/finish", "POST", "s3cret")
    assert status == 200
    assert Summary.from_message(body) == running.end()
    assert running.message().metrics["accuracy"].last == 0.5


@pytest.mark.parametrize(
    ("configured", "given"),
    [
        pytest.param("s3cret", "secret", id="wrong"),
        pytest.param("s3cret", None, id="none"),
        pytest.param("s3cret", "", id="empty"),
        pytest.param("", "", id="none configured"),
    ],
)
def test_nobody_else_can_end_it(start: Start, configured: str, given: str | None) -> None:
    running = start(TUNING_SIDECAR_TOKEN=configured)
    assert running.ask("/finish", "POST", given)[0] == 403
    assert running.ask("/finish", "GET", configured)[0] == 404
    assert _answers(running)
    assert running.termination.read_text() == ""


def test_asking_twice_is_asking_once(start: Start) -> None:
    running = start()
    running.report(loss=1)
    while running.process.poll() is None:
        running.process.send_signal(signal.SIGTERM)
        running.process.send_signal(signal.SIGINT)
        time.sleep(0.001)
    assert running.end().rows == 1


def test_observations_are_served_in_pages_of_valid_json(start: Start) -> None:
    running = start()
    for step in range(3):
        running.report(step=step, loss=step, time=100 + step)
    running.report(loss=math.nan)
    until(lambda: len(running.observations()) == 4)
    assert running.observations("?after=1&limit=1") == [{"id": 2, "step": 1.0, "time": 101.0, "values": {"loss": 1.0}}]
    assert running.observations("?after=3") == [{"id": 4, "step": None, "time": None, "values": {"loss": "NaN"}}]
    assert running.observations("?after=4") == []


@pytest.mark.parametrize("query", ["?after=-1", "?limit=x", "?after=1e3", "?after=" + "9" * 5000])
def test_a_query_that_is_none_is_refused(start: Start, query: str) -> None:
    assert start().ask(f"/observations{query}") == (400, "after, limit and wait must be whole numbers from 0\n")


def test_prometheus_finds_the_metrics_with_their_labels(start: Start) -> None:
    running = start()
    running.report(accuracy=0.5)
    running.report(accuracy=0.25)
    running.report(**{'odd"name': math.nan})
    until(lambda: len(running.observations()) == 3)
    text = running.ask("/metrics")[1]
    labels = 'job="digits",metric="accuracy",namespace="research",trial="digits-3"'
    samples = {sample.partition("{")[0]: sample for sample in text.splitlines() if not sample.startswith("#")}
    assert text.count("odd") == 0
    for name, value in (("last", 0.25), ("min", 0.25), ("max", 0.5)):
        sample = samples[f"tuning_trial_metric_{name}"]
        assert sorted(sample.partition("{")[2].partition("}")[0].split(",")) == labels.split(",")
        assert float(sample.rpartition(" ")[2]) == value
    assert samples["tuning_trial_rows_total"].endswith(" 3.0")
    assert samples["tuning_trial_bad_lines_total"].endswith(" 0.0")


def test_without_its_port_it_still_collects(start: Start) -> None:
    with socket.create_server(("", 0)) as taken:
        running = start(ready=False, TUNING_SIDECAR_PORT=str(taken.getsockname()[1]))
        assert running.process.stderr
        assert "cannot be bound" in running.process.stderr.readline()
        running.report(loss=1)
        running.process.send_signal(signal.SIGTERM)
        assert running.end().metrics["loss"].last == 1.0


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        pytest.param({"TUNING_METRICS_FORMAT": "text", "TUNING_METRICS_PATTERN": "("}, "metrics.pattern is no", id="pattern"),
        pytest.param({"TUNING_METRICS_FORMAT": "xml"}, "metrics.format is 'xml'", id="format"),
        pytest.param({"TUNING_METRICS_FILE": ""}, "TUNING_METRICS_PLACE is not set", id="no file"),
        pytest.param({"TUNING_METRICS_FILE": "metrics"}, "the metrics file metrics does not lie in /", id="relative file"),
        pytest.param({}, "was never written", id="no metrics"),
    ],
)  # fmt: skip
def test_what_makes_metrics_impossible_is_in_the_message(start: Start, environ: dict[str, str], problem: str) -> None:
    running = start(**environ)
    running.process.send_signal(signal.SIGTERM)
    assert problem in running.end().problem


def test_a_termination_file_that_cannot_be_written_does_not_stop_it(start: Start, tmp_path: pathlib.Path) -> None:
    running = start(TUNING_TERMINATION_FILE=str(tmp_path / "no" / "folder"))
    running.report(loss=1)
    status, body = running.ask("/finish", "POST", "s3cret")
    assert (status, Summary.from_message(body).rows) == (200, 1)
    assert running.process.wait(PATIENCE_SECONDS) == 0


def test_clients_that_say_nothing_do_not_keep_it_from_ending(start: Start) -> None:
    running = start()
    idle = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(web.MAX_CLIENTS * 2)]
    running.report(loss=1)
    running.process.send_signal(signal.SIGTERM)
    assert running.end().rows == 1
    for client in idle:
        client.close()


def test_it_is_small(start: Start) -> None:
    running = start()
    running.metrics.write_text(json.dumps({"loss": 1, **{f"m{index}": index for index in range(80)}}) * 1 + "\n")
    with running.metrics.open("a") as file:
        file.writelines(json.dumps({"loss": index, "step": index}) + "\n" for index in range(50_000))
        file.write("x" * 10_000_000)
    until(lambda: "50001.0" in running.ask("/metrics")[1])
    running.ask("/observations")
    assert psutil.Process(running.process.pid).memory_info().rss < 40 * 1024 * 1024


def test_a_message_is_replaced_by_a_shorter_one_without_a_rest(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "termination-log"
    path.touch()
    message = sidecar.Message(str(path), 4096)
    message.write(Summary(problem="long " * 50))
    message.write(Summary(rows=1))
    assert Summary.from_message(path.read_text()) == Summary(rows=1)
    assert path.read_text() == path.read_text().strip()


def test_the_message_is_one_write_that_is_whole_at_any_time(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "termination-log"
    message = sidecar.Message(str(path), 4096)
    message.write(Summary(problem="long " * 50))
    writes: list[bytes] = []
    monkeypatch.setattr(os, "pwrite", lambda _descriptor, data, _offset: writes.append(data))
    monkeypatch.setattr(os, "ftruncate", lambda *_: None)
    message.write(Summary(rows=1))
    (written,) = writes
    assert len(written) == path.stat().st_size
    assert Summary.from_message(written.decode()) == Summary(rows=1)


def test_while_the_trial_runs_the_message_is_saved_now_and_then(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    running = start()
    running.report(loss=1)
    until(lambda: running.termination.read_text() != "")
    running.process.kill()
    assert running.message().metrics["loss"].last == 1.0


def test_the_message_keeps_to_the_limit_that_it_is_given(start: Start) -> None:
    running = start(TUNING_MESSAGE_BYTES="512")
    running.report(loss=1, **{f"metric{index}": index for index in range(60)})
    running.process.send_signal(signal.SIGTERM)
    summary = running.end()
    assert running.termination.stat().st_size <= 512
    assert "loss" in summary.metrics
    assert len(summary.metrics) + summary.dropped_metrics == 61
