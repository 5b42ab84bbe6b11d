"""Which trial ran when, where and for how long, and what it waited for: is the machine used?"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from tuning_operator.api.trial import AttemptPhase, TrialPhase
from tuning_operator.report import frame, markup, scale, view, wording
from tuning_operator.report.markup import Markup, tag

TALLEST = 260.0
"""Height of one profile's lanes, at most."""
MOST_LANES = 64
MOST_BARS = 1500
"""Bars that know their trial; more are drawn as one shape."""
SHORTEST_WAIT = 0.5
"""Seconds of waiting that are worth a bar."""


def chart(job: view.View) -> frame.Chart | None:
    """The trials in time, in lanes, by profile; None before the first one runs."""
    groups = _groups(job)
    if not any(row.spans for rows in groups.values() for row in rows):
        return None
    left, right, y = 16.0, frame.FULL - 16.0, 8.0
    x = scale.time(job.elapsed, left, right, 8)
    parts: list[Markup] = []
    table = []
    for name, rows in groups.items():
        lanes = _lanes(rows)
        busy, waited = sum(row.ran for row in rows), sum(_wait(row)[1] - _wait(row)[0] for row in rows)
        share = busy / (len(lanes) * job.elapsed) if lanes and job.elapsed else 0.0
        title = f"{name or 'trials'}: {len(lanes)} at once, busy {100 * share:.0f} %"
        parts.append(tag("text", title, x=left, y=y + 14, class_="name start"))
        y += 24
        drawn, height = _crowded(rows, x, y) if len(lanes) > MOST_LANES else _bars(job, lanes, x, y)
        parts.append(drawn)
        y += height + 14
        table.append(
            (
                name or "all",
                str(len(rows)),
                str(len(lanes)),
                wording.elapsed(busy),
                wording.elapsed(waited),
                f"{100 * share:.0f} %",
            )
        )
    area = frame.Box(left, 8.0, right, y)
    grid = [tag("line", x1=tick.place, x2=tick.place, y1=30.0, y2=y, class_="grid") for tick in x.ticks]
    return frame.Chart(
        "timeline",
        "Timeline",
        [
            frame.drawing(
                frame.FULL,
                y + 28,
                f"When each of {wording.many(len(job.rows), 'trial')} waited and ran, over {wording.elapsed(job.elapsed)}.",
                grid,
                parts,
                frame.x_axis(area, x),
            )
        ],
        wide=True,
        head=("Profile", "Trials", "At once", "Ran", "Waited", "Busy"),
        table=table,
        legend=frame.legend(*_legend(job)),
    )


def _groups(job: view.View) -> dict[str, list[view.Row]]:
    groups: dict[str, list[view.Row]] = {profile.name: [] for profile in job.spec.profiles}
    for row in job.rows:
        groups.setdefault(row.profile, []).append(row)
    return {name: rows for name, rows in groups.items() if rows}


def _wait(row: view.Row) -> tuple[float, float]:
    """From when until when a trial waited before it first ran."""
    until = row.start if row.start is not None else row.end if row.end is not None else None
    return row.created, max(row.created, until if until is not None else row.created)


def _lanes(rows: Sequence[view.Row]) -> list[list[view.Row]]:
    """As few lanes as hold the trials without overlap. A trial takes its lane when it first runs."""
    running = sorted((row for row in rows if row.spans), key=lambda row: (row.spans[0].start, row.number))
    lanes: list[list[view.Row]] = []
    free: list[tuple[float, int]] = []
    for row in running:
        # Clocks of nodes differ a little: an overlap of that size is none.
        if free and free[0][0] <= row.spans[0].start + 0.05:
            _, index = heapq.heappop(free)
        else:
            index = len(lanes)
            lanes.append([])
        lanes[index].append(row)
        heapq.heappush(free, (row.spans[-1].end, index))
    return lanes


def _bars(job: view.View, lanes: list[list[view.Row]], x: scale.Scale, top: float) -> tuple[Markup, float]:
    height = min(18.0, max(3.0, TALLEST / max(1, len(lanes))))
    gap = 1.0 if height < 6 else 2.0
    known = sum(map(len, lanes)) <= MOST_BARS
    parts: list[Markup] = []
    crowd: dict[str, list[str]] = {}
    for index, lane in enumerate(lanes):
        y = top + index * height
        free = 0.0
        for row in lane:
            begun, until = _wait(row)
            # Waits overlap what ran in the lane before; only what is left of them has room in it.
            begun = max(begun, free)
            bars = [("waiting", begun, until)] if until - begun > SHORTEST_WAIT else []
            bars += [(_kind(job, row, span), span.start, span.end) for span in row.spans]
            free = row.spans[-1].end
            shapes = [
                (kind, _rect(x.place(start), y, max(1.0, x.place(end) - x.place(start)), height - gap))
                for kind, start, end in bars
            ]
            if known:
                drawn = [tag("path", d=d, class_=f"bar {kind}") for kind, d in shapes]
                said = f"{frame.hint(row, job)}; ran {wording.elapsed(row.ran)}" + (
                    f" on {row.spans[-1].node}" if row.spans[-1].node else ""
                )
                parts.append(tag("g", drawn, tag("title", said), data_t=row.number))
            else:
                for kind, d in shapes:
                    crowd.setdefault(kind, []).append(d)
    parts += [tag("path", d="".join(shapes), class_=f"bar {kind}") for kind, shapes in crowd.items()]
    return tag("g", parts, class_="lanes"), len(lanes) * height


def _kind(job: view.View, row: view.Row, span: view.Span) -> str:
    if span.phase is AttemptPhase.LOST:
        return "lost"
    if row is job.best:
        return "best"
    return row.phase.lower() if row.phase is not TrialPhase.PENDING else "running"


def _crowded(rows: Sequence[view.Row], x: scale.Scale, top: float) -> tuple[Markup, float]:
    """How many run at each moment, where there are too many lanes to draw."""
    changes = sorted(
        (moment, step) for row in rows for span in row.spans for moment, step in ((span.start, 1), (span.end, -1))
    )
    count = highest = 0
    points: list[tuple[float, int]] = []
    for moment, step in changes:
        count += step
        highest = max(highest, count)
        points.append((x.place(moment), count))
    height = TALLEST * 0.6
    n = markup.number
    shape = "".join(f"H{n(place)}V{n(top + height * (1 - now / max(1, highest)))}" for place, now in points)
    return tag(
        "path", d=f"M{n(x.start)} {n(top + height)}{shape}H{n(x.end)}V{n(top + height)}z", class_="bar succeeded"
    ), height


def _rect(x: float, y: float, width: float, height: float) -> str:
    n = markup.number
    return f"M{n(x)} {n(y)}h{n(width)}v{n(height)}h{n(-width)}z"


def _legend(job: view.View) -> list[tuple[str, str]]:
    found = {row.phase for row in job.rows if row.spans}
    entries = [
        (phase.lower(), phase.value) for phase in TrialPhase if phase in found and phase is not TrialPhase.PENDING
    ]
    if any(span.phase is AttemptPhase.LOST for row in job.rows for span in row.spans):
        entries.append(("lost", "lost attempt"))
    if any(row.spans and _wait(row)[1] - _wait(row)[0] > SHORTEST_WAIT for row in job.rows):
        entries.append(("waiting", "waiting"))
    return [*entries, ("best", "best")]
