"""How the trials learned, step by step, and where hopeless ones were stopped."""

from __future__ import annotations

import collections

from tuning_operator.api.trial import TrialPhase
from tuning_operator.report import frame, scale, view, wording
from tuning_operator.report.markup import tag
from tuning_operator.stopping import curve

HEIGHT = 300.0
SERIES = 8
"""Colours that tell curves apart."""
MOST = 240
"""Curves in one chart; more cannot be told apart."""


def chart(job: view.View, metric: str = "") -> frame.Chart | None:
    """The learning curves of a metric (the first objective's, or else the one with most curves); None without any."""
    chosen = metric or _metric(job)
    known = [(row, view.thin(row.curves[chosen])) for row in job.rows if chosen in row.curves]
    known = [(row, one) for row, one in known if len(one.steps) > 1]
    if not known:
        return None
    picked = {row.number for row in frame.split([row for row, _ in known], MOST)[0]}
    drawn = [(row, one) for row, one in known if row.number in picked]
    return frame.Chart(
        "curves",
        "Learning curves",
        [draw(job, chosen, drawn)],
        note=f"{len(drawn)} of {len(known)} curves: the best, the newest and some of the others."
        if len(drawn) < len(known)
        else "",
        head=("Trial", "Stands", "Reports", "Last step", f"Last {chosen}"),
        table=[
            (
                str(row.number),
                frame.told(row),
                str(len(row.curves[chosen].steps)),
                wording.figure(one.steps[-1]),
                wording.figure(one.values[-1]),
            )
            for row, one in drawn
        ],
        legend=frame.legend(*_legend(job, [row for row, _ in drawn])),
    )


def draw(
    job: view.View, metric: str, curves: list[tuple[view.Row, curve.Curve]], *, apart: bool = False
) -> frame.Drawing:
    """The drawing alone, of the curves that are given; with `apart` each in a colour of its own, s0, s1 and so on."""
    area = frame.box(frame.HALF, HEIGHT)
    better = job.direction if metric == job.metric else 0
    values = [value for _, one in curves for value in one.values]
    y = scale.linear(*scale.padded(*scale.bounds(values, better=better)), area.bottom, area.top, 7)
    steps = [step for _, one in curves for step in (min(one.steps), max(one.steps))]
    x = scale.linear(min(steps), max(steps), area.left + 4, area.right - 8)
    best = job.best
    lines, ends = [], []
    own = {row.number: f"s{index % SERIES}" for index, (row, _) in enumerate(curves)} if apart else {}
    for row, one in sorted(curves, key=lambda pair: _order(pair[0], best)):
        points = [(x.place(step), y.place(value)) for step, value in zip(one.steps, one.values, strict=True)]
        extra = own.get(row.number, "")
        kind = extra or ("best" if row is best else row.phase.lower())
        lines.append(tag("g", frame.line(points, f"curve {kind}", row.number), tag("title", frame.hint(row, job))))
        if row.phase is TrialPhase.STOPPED:
            ends.append(
                frame.mark(
                    row, *points[-1], f"trial {row.number} stopped: {row.message or row.reason}", size=3.2, extra=extra
                )
            )
        if row.phase is TrialPhase.RUNNING:
            ends.append(
                frame.mark(
                    row,
                    *points[-1],
                    f"trial {row.number} is at step {wording.figure(one.steps[-1])}",
                    size=3.2,
                    extra=extra,
                )
            )
    stopped = sum(row.phase is TrialPhase.STOPPED for row, _ in curves)
    return frame.drawing(
        frame.HALF,
        HEIGHT,
        f"{metric} by step of {wording.many(len(curves), 'trial')}, {stopped} of them stopped.",
        frame.y_axis(area, y, metric),
        frame.x_axis(area, x, "step"),
        lines,
        ends,
    )


def _order(row: view.Row, best: view.Row | None) -> tuple[bool, bool, bool, int]:
    """Who is drawn later, above the others: the best, then those that run, then those cut short, then the better ones."""
    return row is best, row.phase is TrialPhase.RUNNING, row.phase is not TrialPhase.SUCCEEDED, -(row.rank or 0)


def _metric(job: view.View) -> str:
    counts = collections.Counter(name for row in job.rows for name, one in row.curves.items() if len(one.steps) > 1)
    if job.metric in counts or not counts:
        return job.metric
    return counts.most_common(1)[0][0]


def _legend(job: view.View, rows: list[view.Row]) -> list[tuple[str, str]]:
    found = {row.phase for row in rows}
    entries = [(f"line-{phase.lower()}", phase.value) for phase in TrialPhase if phase in found]
    return [*entries, ("line-best", "best")] if job.best in rows else entries
