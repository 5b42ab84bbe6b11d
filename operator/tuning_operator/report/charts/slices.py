"""The objective against each parameter alone: where in its range are the good values?"""

from __future__ import annotations

import random

from tuning_operator.api.job import Parameter
from tuning_operator.report import frame, scale, view, wording
from tuning_operator.report.charts import parallel

WIDTH, HEIGHT = 330.0, 230.0
MOST = 12


def chart(job: view.View) -> frame.Chart | None:
    """A small drawing for each parameter; None with fewer than two finished trials."""
    valued = [row for row in job.rows if row.rank is not None]
    if len(valued) < 2:
        return None
    parameters = parallel.chosen(job, MOST)
    left_out = len(job.spec.parameters) - len(parameters)
    shown, others = frame.split(valued, max(100, frame.MARKED // len(parameters)))
    drawings = [_slice(job, parameter, shown, others) for parameter in parameters]
    return frame.Chart(
        "slices",
        f"{job.metric} by parameter",
        drawings,
        note=f"{left_out} parameters that matter less are left out." if left_out else "",
        wide=True,
        legend=frame.legend(("q0", "early trial"), ("q4", "late trial"), ("best", "best")),
    )


def _slice(job: view.View, parameter: Parameter, shown: list[view.Row], others: list[view.Row]) -> frame.Drawing:
    area = frame.box(WIDTH, HEIGHT, left=58.0)
    values = [row.values[job.metric] for row in (*shown, *others)]
    y = scale.linear(*scale.padded(*scale.bounds(values, better=job.direction)), area.bottom, area.top, 4)
    x = parallel.axis(job, parameter, area.left + 5, area.right - 5, 4)
    width = (x.end - x.start) / len(parameter.values) * 0.5 if parameter.values is not None else 0.0

    def place(row: view.Row) -> tuple[float, float]:
        # Choices are spread out a little, always in the same way, or their dots would hide each other.
        aside = (random.Random(row.number).random() - 0.5) * width
        return x.place(parallel.at(parameter, row.parameters[parameter.name])) + aside, y.place(row.values[job.metric])

    having = [row for row in shown if parameter.name in row.parameters]
    last = max(row.number for row in (*shown, *others)) + 1
    marks = [
        frame.mark(
            row,
            *place(row),
            f"{frame.hint(row, job)}, {parameter.name}={wording.setting(row.parameters[parameter.name])}",
            size=5.0 if row is job.best else 3.2,
            extra="best" if row is job.best else f"q{5 * row.number // last}",
        )
        for row in sorted(having, key=lambda row: row is job.best)
    ]
    crowd = frame.crowd((place(row) for row in others if parameter.name in row.parameters), "succeeded")
    label = f"{job.metric} against {parameter.name}, {wording.many(len(having), 'trial')}."
    return frame.drawing(
        WIDTH, HEIGHT, label, frame.y_axis(area, y), frame.x_axis(area, x, parameter.name), crowd, marks
    )
