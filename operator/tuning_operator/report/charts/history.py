"""What every trial reached, and the best so far: does the search still get better?"""

from __future__ import annotations

from tuning_operator.api.trial import TrialPhase
from tuning_operator.report import frame, scale, view, wording
from tuning_operator.report.markup import tag
from tuning_operator.tuner import outcomes

HEIGHT = 300.0


def chart(job: view.View) -> frame.Chart | None:
    """The optimisation history; None while no trial has a value."""
    valued = [row for row in job.rows if row.rank is not None]
    if not valued:
        return None
    area = frame.box(frame.HALF, HEIGHT)
    values = [row.values[job.metric] for row in valued]
    low, high = scale.bounds(values, better=job.direction)
    hidden = sum(not low <= value <= high for value in values)
    target = job.objective.target
    ends = (low, high) if target is None else (min(low, target), max(high, target))
    y = scale.linear(*scale.padded(*ends), area.bottom, area.top, 7)
    numbers = [row.number for row in job.rows]
    x = scale.linear(min(numbers) - 0.5, max(numbers) + 0.5, area.left + 4, area.right - 4)
    steps = _steps(job, valued)
    shown, others = frame.split(valued)
    best = job.best
    marks = [
        frame.mark(
            row,
            x.place(row.number),
            y.place(row.values[job.metric]),
            frame.hint(row, job),
            size=5.5 if row is best else 3.6,
            extra="best" if row is best else "",
        )
        for row in sorted(shown, key=lambda row: row is best)
    ]
    failed = [(x.place(row.number), area.bottom) for row in job.rows if row.phase is TrialPhase.FAILED]
    aim = y.place(target) if target is not None else None
    drawn = frame.drawing(
        frame.HALF,
        HEIGHT,
        f"{job.metric} of {wording.many(len(valued), 'trial')} in the order of their numbers, and the best so far.",
        frame.y_axis(area, y, job.metric),
        frame.x_axis(area, _whole(x), "trial"),
        tag("line", x1=area.left, x2=area.right, y1=aim, y2=aim, class_="target") if aim is not None else None,
        frame.crowd(((x.place(row.number), y.place(row.values[job.metric])) for row in others), "succeeded"),
        frame.crowd(failed, "failed small"),
        frame.stairs([(x.place(n), y.place(value)) for n, value in steps], area.right - 4, "running-best"),
        marks,
    )
    entries = [("succeeded", "trial"), ("best", "best"), ("line-best", "best so far")]
    entries += [("failed", "failed")] * bool(failed) + [("line-target", "target")] * (aim is not None)
    worse = (
        wording.many(hidden, "trial")
        + " far off the others "
        + ("is" if hidden == 1 else "are")
        + " drawn at the edge."
    )
    return frame.Chart(
        "history",
        "Optimisation history",
        [drawn],
        note=worse if hidden else "",
        head=("Trial", f"New best {job.metric}"),
        table=[(str(number), wording.figure(value)) for number, value in steps],
        legend=frame.legend(*entries),
    )


def _steps(job: view.View, valued: list[view.Row]) -> list[tuple[int, float]]:
    """The trials that were better than all before them, and keep to the outcome constraints."""
    steps: list[tuple[int, float]] = []
    for row in valued:
        value = row.values[job.metric]
        if row.reason == outcomes.INFEASIBLE:
            continue
        if not steps or job.direction * value > job.direction * steps[-1][1]:
            steps.append((row.number, value))
    return steps


def _whole(axis: scale.Scale) -> scale.Scale:
    """Trials have whole numbers only."""
    ticks = tuple(tick for tick in axis.ticks if "." not in tick.label and not tick.label.startswith(wording.MINUS))
    return scale.Scale(axis.place, ticks, axis.start, axis.end)
