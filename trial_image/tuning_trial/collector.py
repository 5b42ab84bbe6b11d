"""Makes observations of what a trial writes, in bounded time and memory whatever that is.

`Feed` takes bytes from whoever has them, such as the follower of a container's log; `Collector` reads them from a file.
The sidecar, the operator and the local runtime all use them, so a job sees the same numbers on a cluster and on one
machine. Each call does a bounded piece of work; whoever calls decides when, and with which clock.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from tuning_trial import lines
from tuning_trial.lines import ConfigurationError
from tuning_trial.record import Observation, Record
from tuning_trial.source import Source
from tuning_trial.summary import Summary

MAX_LINE = 256 * 1024
"""The longest line that is read, in bytes; a longer one is bad, and never held in memory."""
CHUNK = MAX_LINE
REPLACED_BYTES = 4096
POLL_BYTES = 4 * 1024 * 1024
FINISH_BYTES = 1024 * 1024 * 1024
STDOUT = "the trial's output"
"""What people call the source stdout."""

__all__ = ["Collector", "ConfigurationError", "Feed", "Observation"]


class Feed:
    """Takes bytes as they come, and makes rows of their lines."""

    def __init__(self, reader: lines.Reader, record: Record) -> None:
        self._reader = reader
        self._record = record
        self._partial = b""
        self._oversized = False

    @classmethod
    def of_output(cls, record: Record, format: str, pattern: str, objectives: Sequence[str]) -> Feed:  # noqa: A002
        """For a program's output, where not every line has to be a metric. Raises ConfigurationError."""
        return cls(lines.reader(format, pattern, objectives, others=True), record)

    def take(self, data: bytes) -> None:
        """Read the whole lines in `data` and keep what follows them."""
        # Progress bars end their lines with a carriage return only.
        data = data.replace(b"\r", b"\n")
        first, end = data.find(b"\n"), data.rfind(b"\n") + 1
        if not end:
            self._keep_partial(data)
        elif self._oversized or len(self._partial) + first > MAX_LINE:
            self._record.bad(f"longer than {MAX_LINE} bytes")
            self._oversized, self._partial = False, data[end:]
            self._read(data[first + 1 : end])
        else:
            block, self._partial = self._partial + data[:end], data[end:]
            self._read(block)

    def end(self) -> None:
        """A last line that has no line break counts, too: what comes next does not continue it."""
        if self._oversized or self._partial:
            self.take(b"\n")

    def _keep_partial(self, data: bytes) -> None:
        if self._oversized:
            return
        self._partial += data
        if len(self._partial) > MAX_LINE:
            self._oversized = True
            self._partial = b""

    def _read(self, block: bytes) -> None:
        read = self._reader.read
        for line in block.decode("utf-8", "replace").split("\n"):
            if not line or line.isspace():
                continue
            try:
                row = read(line)
            except lines.BadLineError as error:
                self._record.bad(str(error))
                continue
            if row is not None:
                self._record.add(row)


class Collector:
    """Follows one trial's metrics file."""

    def __init__(
        self,
        path: str,
        format: str = "json",  # noqa: A002
        pattern: str | None = None,
        objectives: Sequence[str] = (),
        root: str = "",
        *,
        output: bool = False,
    ) -> None:
        """`objectives` are the metrics that are needed; below `root`, by default the file's folder, no link is followed.

        A file that holds a program's `output` may have lines of any kind.

        Raises ConfigurationError for a pattern, a format or a path that cannot work.
        """
        self._record = Record(objectives)
        self._feed = Feed(lines.reader(format, pattern or "", objectives, others=output), self._record)
        self._name = STDOUT if output else os.path.basename(path)  # noqa: PTH119
        try:
            self._source = Source(path, root)
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
        self._unread = 0
        self._finished = False

    @property
    def rows(self) -> int:
        """How many rows there are so far."""
        return self._record.rows

    @property
    def bad_lines(self) -> int:
        """How many lines could not be read."""
        return self._record.bad_lines

    def poll(self, budget_bytes: int = POLL_BYTES) -> bool:
        """Read what was appended, at most `budget_bytes` of it. Says whether there was any: if so, more may wait."""
        progress = False
        while budget_bytes > 0 and not self._finished:
            data = self._source.read(min(CHUNK, budget_bytes))
            if data == b"":
                break
            progress = True
            # A file that is replaced again and again costs budget too, or it would keep its reader here for ever.
            budget_bytes -= len(data or b"") or REPLACED_BYTES
            if data is None:
                self._feed.end()
            else:
                self._feed.take(data)
        return progress

    def finish(self, budget_bytes: int = FINISH_BYTES) -> None:
        """Read to the end, with a last line that has no line break, as nothing more will be written.

        What lies behind `budget_bytes` is not read, and the summary says so. After that nothing is read any more.
        """
        if self._finished:
            return
        while budget_bytes > 0 and self.poll(min(budget_bytes, POLL_BYTES)):
            budget_bytes -= POLL_BYTES
        self._unread = self._source.unread()
        self._feed.end()
        self._source.close()
        self._finished = True

    def summary(self) -> Summary:
        """The curves so far, the objectives first."""
        unread = f"the last {self._unread} bytes of {self._name} were not read, as it is too long; report less often"
        return self._record.summary(self._name, self._source.problem, unread if self._unread else "")

    def observations(self, after: int = 0, limit: int = 1000) -> list[Observation]:
        """Up to `limit` rows whose ids are greater than `after`; see `Record.observations`."""
        return self._record.observations(after, limit)
