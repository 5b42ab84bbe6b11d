"""One attempt of a trial on this machine: its process behind a warden, and the metrics that it reports.

It shows itself as the tuner sees a Pod: it waits, runs, drains (the process has ended, its metrics are still being
read) and has ended, for a reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tuning_operator.api import job, trial
from tuning_operator.local import command, folder, metrics, verdict, warden
from tuning_operator.stopping import curve
from tuning_operator.tuner import observed, outcomes, state
from tuning_trial import summary

WARDEN = (sys.executable, "-I", "-S", str(Path(__file__).with_name("warden.py")))
POLL_SECONDS = 0.25
POLL_BYTES = 128 * 1024
"""One bite of a metrics file; between two of them the event loop goes round."""
DRAIN_SECONDS = 50.0
"""How long reading what a trial has left may take; what is unread then is said to be so."""
CLEARANCE = datetime.timedelta(seconds=warden.CLEARANCE_SECONDS)


class Attempt:
    """One attempt; `changed` is called whenever `observe` has something new to say."""

    def __init__(self, number: int, place: Path, spec: job.JobSpec, changed: Callable[[], None]) -> None:
        self._number = number
        self._place = place
        self._collector = metrics.collecting(place, spec)
        self._silence = ""
        self._endpoint = spec.metrics.endpoint
        self._objectives = outcomes.reported(spec)
        self._curves = observed.Curves(observed.metrics(spec))
        self._read = 0
        self._grace = command.grace(spec.template)
        self._changed = changed
        self._process: asyncio.subprocess.Process | None = None
        self._pid = 0
        self._orders: list[bytes] = []
        self._started: datetime.datetime | None = None
        self._ended: datetime.datetime | None = None
        self._gone_by: datetime.datetime | None = None
        self._exit_code: int | None = None
        self._peak_memory: int | None = None
        self._verdict: verdict.Verdict | None = None

    def observe(self) -> state.Attempt:
        """The attempt as it is now."""
        phase = trial.AttemptPhase.RUNNING if self._started else trial.AttemptPhase.WAITING
        phase, reason, message = self._verdict or (phase, "", "")
        return state.Attempt(
            number=self._number,
            phase=phase,
            reason=reason,
            message=message,
            exit_code=self._exit_code,
            started=self._started,
            ended=self._ended,
            gone_by=self._gone_by,
            draining=self._ended is not None and self._verdict is None,
            summary=self._summary(),
            peak_memory=self._peak_memory,
        )

    def _summary(self) -> summary.Summary:
        collected = self._collector.summary()
        return dataclasses.replace(collected, problem=self._silence) if self._silence else collected

    def curves(self) -> Mapping[str, curve.Curve]:
        """What it has reported so far, as far as decisions depend on it."""
        return self._curves.now()

    def is_over(self) -> bool:
        """Whether it will not change any more."""
        return self._verdict is not None

    async def run(self, launch: command.Launch) -> None:
        """Start the process and follow it to its end."""
        try:
            self._process = await asyncio.create_subprocess_exec(
                *WARDEN,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            self._end((trial.AttemptPhase.LOST, "SpawnFailed", f"no process could be started: {error.strerror}"))
            return
        self._write(json.dumps(self._order(launch)).encode() + b"\n")
        polling, scraping = asyncio.create_task(self._poll()), self._scrape(launch)
        try:
            record = await self._listen(self._process)
        finally:
            polling.cancel()
            if scraping is not None:
                scraping.cancel()
                self._silence = await scraping
        await self._process.wait()
        await self._settle(record)

    async def recover(self) -> None:
        """Take up an attempt that an earlier tuningctl has started: if it ended by itself, its result counts."""
        try:
            record: warden.Record = json.loads((self._place / "exit.json").read_bytes())
        except (OSError, ValueError):
            self._end(verdict.INTERRUPTED)
        else:
            await self._settle(record)

    def stop(self, now: datetime.datetime) -> None:
        """End the process: SIGTERM, and SIGKILL when the grace period is over."""
        if self._gone_by is None:
            self._gone_by = now + datetime.timedelta(seconds=self._grace) + CLEARANCE
            self._tell(b"stop\n")

    def kill(self) -> None:
        """End the process at once."""
        self._tell(b"kill\n")

    def _order(self, launch: command.Launch) -> warden.Order:
        return {
            "argv": list(launch.argv),
            "env": dict(launch.environ),
            "cwd": str(self._place / "work"),
            "stdout": str(self._place / "stdout.log"),
            "stderr": str(self._place / "stderr.log"),
            "record": str(self._place / "exit.json"),
            "grace": self._grace,
        }

    async def _listen(self, process: asyncio.subprocess.Process) -> warden.Record | None:
        """What the warden tells; None when it was killed before it could tell the end."""
        assert process.stdout is not None
        while line := await process.stdout.readline():
            try:
                message: dict[str, Any] = json.loads(line)
            except ValueError:
                return None
            if "ended" in message:
                return message  # type: ignore[return-value]
            self._pid = message["pid"]
            self._started = _moment(message["started"])
            for order in self._orders:
                self._write(order)
            self._changed()
        return None

    async def _poll(self) -> None:
        while True:
            more = self._collector.poll(POLL_BYTES)
            if more and self._follow():
                self._changed()
            await asyncio.sleep(0 if more else POLL_SECONDS)

    def _follow(self) -> bool:
        """Take what was collected into the curves; answers whether they have changed."""
        changed = False
        while self._curves.names and (rows := self._collector.observations(self._read)):
            self._read = rows[-1].id
            changed |= any([self._curves.take(row.step, row.values) for row in rows])  # noqa: C419 - all are taken
        return changed

    def _scrape(self, launch: command.Launch) -> asyncio.Task[str] | None:
        if self._endpoint is None:
            return None
        port = int(launch.environ["TUNING_METRICS_PORT"])
        return asyncio.create_task(metrics.scrape(self._place, self._endpoint, port, self._objectives))

    async def _settle(self, record: warden.Record | None) -> None:
        """Read what the process has left, and pronounce the verdict."""
        if record is None:
            # The kernel has killed the process with its warden; this is for the rest of its group.
            with contextlib.suppress(OSError):
                if self._pid:
                    os.killpg(self._pid, signal.SIGKILL)
            self._end(verdict.UNGUARDED)
            return
        self._started, self._ended = _moment(record["started"]), _moment(record["ended"])
        self._changed()
        limit = time.monotonic() + DRAIN_SECONDS
        more = True
        while more and time.monotonic() < limit:
            more = self._collector.poll(POLL_BYTES)
            await asyncio.sleep(0)
        self._exit_code = verdict.exit_code(record)
        self._peak_memory = record.get("memory")
        self._end(verdict.judge(record, folder.tail(self._place)))

    def _end(self, found: verdict.Verdict) -> None:
        self._collector.finish(0)
        self._verdict = found
        self._changed()

    def _tell(self, order: bytes) -> None:
        # A warden reads its first order by itself; what is said before the trial runs waits until then.
        self._orders.append(order)
        if self._started is not None:
            self._write(order)

    def _write(self, data: bytes) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(ConnectionError, RuntimeError):
                self._process.stdin.write(data)


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
