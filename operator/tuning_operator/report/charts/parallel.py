"""Every configuration as one line across all parameters: which values go together in the good ones?"""

from __future__ import annotations

import math

from tuning_operator.api.base import Scalar
from tuning_operator.api.job import Parameter, Scale
from tuning_operator.report import frame, scale, view, wording
from tuning_operator.report.markup import Markup, tag

HEIGHT = 340.0
MOST = 300
"""Lines that are drawn."""
MOST_AXES = 12


def chart(job: view.View) -> frame.Chart | None:
    """The parallel coordinates; None with fewer than two finished trials."""
    valued = [row for row in job.rows if row.rank is not None]
    if len(valued) < 2:
        return None
    shown, others = frame.split(valued, MOST)
    parameters = chosen(job, MOST_AXES)
    area = frame.Box(40.0, 34.0, frame.FULL - 78.0, HEIGHT - 30.0)
    values = [row.values[job.metric] for row in valued]
    low, high = scale.bounds(values, better=job.direction)
    objective = scale.linear(low, high, area.bottom, area.top)
    places = [area.left + (area.right - area.left) * i / len(parameters) for i in range(len(parameters) + 1)]
    # A parameter that a trial does not have stands on a line of its own, below the axis.
    axes = [axis(job, parameter, area.bottom, area.top) for parameter in parameters]
    lines = []
    for row in sorted(shown, key=lambda row: -(row.rank or 0)):
        points = [
            (
                place,
                one.place(at(parameter, row.parameters[parameter.name]))
                if parameter.name in row.parameters
                else area.bottom + 16,
            )
            for place, parameter, one in zip(places, parameters, axes, strict=False)
        ]
        points.append((places[-1], objective.place(row.values[job.metric])))
        kind = "best" if row is job.best else f"q{quantile(row, len(valued))}"
        lines.append(
            tag(
                "g",
                frame.line(points, f"way {kind}", row.number),
                tag("title", f"{frame.hint(row, job)} {wording.settings(row.parameters)}"),
            )
        )
    rules = [
        _rule(area, place, one, parameter.name) for place, one, parameter in zip(places, axes, parameters, strict=False)
    ]
    left_out = len(job.spec.parameters) - len(parameters)
    notes = [
        f"{len(shown)} of {len(valued):,} trials: the best, the newest and some of the others." if others else "",
        f"{left_out} parameters that matter less are left out." if left_out else "",
        "A line that dips below an axis belongs to a trial without that parameter."
        if any(p.when for p in parameters)
        else "",
    ]
    return frame.Chart(
        "parallel",
        "Parallel coordinates",
        [
            frame.drawing(
                frame.FULL,
                HEIGHT,
                f"Configurations of {wording.many(len(shown), 'trial')} as lines across {len(parameters)} parameters, coloured by {job.metric}.",
                tag("g", lines, class_="ways"),
                rules,
                _rule(area, places[-1], objective, job.metric, "objective"),
            )
        ],
        note=" ".join(note for note in notes if note),
        wide=True,
        legend=frame.legend(
            ("line-q0", "worst fifth"), ("line-q2", "middle"), ("line-q4", "best fifth"), ("line-best", "best")
        ),
    )


def axis(job: view.View, parameter: Parameter, start: float, end: float, count: int = 5) -> scale.Scale:
    """The axis of a parameter, over what its spec allows."""
    if parameter.values is not None:
        return scale.category([str(value) for value in parameter.values], start, end)
    low, high = parameter.min, parameter.max
    if low is None or high is None:
        seen = [at(parameter, row.parameters[parameter.name]) for row in job.rows if parameter.name in row.parameters]
        low, high = scale.bounds(seen)
    return (scale.log if parameter.scale is Scale.LOG else scale.linear)(low, high, start, end, count)


def at(parameter: Parameter, value: Scalar) -> float:
    """A value as its axis takes it: choices by their index."""
    if parameter.values is not None:
        known = list(map(str, parameter.values))
        return float(known.index(str(value))) if str(value) in known else -1.0
    try:
        return float(value)
    except ValueError:
        return math.nan


def chosen(job: view.View, most: int) -> list[Parameter]:
    """The parameters to show, in the order of the spec; those that matter most where there are too many."""
    if len(job.spec.parameters) <= most:
        return list(job.spec.parameters)
    ordered = sorted(job.spec.parameters, key=lambda parameter: -job.importance.get(parameter.name, 0.0))[:most]
    return [parameter for parameter in job.spec.parameters if parameter in ordered]


def quantile(row: view.Row, count: int) -> int:
    """The fifth that a trial is in: 0 for the worst, 4 for the best."""
    return 4 - min(4, 5 * (row.rank or 0) // max(1, count))


def _rule(area: frame.Box, place: float, one: scale.Scale, name: str, kind: str = "") -> Markup:
    labels = [
        (
            tag("line", x1=place - 3, x2=place + 3, y1=tick.place, y2=tick.place, class_="rule"),
            tag("text", tick.label, x=place + 7, y=tick.place + 4, class_="tick halo"),
        )
        for tick in one.ticks
    ]
    title = name if len(name) <= 18 else f"{name[:17]}…"
    rule = tag("line", x1=place, x2=place, y1=area.top, y2=area.bottom, class_="rule strong")
    return tag(
        "g",
        rule,
        labels,
        tag("text", title, x=place, y=area.top - 16, class_="axis middle"),
        class_=f"pillar {kind}".strip(),
    )
