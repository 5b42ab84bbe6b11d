"""Two objectives against each other, and the trials between which a person has to choose."""

from __future__ import annotations

from tuning_operator.api.job import Goal
from tuning_operator.report import frame, scale, view, wording

HEIGHT = 300.0


def chart(job: view.View) -> frame.Chart | None:
    """The Pareto front over the first two objectives; None with a single one, or while nothing is known."""
    if len(job.spec.objectives) < 2:
        return None
    first, second = job.spec.objectives[:2]
    valued = [row for row in job.rows if first.metric in row.values and second.metric in row.values]
    if not valued:
        return None
    area = frame.box(frame.HALF, HEIGHT)
    x, y = (
        scale.linear(
            *scale.padded(
                *scale.bounds((row.values[one.metric] for row in valued), better=1 if one.goal is Goal.MAXIMIZE else -1)
            ),
            *ends,
        )
        for one, ends in ((first, (area.left + 4, area.right - 4)), (second, (area.bottom, area.top)))
    )
    front = sorted(job.front, key=lambda row: row.values[first.metric])
    chosen = {row.number for row in front}
    shown, others = frame.split(valued)

    def place(row: view.Row) -> tuple[float, float]:
        return x.place(row.values[first.metric]), y.place(row.values[second.metric])

    def hint(row: view.Row) -> str:
        return f"trial {row.number}: " + ", ".join(
            f"{name} {wording.figure(value)}" for name, value in row.values.items()
        )

    marks = [frame.mark(row, *place(row), hint(row), size=3.4) for row in shown if row.number not in chosen]
    marks += [frame.mark(row, *place(row), hint(row), size=5.0, extra="best") for row in front]
    path = (
        frame.line([place(row) for row in front], "running-best")
        if len(front) > 1 and len(job.spec.objectives) == 2
        else None
    )
    names = [one.metric for one in job.spec.objectives]
    return frame.Chart(
        "front",
        "Pareto front",
        [
            frame.drawing(
                frame.HALF,
                HEIGHT,
                f"{second.metric} against {first.metric} of {wording.many(len(valued), 'trial')}; {len(front)} are on the front.",
                frame.y_axis(area, y, f"{second.metric} ({second.goal})"),
                frame.x_axis(area, x, f"{first.metric} ({first.goal})"),
                frame.crowd((place(row) for row in others if row.number not in chosen), "succeeded"),
                path,
                marks,
            )
        ],
        note=f"Of {len(names)} objectives, the first two are drawn." if len(names) > 2 else "",
        head=("Trial", *names, "Configuration"),
        table=[
            (
                str(row.number),
                *(wording.figure(row.values[name]) for name in names if name in row.values),
                wording.settings(row.parameters),
            )
            for row in front
        ],
        legend=frame.legend(("succeeded", "trial"), ("best", "front")),
    )
