"""Which parameters made the difference."""

from __future__ import annotations

from tuning_operator.report import frame, markup, view, wording
from tuning_operator.report.markup import tag

ROW = 26.0
MOST = 16


def chart(job: view.View) -> frame.Chart | None:
    """Bars of importance, largest first; None where it is not known."""
    shown = list(job.importance.items())[:MOST]
    if not shown:
        return None
    longest = max(value for _, value in shown) or 1.0
    left, right = 132.0, frame.HALF - 62.0
    height = max(5, len(shown)) * ROW + 18.0
    bars = []
    for index, (name, value) in enumerate(shown):
        y = 8.0 + index * ROW
        width = max(1.5, (right - left) * max(0.0, value) / longest)
        bars.append(
            tag(
                "g",
                tag("text", name if len(name) <= 17 else f"{name[:16]}…", x=left - 10, y=y + 14.5, class_="name"),
                tag("path", d=_bar(left, y + 2, width, ROW - 8), class_="bar succeeded"),
                tag("text", _percent(value), x=left + width + 8, y=y + 14.5, class_="figure"),
                tag("title", f"{name}: {_percent(value)}"),
            )
        )
    left_out = len(job.importance) - len(shown)
    return frame.Chart(
        "importance",
        "Importance of the parameters",
        [
            frame.drawing(
                frame.HALF, height, f"Importance of {wording.many(len(shown), 'parameter')} for {job.metric}.", bars
            )
        ],
        note=job.importance_note + (f" {left_out} more matter less." if left_out else ""),
        head=("Parameter", "Importance"),
        table=[(name, _percent(value)) for name, value in job.importance.items()],
    )


def _bar(x: float, y: float, width: float, height: float, bend: float = 3.0) -> str:
    """A bar with a round end."""
    n = markup.number
    bend = min(bend, width / 2)
    return f"M{n(x)} {n(y)}h{n(width - bend)}q{n(bend)} 0 {n(bend)} {n(bend)}v{n(height - 2 * bend)}q0 {n(bend)} {n(-bend)} {n(bend)}h{n(bend - width)}z"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %" if value >= 0.01 else f"{100 * value:.1f} %"
