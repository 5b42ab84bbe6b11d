"""What all charts share: a drawing of a fixed size with axes, marks that know their trial, and a crowd of dots.

Everything is drawn in SVG, with colours from the page's style sheet: so the same drawing is light or dark, needs no
script, and can be printed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from tuning_operator.api.trial import TrialPhase
from tuning_operator.report import markup, scale, view, wording
from tuning_operator.report.markup import Child, Markup, tag

HALF, FULL = 480.0, 1000.0
"""Widths of a drawing for half a row of the page, and for a whole one."""
MARKED = 800
"""Trials that get a mark of their own in a chart, which knows its trial. More would make pages slow; the others are dots
of one shape."""


@dataclasses.dataclass(frozen=True, slots=True)
class Drawing:
    """A picture of a fixed size; `label` says in a sentence what it shows."""

    width: float
    height: float
    label: str
    content: Markup

    def svg(self, **attributes: str) -> Markup:
        """As an element of a page."""
        shape = f"0 0 {markup.number(self.width)} {markup.number(self.height)}"
        return tag("svg", self.content, viewBox=shape, role="img", aria_label=self.label, **attributes)


@dataclasses.dataclass(frozen=True, slots=True)
class Box:
    """The part of a drawing that lies between the axes."""

    left: float
    top: float
    right: float
    bottom: float


NO_LEGEND = Markup("")


@dataclasses.dataclass(frozen=True, slots=True)
class Chart:
    """One or more drawings with what has to be said about them: `note` is shown below, `table` is the same for screen readers."""

    key: str
    title: str
    drawings: Sequence[Drawing]
    note: str = ""
    head: Sequence[str] = ()
    table: Sequence[Sequence[str]] = ()
    wide: bool = False
    legend: Markup = NO_LEGEND


def drawing(width: float, height: float, label: str, *content: Child) -> Drawing:
    """A drawing of these parts."""
    return Drawing(width, height, label, markup.join(*content))


def box(width: float, height: float, *, left: float = 62.0, bottom: float = 44.0, top: float = 14.0) -> Box:
    """Room between the axes, with room for their labels around it."""
    return Box(left, top, width - 14.0, height - bottom)


def x_axis(area: Box, axis: scale.Scale, title: str = "") -> Markup:
    """Labels below the box."""
    parts = []
    reach = 0.0
    for tick in axis.ticks:
        width = 7.0 * len(tick.label)
        if tick.place - width / 2 < reach:
            continue
        reach = tick.place + width / 2 + 6.0
        anchor = "end" if tick.place > area.right - width / 2 + 12 else None
        parts.append(tag("text", tick.label, x=tick.place, y=area.bottom + 17, class_="tick", text_anchor=anchor))
    middle = (area.left + area.right) / 2
    named = tag("text", title, x=middle, y=area.bottom + 37, class_="axis") if title else None
    rule = tag("line", x1=area.left, x2=area.right, y1=area.bottom, y2=area.bottom, class_="rule")
    return tag("g", rule, parts, named, class_="x", aria_hidden="true")


def y_axis(area: Box, axis: scale.Scale, title: str = "") -> Markup:
    """Labels left of the box, and lines across it."""
    parts = []
    for tick in axis.ticks:
        parts.append(tag("line", x1=area.left, x2=area.right, y1=tick.place, y2=tick.place, class_="grid"))
        parts.append(tag("text", tick.label, x=area.left - 8, y=tick.place + 4, class_="tick"))
    named = tag("text", title, x=area.left - 50, y=area.top - 2, class_="axis") if title else None
    return tag("g", parts, named, class_="y", aria_hidden="true")


def mark(row: view.Row, x: float, y: float, hint: str, *, size: float = 4.0, extra: str = "") -> Markup:
    """A dot for a trial."""
    kind = f"dot {row.phase.lower()} {extra}".strip()
    return tag("circle", tag("title", hint), cx=x, cy=y, r=size, class_=kind, data_t=row.number)


def crowd(points: Iterable[tuple[float, float]], kind: str = "") -> Markup | None:
    """Many dots as one shape: lines of no length with round ends."""
    path = "".join(f"M{markup.number(x)} {markup.number(y)}h0" for x, y in points)
    return tag("path", d=path, class_=f"crowd {kind}".strip()) if path else None


def line(points: Iterable[tuple[float, float]], kind: str, number: int | None = None) -> Markup:
    """A line through points."""
    path = "L".join(f"{markup.number(x)} {markup.number(y)}" for x, y in points)
    return tag("path", d=f"M{path}" if path else "M0 0", class_=kind, data_t=number)


def stairs(points: Sequence[tuple[float, float]], until: float, kind: str) -> Markup | None:
    """A line that stays level until the next point."""
    if not points:
        return None
    path = f"M{markup.number(points[0][0])} {markup.number(points[0][1])}"
    path += "".join(f"H{markup.number(x)}V{markup.number(y)}" for x, y in points[1:])
    return tag("path", d=f"{path}H{markup.number(until)}", class_=kind)


def hint(row: view.Row, view_: view.View) -> str:
    """A trial in a few words."""
    value = view_.objective_value(row)
    told = f"{view_.metric} {wording.figure(value)}" if value is not None else row.reason or row.phase.value
    return f"trial {row.number}: {told}"


def told(row: view.Row) -> str:
    """How a trial stands, for a table."""
    return f"{row.phase} ({row.reason})" if row.reason else row.phase.value


def split(rows: Sequence[view.Row], most: int = MARKED) -> tuple[list[view.Row], list[view.Row]]:
    """Those rows that get marks of their own, and the crowd: the best ones, the newest ones, those that run, and of the
    others every so many."""
    if len(rows) <= most:
        return list(rows), []
    third = most // 3
    ranked = sorted((row for row in rows if row.rank is not None), key=lambda row: row.rank or 0)
    chosen = {row.number for row in ranked[:third]} | {row.number for row in rows[-third:]}
    chosen |= {row.number for row in [row for row in rows if row.phase is TrialPhase.RUNNING][:third]}
    others = [row.number for row in rows if row.number not in chosen]
    room = max(1, most - len(chosen))
    chosen |= set(others[:: max(1, -(-len(others) // room))])
    return [row for row in rows if row.number in chosen], [row for row in rows if row.number not in chosen]


def legend(*entries: tuple[str, str]) -> Markup:
    """What the colours mean: pairs of a class and a word."""
    items = [tag("li", tag("i", class_=f"key {kind}", aria_hidden="true"), word) for kind, word in entries]
    return tag("ul", items, class_="legend") if items else NO_LEGEND


def phases(rows: Iterable[view.Row]) -> Markup:
    """A legend of the phases that occur."""
    found = {row.phase for row in rows}
    return legend(*((phase.lower(), phase.value) for phase in TrialPhase if phase in found))
