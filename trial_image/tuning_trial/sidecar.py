"""The process beside a trial that collects its metrics: ``python -m tuning_trial.sidecar``.

It learns that the trial has ended in one of two ways: a native sidecar gets SIGTERM from the kubelet, any other is
told by the operator (POST /finish). Either way it reads to the end, leaves the summary as its termination message and
exits with 0. Nothing but that message matters: without a port, without a usable configuration and without a single
metric it still ends, and says why.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tuning_trial import kinds
from tuning_trial.lines import ConfigurationError
from tuning_trial.record import Observation
from tuning_trial.summary import LIMIT_BYTES, SMALLEST_LIMIT_BYTES, Summary

if TYPE_CHECKING:
    from tuning_trial import web

POLL_SECONDS = 0.2
BUSY_SECONDS = 0.01
"""The pause after a piece of work, in which HTTP requests are served, when more of the file may wait."""
POLL_BYTES = 256 * 1024
SAVE_SECONDS = 5.0
"""How often at most the message is written while the trial runs, for the case that the sidecar is killed."""
FINISH_SECONDS = 20.0
"""How long reading to the end may take; Kubernetes grants 30 s by default between SIGTERM and SIGKILL."""
CLEARANCE_SECONDS = 2.0
"""How much longer than that a client waits for the final message."""
DEFAULT_PORT = 9464
ENDING = (signal.SIGTERM, signal.SIGINT)
SIGNAL = "signal"


@dataclasses.dataclass(frozen=True)
class Settings:
    """The sidecar's environment."""

    source: str
    where: str
    format: str
    pattern: str
    objectives: tuple[str, ...]
    port: int
    token: str
    linger_seconds: int
    termination_file: str
    message_bytes: int
    job: str
    trial: str
    namespace: str

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """The settings in TUNING_ variables; numbers that are none are replaced by the defaults."""

        def get(name: str, default: str = "") -> str:
            return environ.get(f"TUNING_{name}", default)

        return cls(
            source=get("METRICS_SOURCE") or "file",
            where=get("METRICS_PLACE") or get("METRICS_FILE"),
            format=get("METRICS_FORMAT") or "json",
            pattern=get("METRICS_PATTERN"),
            objectives=tuple(name for name in get("OBJECTIVES").split(",") if name),
            port=_whole(get("SIDECAR_PORT"), DEFAULT_PORT),
            token=get("SIDECAR_TOKEN"),
            linger_seconds=_whole(get("SIDECAR_LINGER_SECONDS"), 0),
            termination_file=get("TERMINATION_FILE") or "/dev/termination-log",
            message_bytes=max(_whole(get("MESSAGE_BYTES"), LIMIT_BYTES), SMALLEST_LIMIT_BYTES),
            job=get("JOB"),
            trial=get("TRIAL"),
            namespace=get("NAMESPACE"),
        )


class Unusable:
    """Stands in for a collector that cannot be made, so that the reason reaches the summary."""

    rows = 0

    def __init__(self, problem: str) -> None:
        self._summary = Summary(problem=problem)

    def poll(self, budget_bytes: int) -> bool:
        """There is nothing to read."""
        return False

    def finish(self, budget_bytes: int) -> None:
        """There is nothing to end."""

    def summary(self) -> Summary:
        """Says why there are no metrics."""
        return self._summary

    def observations(self, after: int, limit: int = 1000) -> list[Observation]:
        """There are none."""
        return []


class Message:
    """The termination message, in the file that the kubelet has mounted for it."""

    def __init__(self, path: str, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._written = ""

    def write(self, summary: Summary) -> str:
        """Write the summary, and give the message; a file that cannot be written is reported on standard error."""
        text = summary.to_message(self._limit)
        if text != self._written:
            try:
                self._replace(text.encode())
                self._written = text
            except OSError as error:
                _log(f"the termination message cannot be written: {error}")
        return text

    def _replace(self, data: bytes) -> None:
        # The kubelet mounts this one file: it cannot be renamed over. Blanks up to the former length make one write
        # enough, so that whoever kills the sidecar finds a whole message, the old one or the new one.
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.pwrite(descriptor, data.ljust(os.fstat(descriptor).st_size), 0)
            os.ftruncate(descriptor, len(data))
        finally:
            os.close(descriptor)


class Sidecar:
    """One trial's collection: the main thread drives it, those of the HTTP server ask it."""

    def __init__(self, collector: kinds.Collecting, message: Message, linger_seconds: float = 0) -> None:
        self._collector = collector
        self._message = message
        self._linger_seconds = linger_seconds
        self._told = ""
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        # Unlike an Event, a SimpleQueue may be used by a signal handler while the main thread waits for it.
        self._requests: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._finished = threading.Event()
        self._final = ""

    def request(self, reason: str) -> None:
        """Ask for the end; from any thread or signal handler, any number of times."""
        self._requests.put(reason)

    def finish(self) -> str:
        """Ask for the end, wait for it, and give the final message."""
        self.request("finish")
        self._finished.wait(FINISH_SECONDS + CLEARANCE_SECONDS)
        return self._final

    def summary(self) -> Summary:
        """The curves so far."""
        with self._lock:
            return self._collector.summary()

    def observations(self, after: int, limit: int, seconds: float = 0) -> list[Observation]:
        """Rows with ids greater than `after`; waits at most so long for the first one."""
        with self._lock:
            if seconds:
                self._news.wait_for(lambda: self._collector.rows > after or self._finished.is_set(), seconds)
            return self._collector.observations(after, limit)

    def run(self) -> None:
        """Collect until asked to end; then read to the end and write the final message."""
        saved = -SAVE_SECONDS
        busy = changed = False
        while not self._asked(BUSY_SECONDS if busy else POLL_SECONDS):
            busy = self._poll()
            changed = changed or busy
            if changed and time.monotonic() - saved >= SAVE_SECONDS:
                self._message.write(self.summary())
                saved, changed = time.monotonic(), False
        deadline = time.monotonic() + FINISH_SECONDS
        if self._told == SIGNAL:
            self._linger(deadline)
        self._drain(deadline)
        self._final = self._message.write(self.summary())
        self._finished.set()
        with self._lock:
            self._news.notify_all()

    def _linger(self, deadline: float) -> None:
        """Goes on until the trial has been quiet for a while: a Pod that is deleted ends it and us at the same time."""
        quiet = time.monotonic() + self._linger_seconds
        while (now := time.monotonic()) < min(quiet, deadline):
            if self._poll():
                # At once: whoever deleted the Pod may have left us a second.
                self._message.write(self.summary())
                quiet = now + self._linger_seconds
            else:
                time.sleep(POLL_SECONDS / 4)

    def _drain(self, deadline: float) -> None:
        saved = 0.0
        while time.monotonic() < deadline and self._poll():
            if time.monotonic() - saved >= 1:
                self._message.write(self.summary())
                saved = time.monotonic()
        with self._lock:
            self._collector.finish(0)

    def _poll(self) -> bool:
        with self._lock:
            progress = self._collector.poll(POLL_BYTES)
            if progress:
                self._news.notify_all()
            return progress

    def _asked(self, seconds: float) -> bool:
        with contextlib.suppress(queue.Empty):
            self._told = self._requests.get(timeout=seconds)
            return True
        return False


def main() -> int:
    """Run the sidecar of the trial that the environment names."""
    settings = Settings.from_environ(os.environ)
    message = Message(settings.termination_file, settings.message_bytes)
    sidecar = Sidecar(_collector(settings), message, settings.linger_seconds)
    # Before anything that takes time: as process 1 of its container it would not even notice an earlier signal.
    for number in ENDING:
        signal.signal(number, lambda *_: sidecar.request(SIGNAL))
    server = _serve(settings, sidecar)
    sidecar.run()
    for number in ENDING:
        # A second signal, while Python winds up, would find no handler and make the exit look like a failure.
        signal.signal(number, signal.SIG_IGN)
    if server:
        server.say_goodbye()
    return 0


def _collector(settings: Settings) -> kinds.Collecting:
    if not settings.where:
        return Unusable("TUNING_METRICS_PLACE is not set; set it to the path of the trial's metrics file")
    try:
        # No component of the path may be a link: everything outside the shared volume is the sidecar's own.
        return kinds.collecting(
            settings.source, settings.where, settings.format, settings.pattern, settings.objectives, root="/"
        )
    except ConfigurationError as error:
        return Unusable(str(error))


def _serve(settings: Settings, sidecar: Sidecar) -> web.Server | None:
    from tuning_trial import web

    labels = web.Labels(settings.job, settings.trial, settings.namespace)
    try:
        server = web.Server(settings.port, sidecar, labels, settings.token)
    except (OSError, OverflowError) as error:
        _log(f"port {settings.port} cannot be bound, metrics are collected all the same: {error}")
        return None
    server.start()
    return server


def _whole(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default


def _log(text: str) -> None:
    sys.stderr.write(f"tuning-sidecar: {text}\n")


if __name__ == "__main__":
    sys.exit(main())
