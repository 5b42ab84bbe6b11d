"""Endpoints for Prometheus as trials serve them: late, silent, hanging, talkative."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tuning_trial import scraping
from tuning_trial.scraping import Scraper

SECONDS = 20


class Endpoint(http.server.ThreadingHTTPServer):
    """Serves `text`; a status other than 200 serves nothing."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        self.text = ""
        self.status = 200
        super().__init__(("127.0.0.1", port), Answer)


class Answer(http.server.BaseHTTPRequestHandler):
    server: Endpoint

    def do_GET(self) -> None:
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.text.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextlib.contextmanager
def serving(port: int = 0) -> Iterator[Endpoint]:
    endpoint = Endpoint(port)
    threading.Thread(target=endpoint.serve_forever, daemon=True).start()
    try:
        yield endpoint
    finally:
        endpoint.shutdown()
        endpoint.server_close()


def until(scraper: Scraper, rows: int) -> None:
    deadline = time.monotonic() + SECONDS
    while scraper.rows < rows:
        scraper.poll()
        assert time.monotonic() < deadline, scraper.summary().problem
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scraping, "TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(scraping, "LAST_SECONDS", 0.2)


def scraper(port: int, *objectives: str) -> Scraper:
    return Scraper(port, "/metrics", objectives or ("loss",), period=0.01)


def test_each_change_of_an_objective_is_an_observation() -> None:
    with serving() as endpoint:
        endpoint.text = "# TYPE loss gauge\nloss 3\nstep 1\nlr 0.1\n"
        collecting = scraper(endpoint.server_address[1])
        until(collecting, 1)
        endpoint.text = "loss 3\nstep 1\nlr 0.2\n"
        time.sleep(0.05)
        endpoint.text = "loss 2\nstep 2\nlr 0.2\n"
        until(collecting, 2)
        collecting.finish()
    assert [(row.step, row.values) for row in collecting.observations()] == [
        (1, {"loss": 3, "lr": 0.1}),
        (2, {"loss": 2, "lr": 0.2}),
    ]


def test_what_came_since_the_last_question_is_asked_for_at_the_end() -> None:
    with serving() as endpoint:
        endpoint.text = "loss 3\n"
        collecting = Scraper(endpoint.server_address[1], "/metrics", ["loss"], period=3600)
        until(collecting, 1)
        endpoint.text = "loss 1\n"
        collecting.finish()
    assert collecting.summary().metrics["loss"].last == 1


def test_nan_is_one_observation_however_often_it_is_served() -> None:
    with serving() as endpoint:
        endpoint.text = "loss NaN\n"
        collecting = scraper(endpoint.server_address[1])
        until(collecting, 1)
        time.sleep(0.05)
        collecting.finish()
    assert collecting.summary().metrics["loss"].not_finite == 1


def test_an_endpoint_that_comes_late_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    collecting = scraper(port)
    deadline = time.monotonic() + SECONDS
    while "refused" not in collecting.summary().problem:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    with serving(port) as endpoint:
        endpoint.text = "loss 1\n"
        until(collecting, 1)
    collecting.finish()
    assert collecting.summary().problem == ""


@pytest.mark.parametrize(
    ("text", "status", "problem"),
    [
        pytest.param("", 404, "it answered 404", id="status"),
        pytest.param("<html>no metrics</html>\n", 200, "gave no metrics", id="page"),
        pytest.param("x" * (scraping.MAX_BYTES + 1), 200, "longer than", id="too long"),
    ],
)
def test_an_answer_that_is_none_is_the_reason(text: str, status: int, problem: str) -> None:
    with serving() as endpoint:
        endpoint.text, endpoint.status = text, status
        collecting = scraper(endpoint.server_address[1])
        deadline = time.monotonic() + SECONDS
        while problem not in collecting.summary().problem:
            assert time.monotonic() < deadline, collecting.summary().problem
            time.sleep(0.005)
        collecting.finish()
    assert collecting.rows == 0


def test_an_endpoint_that_hangs_costs_neither_the_end_nor_the_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        collecting = scraper(listener.getsockname()[1])
        deadline = time.monotonic() + SECONDS
        while "timed out" not in collecting.summary().problem:
            assert time.monotonic() < deadline, collecting.summary().problem
            time.sleep(0.005)
        collecting.finish()
    assert "TUNING_METRICS_PORT" in collecting.summary().problem


def test_an_endpoint_that_drips_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()

    def drip(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client, contextlib.suppress(OSError):
            client.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
            while not stop.wait(0.01):
                client.sendall(b"#")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=drip, args=(listener,), daemon=True).start()
        try:
            with pytest.raises(TimeoutError, match="longer than"):
                scraping.fetch(listener.getsockname()[1], "/metrics", 0.2)
        finally:
            stop.set()


def test_labels_are_told_apart_and_client_libraries_own_metrics_left_out() -> None:
    text = """
# TYPE accuracy gauge
accuracy{split="val",fold="1"} 0.5
accuracy{split="train",fold="1"} 0.75
# TYPE loss gauge
loss{split="val"} 2
# TYPE seen counter
seen_total 7
seen_created 1.7e9
# TYPE latency histogram
latency_bucket{le="+Inf"} 3
latency_sum 1
latency_count 3
# TYPE python_gc_objects_collected counter
python_gc_objects_collected_total{generation="0"} 3
"""
    assert scraping.samples(text) == {
        "accuracy/1/val": 0.5,
        "accuracy/1/train": 0.75,
        "loss/val": 2.0,
        "loss": 2.0,
        "seen_total": 7.0,
    }
