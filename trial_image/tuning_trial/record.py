"""What was collected from one trial: rows become curves and observations, in bounded memory however many there are.

Every source of metrics, be it a file, a log or an endpoint, ends here, so a job sees the same numbers wherever they
come from and wherever it runs.
"""

from __future__ import annotations

import bisect
import collections
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tuning_trial import lines
from tuning_trial.curve import Curve, Sketch
from tuning_trial.summary import Summary, clean

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


class Observation(NamedTuple):
    """One row that the trial reported. Ids begin at 1; `values` may hold NaN and infinities."""

    id: int
    step: float | None
    time: float | None
    values: dict[str, float]


class Record:
    """Takes rows in, one after the other."""

    def __init__(self, objectives: Sequence[str] = ()) -> None:
        """`objectives` are the metrics that are needed."""
        self._objectives = tuple(objectives)
        self._curves: dict[str, Curve] = {}
        self._dropped: set[str] = set()
        self._sketches = {name: Sketch() for name in self._objectives}
        self._kept: collections.deque[lines.Row] = collections.deque()
        self._kept_values = 0
        self._thinned: list[Observation] = []
        self._thinned_values = 0
        self._stride = 1
        self._first_bad = ""
        self.rows = 0
        self.bad_lines = 0

    def add(self, row: lines.Row) -> None:
        """Take the next row."""
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

    def bad(self, reason: str) -> None:
        """Count something that could not be read, and why."""
        self.bad_lines += 1
        self._first_bad = self._first_bad or reason

    def summary(self, name: str, trouble: str = "", unread: str = "") -> Summary:
        """The curves so far, the objectives first.

        `name` is what people call the source, `trouble` why nothing can be read from it now, and `unread` what is
        missing at its end; both may be empty.
        """
        names = [*(name for name in self._objectives if name in self._curves)]
        names += [name for name in self._curves if name not in self._objectives]
        return Summary(
            metrics={name: self._curves[name].metric() for name in names},
            rows=self.rows,
            bad_lines=self.bad_lines,
            dropped_metrics=len(self._dropped),
            problem=unread or self._problem(name, trouble),
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

    def _problem(self, name: str, trouble: str) -> str:
        """Why the objectives have no values; empty when they have."""
        if trouble and not self.rows:
            return trouble
        problems = [problem for problem in map(self._objective_problem, self._objectives) if problem]
        if not problems and self.rows:
            return trouble
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
