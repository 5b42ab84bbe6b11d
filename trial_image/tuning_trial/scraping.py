"""Metrics of a trial that serves them for Prometheus itself: asked for every second, from the same Pod or machine.

The endpoint is the trial's, so it may come late, hang, or say anything: it is asked in a thread of its own, within
limits of time and size, and what it says is a row only where an objective or the step has changed since the last one.
"""

from __future__ import annotations

import http.client
import queue
import threading
import time
from collections.abc import Mapping, Sequence

from tuning_trial.lines import STEP, Row, finite
from tuning_trial.record import Observation, Record
from tuning_trial.summary import Summary

PERIOD_SECONDS = 1.0
TIMEOUT_SECONDS = 5.0
LAST_SECONDS = 2.0
"""How long the last question, when the trial has ended, may take: mostly nobody is there to answer it."""
MAX_BYTES = 4 * 1024 * 1024
SKIPPED = ("process_", "python_", "go_", "promhttp_")
"""How the names begin that client libraries add by themselves."""

Values = Mapping[str, float]


class Scraper:
    """Asks one endpoint on this machine's loopback address."""

    def __init__(self, port: int, path: str, objectives: Sequence[str] = (), period: float = PERIOD_SECONDS) -> None:
        """It begins to ask at once."""
        self._port = port
        self._path = path
        self._period = period
        self._objectives = tuple(objectives)
        self._record = Record(objectives)
        self._answers: queue.SimpleQueue[tuple[float, Values]] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._problem = self._silent("nothing listens there yet")
        self._last: object = None
        self._finished = False
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    @property
    def rows(self) -> int:
        """How many rows there are so far."""
        return self._record.rows

    def poll(self, _budget_bytes: int = 0) -> bool:
        """Take in what was answered meanwhile. Says whether that was anything new."""
        before = self._record.rows
        while not self._finished and not self._answers.empty():
            self._take(*self._answers.get())
        return self._record.rows > before

    def finish(self, _budget_bytes: int = 0) -> None:
        """Ask for the last time, as the trial has ended."""
        if not self._finished:
            self._stop.set()
            self._thread.join(LAST_SECONDS)
            self.poll()
            self._finished = True

    def summary(self) -> Summary:
        """The curves so far, the objectives first."""
        return self._record.summary(self._url, "" if self._record.rows else self._problem)

    def observations(self, after: int = 0, limit: int = 1000) -> list[Observation]:
        """Up to `limit` rows whose ids are greater than `after`; see `Record.observations`."""
        return self._record.observations(after, limit)

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self._port}{self._path}"

    def _ask(self) -> None:
        last = False
        while True:
            try:
                text = fetch(self._port, self._path, LAST_SECONDS if last else TIMEOUT_SECONDS)
                self._answers.put((time.time(), samples(text)))
            except (OSError, http.client.HTTPException, ValueError) as error:
                self._problem = self._silent(str(error) or type(error).__name__)
            if last:
                return
            last = self._stop.wait(self._period)

    def _take(self, now: float, found: Values) -> None:
        values = dict(found)
        step = finite(values.pop(STEP, None)) if STEP not in self._objectives else None
        # As text, because NaN is not even equal to itself.
        news = repr([step, *(values.get(name) for name in self._objectives)])
        if not values or news == self._last:
            return
        self._last = news
        self._record.add(Row(step, now, values))

    def _silent(self, why: str) -> str:
        return f"{self._url} gave no metrics ({why}); let the trial serve them there, on the port that TUNING_METRICS_PORT names"


def fetch(port: int, path: str, seconds: float) -> str:
    """What the endpoint answers, within that time altogether.

    Raises OSError, HTTPException or ValueError when it does not, or not with metrics.
    """
    deadline = time.monotonic() + seconds
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", path, headers={"Accept": "text/plain;version=0.0.4", "Connection": "close"})
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise ValueError(f"it answered {answer.status} {answer.reason}")
        data = bytearray()
        while chunk := answer.read1(65536):
            data += chunk
            if len(data) > MAX_BYTES:
                raise ValueError(f"its answer is longer than {MAX_BYTES} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError(f"its answer takes longer than {seconds:g} s")
    finally:
        connection.close()
    return data.decode("utf-8", "replace")


def samples(text: str) -> dict[str, float]:
    """The gauges, counters and untyped metrics in an answer.

    One with labels is called by its name and their values, such as ``loss/val`` for ``loss{split="val"}``; the only one
    of its name also by the name alone. Raises ValueError for what is no answer of an endpoint for Prometheus.
    """
    from prometheus_client import parser

    found: dict[str, float] = {}
    named: dict[str, list[float]] = {}
    for family in parser.text_string_to_metric_families(text):
        if family.type not in ("gauge", "counter", "unknown", "untyped") or family.name.startswith(SKIPPED):
            continue
        for sample in family.samples:
            if sample.name.endswith("_created"):
                continue
            named.setdefault(sample.name, []).append(float(sample.value))
            if sample.labels:
                labels = [value for _, value in sorted(sample.labels.items())]
                found["/".join([sample.name, *labels])] = float(sample.value)
    return {**found, **{name: values[0] for name, values in named.items() if len(values) == 1}}
