"""Makes curves and observations of a metrics file, in bounded time and memory whatever the trial writes into it.

The sidecar and the local runtime both use it, so a job sees the same numbers on a cluster and on one machine. Each
call does a bounded piece of work; whoever calls decides when, and with which clock.
"""

from __future__ import annotations

import bisect
import collections
import itertools
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tuning_trial import lines
from tuning_trial.curve import Curve, Sketch
from tuning_trial.lines import ConfigurationError
from tuning_trial.source import Source
from tuning_trial.summary import Summary, clean

MAX_LINE = 256 * 1024
"""The longest line that is read, in bytes; a longer one is bad, and never held in memory."""
MAX_METRICS = 64
"""How many metrics are followed; the objectives always are."""
MAX_NAME = 128
"""The longest name of a metric, in characters."""
MAX_DROPPED = 1000
"""Up to how many metrics that are not followed are told apart and counted."""
MAX_KEPT_ROWS = 4096
MAX_KEPT_VALUES = 16_384
"""How many of the latest rows, and values in them, `observations` gives without a gap."""
MAX_THINNED_ROWS = 2048
MAX_THINNED_VALUES = 16_384
"""How many of the rows before those, and values in them, it gives: at equal distances, wider the more there were."""
MAX_PAGE_VALUES = 4096
"""After how many values a page of observations ends."""
CHUNK = MAX_LINE
REPLACED_BYTES = 4096
POLL_BYTES = 4 * 1024 * 1024
FINISH_BYTES = 1024 * 1024 * 1024

__all__ = ["Collector", "ConfigurationError", "Observation"]


class Observation(NamedTuple):
    """One row that the trial reported. Ids begin at 1; `values` may hold NaN and infinities."""

    id: int
    step: float | None
    time: float | None
    values: dict[str, float]


class Collector:
    """Follows one trial's metrics file."""

    def __init__(
        self,
        path: str,
        format: str = "json",  # noqa: A002
        pattern: str | None = None,
        objectives: Sequence[str] = (),
        root: str = "",
    ) -> None:
        """`objectives` are the metrics that are needed; below `root`, by default the file's folder, no link is followed.

        Raises ConfigurationError for a pattern, a format or a path that cannot work.
        """
        self._objectives = tuple(objectives)
        self._reader = _reader(format, pattern or "", self._objectives)
        try:
            self._source = Source(path, root)
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
        self._curves: dict[str, Curve] = {}
        self._dropped: set[str] = set()
        self._sketches = {name: Sketch() for name in self._objectives}
        self._kept: collections.deque[lines.Row] = collections.deque()
        self._kept_values = 0
        self._thinned: list[Observation] = []
        self._thinned_values = 0
        self._stride = 1
        self._partial = b""
        self._oversized = False
        self._unread = 0
        self._finished = False
        self._first_bad = ""
        self.rows = 0
        self.bad_lines = 0

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
                self._end_line()
            else:
                self._take(data)
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
        self._end_line()
        self._source.close()
        self._finished = True

    def summary(self) -> Summary:
        """The curves so far, the objectives first."""
        names = [*(name for name in self._objectives if name in self._curves)]
        names += [name for name in self._curves if name not in self._objectives]
        return Summary(
            metrics={name: self._curves[name].metric() for name in names},
            rows=self.rows,
            bad_lines=self.bad_lines,
            dropped_metrics=len(self._dropped),
            problem=self._problem(),
            curves={name: points for name, sketch in self._sketches.items() if (points := sketch.points()).steps},
        )

    def observations(self, after: int = 0, limit: int = 1000) -> list[Observation]:
        """Up to `limit` rows whose ids are greater than `after`, in order; shorter pages when rows are wide.

        Of a long run only the latest rows are all kept; ids that are missing before them are rows that were let go.
        """
        page: list[Observation] = []
        values = 0
        for row in self._after(after):
            values += len(row.values)
            if len(page) >= limit or (page and values > MAX_PAGE_VALUES):
                break
            page.append(row)
        return page

    def _after(self, after: int) -> Iterator[Observation]:
        oldest = self.rows - len(self._kept) + 1
        if after + 1 < oldest:
            first = bisect.bisect_right([row.id for row in self._thinned], after)
            yield from itertools.islice(self._thinned, first, None)
        start = max(after + 1, oldest)
        for index, row in enumerate(itertools.islice(self._kept, start - oldest, None), start):
            yield Observation(index, *row)

    def _take(self, data: bytes) -> None:
        """Read the whole lines in `data` and keep what follows them."""
        # Progress bars end their lines with a carriage return only.
        data = data.replace(b"\r", b"\n")
        first, end = data.find(b"\n"), data.rfind(b"\n") + 1
        if not end:
            self._keep_partial(data)
        elif self._oversized or len(self._partial) + first > MAX_LINE:
            self._bad(f"longer than {MAX_LINE} bytes")
            self._oversized, self._partial = False, data[end:]
            self._read(data[first + 1 : end])
        else:
            block, self._partial = self._partial + data[:end], data[end:]
            self._read(block)

    def _keep_partial(self, data: bytes) -> None:
        if self._oversized:
            return
        self._partial += data
        if len(self._partial) > MAX_LINE:
            self._oversized = True
            self._partial = b""

    def _end_line(self) -> None:
        if self._oversized or self._partial:
            self._take(b"\n")

    def _read(self, block: bytes) -> None:
        read = self._reader.read
        for line in block.decode("utf-8", "replace").split("\n"):
            if not line or line.isspace():
                continue
            try:
                row = read(line)
            except lines.BadLineError as error:
                self._bad(str(error))
                continue
            if row is not None:
                self._add(row)

    def _add(self, row: lines.Row) -> None:
        curves, step = self._curves, row.step
        unknown = []
        for name, value in row.values.items():
            curve = curves.get(name)
            if curve is not None:
                curve.add(value, step)
            else:
                unknown.append(name)
        if unknown:
            row = self._admit(row, unknown)
            if not row.values:
                return
        self.rows += 1
        self._kept.append(row)
        self._kept_values += len(row.values)
        for name, sketch in self._sketches.items():
            if name in row.values:
                sketch.add(row.values[name], step)
        while self._kept_values > MAX_KEPT_VALUES or len(self._kept) > MAX_KEPT_ROWS:
            oldest = self._kept.popleft()
            self._kept_values -= len(oldest.values)
            self._thin(self.rows - len(self._kept), oldest)

    def _thin(self, number: int, row: lines.Row) -> None:
        if (number - 1) % self._stride:
            return
        self._thinned.append(Observation(number, *row))
        self._thinned_values += len(row.values)
        while self._thinned_values > MAX_THINNED_VALUES or len(self._thinned) > MAX_THINNED_ROWS:
            self._stride *= 2
            self._thinned = [kept for kept in self._thinned if not (kept.id - 1) % self._stride]
            self._thinned_values = sum(len(kept.values) for kept in self._thinned)

    def _admit(self, row: lines.Row, unknown: list[str]) -> lines.Row:
        """Follow the metrics that are new where there is room, and give the row without those that are not."""
        values = dict(row.values)
        for name in unknown:
            value = values.pop(name)
            readable = clean(name)
            if readable not in self._curves and not self._has_room(readable):
                if len(self._dropped) < MAX_DROPPED:
                    self._dropped.add(readable[: MAX_NAME + 1])
                continue
            self._curves.setdefault(readable, Curve()).add(value, row.step)
            values[readable] = value
        return row._replace(values=values)

    def _has_room(self, name: str) -> bool:
        if name in self._objectives:
            return True
        reserved = sum(objective not in self._curves for objective in self._objectives)
        return 0 < len(name) <= MAX_NAME and len(self._curves) + reserved < MAX_METRICS

    def _bad(self, reason: str) -> None:
        self.bad_lines += 1
        self._first_bad = self._first_bad or reason

    def _problem(self) -> str:
        """Why the objectives have no values; empty when they have."""
        name = os.path.basename(self._source.path)  # noqa: PTH119
        if self._unread:
            return f"the last {self._unread} bytes of {name} were not read, as it is too long; report less often"
        if self._source.problem and not self.rows:
            return self._source.problem
        problems = [problem for problem in map(self._objective_problem, self._objectives) if problem]
        if not problems and self.rows:
            return self._source.problem
        if self.bad_lines:
            problems.append(f"{self.bad_lines} lines of {name} could not be read, the first one is {self._first_bad}")
        elif not self.rows:
            problems.append(f"no metrics were found in {name}")
        return "; ".join(problems)

    def _objective_problem(self, name: str) -> str:
        curve = self._curves.get(name)
        if curve is None:
            found = ", ".join(itertools.islice(self._curves, 8))
            return f"metric {name} was never reported" + (f", but {found} were" if found else "")
        if not curve.count:
            return f"metric {name} was never finite: all {curve.not_finite} values are NaN or infinite"
        return ""


def _reader(kind: str, pattern: str, objectives: Sequence[str]) -> lines.JsonReader | lines.TextReader:
    if kind == "text":
        return lines.TextReader(objectives, pattern)
    if kind != "json":
        raise ConfigurationError(f"metrics.format is {kind!r}; write json or text")
    if pattern:
        raise ConfigurationError("metrics.pattern is for the format text; leave it out, or write format: text")
    return lines.JsonReader(objectives)
