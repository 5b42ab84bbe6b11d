"""The sidecar's HTTP endpoints: metrics for Prometheus, observations and `finish` for the operator.

Every program in the Pod and in the cluster may reach this port, so all answers are bounded, slow clients are cut off,
and only who knows the token can end the sidecar.
"""

from __future__ import annotations

import dataclasses
import hmac
import http
import http.server
import json
import socket
import socketserver
import threading
import urllib.parse
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from tuning_trial.record import Observation
from tuning_trial.reporter import encode
from tuning_trial.summary import Metric, Summary

if TYPE_CHECKING:
    from prometheus_client import core

MAX_ROWS = 1000
"""The most observations that one answer holds."""
MAX_CLIENTS = 16
MAX_WAITING = 4
"""How many clients may wait for news at a time; more are answered at once."""
MAX_WAIT_SECONDS = 60
CLIENT_SECONDS = 5
"""How long a client may keep the server waiting."""
TOKEN_HEADER = "X-Tuning-Token"
"""The header that proves a request to /finish to be the operator's."""
METRIC_LABELS = ("job", "trial", "namespace", "metric")


class Trial(Protocol):
    """What the server answers for."""

    def summary(self) -> Summary:
        """The curves so far."""

    def observations(self, after: int, limit: int, seconds: float) -> list[Observation]:
        """Rows with ids greater than `after`; waits at most so long for the first one."""

    def finish(self) -> str:
        """End the collection, wait for it, and give the final message."""


@dataclasses.dataclass(frozen=True)
class Labels:
    """The labels of all Prometheus series."""

    job: str
    trial: str
    namespace: str

    def values(self, *more: str) -> list[str]:
        """The labels' values in the order of METRIC_LABELS."""
        return [self.job, self.trial, self.namespace, *more]


class Server(http.server.ThreadingHTTPServer):
    """Serves one trial on all addresses of the Pod."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, trial: Trial, labels: Labels, token: str) -> None:
        """Binds the port. Raises OSError when it is taken; an empty token means that nobody may finish the trial."""
        self.trial, self.labels, self.token = trial, labels, token
        self._clients = threading.BoundedSemaphore(MAX_CLIENTS)
        self._waiting = threading.BoundedSemaphore(MAX_WAITING)
        self._finishing: list[threading.Thread] = []
        # A Pod has an IPv4 address, an IPv6 address, or both.
        if socket.has_dualstack_ipv6():
            self.address_family = socket.AF_INET6
        super().__init__(("", port), Handler)

    def server_bind(self) -> None:
        """Bind without the base class's look-up of the host's name, which may wait for a name server."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        socketserver.TCPServer.server_bind(self)

    def start(self) -> None:
        """Serve in the background."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def say_goodbye(self, seconds: float = 2) -> None:
        """Let those who asked to finish have their answer, for at most `seconds` each.

        The port closes with the process: to end the server's own loop first would cost up to half a second, for which
        the operator would wait with the next trial.
        """
        for thread in list(self._finishing):
            thread.join(seconds)

    def finish(self) -> str:
        """Finish the trial for a client; `say_goodbye` waits until it has its answer."""
        self._finishing.append(threading.current_thread())
        return self.trial.finish()

    def observations(self, after: int, limit: int, seconds: int) -> list[Observation]:
        """The trial's observations, for which only few clients may wait."""
        if not seconds or not self._waiting.acquire(blocking=False):
            return self.trial.observations(after, limit, 0)
        try:
            return self.trial.observations(after, limit, min(seconds, MAX_WAIT_SECONDS))
        finally:
            self._waiting.release()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Turn a client away where there are too many."""
        if self._clients.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a client and make room for the next one."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._clients.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are no news."""


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one request."""

    server: Server
    server_version = "tuning-trial"
    sys_version = ""
    timeout = CLIENT_SECONDS

    def do_GET(self) -> None:
        """Answer /healthz, /metrics and /observations."""
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/healthz":
            self._answer(http.HTTPStatus.OK, "ok\n")
        elif url.path == "/metrics":
            self._answer(http.HTTPStatus.OK, *exposition(self.server.trial.summary(), self.server.labels))
        elif url.path == "/observations":
            self._observations(dict(urllib.parse.parse_qsl(url.query)))
        else:
            self._answer(http.HTTPStatus.NOT_FOUND, "there are /healthz, /metrics, /observations and /finish\n")

    def do_POST(self) -> None:
        """Answer /finish: read to the end, write the termination message, and answer with it."""
        if urllib.parse.urlsplit(self.path).path != "/finish":
            self._answer(http.HTTPStatus.NOT_FOUND, "only /finish takes POST\n")
        elif not self._is_trusted():
            self._answer(http.HTTPStatus.FORBIDDEN, f"the header {TOKEN_HEADER} does not hold this trial's token\n")
        else:
            self._answer(http.HTTPStatus.OK, self.server.finish(), "application/json")

    def _observations(self, query: Mapping[str, str]) -> None:
        given = [query.get("after", "0"), query.get("limit", str(MAX_ROWS)), query.get("wait", "0")]
        if not all(text.isascii() and text.isdigit() and len(text) < 16 for text in given):
            self._answer(http.HTTPStatus.BAD_REQUEST, "after, limit and wait must be whole numbers from 0\n")
            return
        after, limit, seconds = map(int, given)
        rows = self.server.observations(after, min(limit, MAX_ROWS), seconds)
        metrics = query["metrics"].split(",") if query.get("metrics") else None
        # `last` is where the next question goes on, also where no row holds what was asked for.
        answer = {
            "observations": [wire for row in rows if (wire := _wire(row, metrics))["values"]],
            "last": rows[-1].id if rows else after,
            "more": bool(rows and self.server.trial.observations(rows[-1].id, 1, 0)),
        }
        self._answer(http.HTTPStatus.OK, json.dumps(answer), "application/json")

    def _is_trusted(self) -> bool:
        given = self.headers.get(TOKEN_HEADER, "").encode("utf-8", "replace")
        return bool(self.server.token) and hmac.compare_digest(given, self.server.token.encode())

    def _answer(
        self, status: http.HTTPStatus, body: str | bytes, content_type: str = "text/plain; charset=utf-8"
    ) -> None:
        data = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Scrapes are no news."""


def _wire(row: Observation, metrics: Collection[str] | None) -> dict[str, object]:
    values = {name: encode(value) for name, value in row.values.items() if metrics is None or name in metrics}
    return {"id": row.id, "step": row.step, "time": row.time, "values": values}


def exposition(summary: Summary, labels: Labels) -> tuple[bytes, str]:
    """The summary as Prometheus reads it, and its content type."""
    # Most trials are never scraped, and this import is the largest part of the sidecar's memory and start.
    import prometheus_client
    from prometheus_client import registry

    class Families(registry.Collector):
        def collect(self) -> Iterator[core.Metric]:
            return _families(summary, labels)

    return (
        prometheus_client.generate_latest(Families()),
        prometheus_client.CONTENT_TYPE_LATEST,
    )


def _families(summary: Summary, labels: Labels) -> Iterator[core.Metric]:
    from prometheus_client import core

    for field, text in (("last", "Latest"), ("min", "Smallest"), ("max", "Largest")):
        gauge = core.GaugeMetricFamily(f"tuning_trial_metric_{field}", f"{text} finite value.", labels=METRIC_LABELS)
        for name, metric in summary.metrics.items():
            value = _field(metric, field)
            if value is not None:
                gauge.add_metric(labels.values(name), value)
        yield gauge
    for name, text, count in (
        ("rows", "Lines that held metrics.", summary.rows),
        ("bad_lines", "Lines that could not be read.", summary.bad_lines),
    ):
        counter = core.CounterMetricFamily(f"tuning_trial_{name}", text, labels=METRIC_LABELS[:-1])
        counter.add_metric(labels.values(), count)
        yield counter


def _field(metric: Metric, field: str) -> float | None:
    value: float | None = getattr(metric, field)
    return value
