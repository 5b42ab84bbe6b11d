"""Which trials a page shows and in which order, as it stands in its address: so a view can be bookmarked and sent on."""

from __future__ import annotations

import dataclasses
import urllib.parse
from collections.abc import Mapping, Sequence

from tuning_operator.api.trial import TrialPhase
from tuning_operator.report import view

PAGE = 100
NEWEST_FIRST = "-trial"
PHASES = tuple(phase.value for phase in TrialPhase)


@dataclasses.dataclass(frozen=True, slots=True)
class Query:
    """The part of an address behind the question mark. `sort` is a column, with a minus before it for the other way."""

    sort: str = NEWEST_FIRST
    phase: str = ""
    page: int = 1

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> Query:
        """What can be read of it; the usual for all else."""
        page = given.get("page", "1")
        phase = given.get("phase", "")
        return cls(
            sort=given.get("sort", NEWEST_FIRST)[:140],
            phase=phase if phase in PHASES else "",
            page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 7 else 1,
        )

    def link(self, **change: str | int) -> str:
        """The address of the same page with something changed; the usual is left out."""
        wanted, usual = dataclasses.replace(self, **change), Query()  # type: ignore[arg-type]
        fields = [(one.name, getattr(wanted, one.name)) for one in dataclasses.fields(self)]
        pairs = [(name, value) for name, value in fields if value != getattr(usual, name)]
        return f"?{urllib.parse.urlencode(pairs)}" if pairs else "?"

    def by(self, column: str) -> str:
        """The address after a click on the column's head: sorted by it, or the other way if it was already."""
        return self.link(sort=f"-{column}" if self.sort == column else column, page=1)

    def direction(self, column: str) -> str | None:
        """How the column is sorted, in ARIA's words."""
        return {column: "ascending", f"-{column}": "descending"}.get(self.sort)


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """The rows of one page, and of how many."""

    rows: Sequence[view.Row]
    total: int
    page: int
    pages: int


def select(job: view.View, query: Query) -> Shown:
    """The trials that the query asks for. A page beyond the last one is the last one."""
    rows = [row for row in job.rows if not query.phase or row.phase == query.phase]
    column, down = query.sort.removeprefix("-"), query.sort.startswith("-")
    keyed = [(_value(job, row, column), row) for row in rows]
    present = [(key, row) for key, row in keyed if key is not None]
    present.sort(key=lambda pair: pair[0], reverse=down)
    ordered = [row for _, row in present] + [row for key, row in keyed if key is None]
    pages = max(1, -(-len(ordered) // PAGE))
    page = min(query.page, pages)
    return Shown(ordered[(page - 1) * PAGE : page * PAGE], len(ordered), page, pages)


def _value(job: view.View, row: view.Row, column: str) -> tuple[int, float, str] | None:
    """What a row is sorted by: numbers before text, and None for what is not there."""
    kind, _, name = column.partition(".")
    value: object = None
    match kind:
        case "trial":
            value = row.number
        case "phase":
            value = PHASES.index(row.phase)
        case "m":
            value = row.values.get(name)
        case "p":
            value = row.parameters.get(name)
        case "ran":
            value = row.ran if row.spans else None
        case "profile":
            value = row.profile or None
        case "reason":
            value = row.reason or None
    if isinstance(value, (int, float)):
        return 0, float(value), ""
    return (1, 0.0, str(value)) if value is not None else None
