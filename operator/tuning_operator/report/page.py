"""The report: one HTML file that needs nothing else, now or in ten years."""

from __future__ import annotations

import functools
import importlib.resources
import json
import shlex
from collections.abc import Callable, Iterable, Sequence

import tuning_operator
from tuning_operator.report import frame, view, wording
from tuning_operator.report.charts import cost, curves, front, history, importance, parallel, slices, timeline
from tuning_operator.report.markup import Markup, join, tag

Draw = Callable[[view.View], frame.Chart | None]

CHARTS: dict[str, Draw] = {
    "history": history.chart,
    "front": front.chart,
    "curves": curves.chart,
    "importance": importance.chart,
    "parallel": parallel.chart,
    "slices": slices.chart,
    "timeline": timeline.chart,
}
NONE = Markup("")
MOST_ROWS = 5000
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
"""The page may load nothing, from nowhere."""


def report(job: view.View) -> str:
    """The report as the text of an HTML file."""
    rows, left_out = job.rows[:MOST_ROWS], len(job.rows) - MOST_ROWS
    body = join(
        tag("header", tag("p", "Tuning report", class_="kicker"), title(job), class_="top"),
        tag(
            "main",
            tiles(job),
            charts(job, first=winner(job)),
            usage(job),
            section(
                "trials",
                "Trials",
                tag("div", trials(job, rows), class_="scroll"),
                note=f"The first {MOST_ROWS:,} of {len(job.rows):,}." if left_out > 0 else "",
            ),
            configuration(job),
        ),
        tag("footer", f"tuning-operator {tuning_operator.__version__} · {job.now:%Y-%m-%d %H:%M} UTC"),
    )
    return document(
        f"{job.name}: tuning report", body, head=tag("meta", http_equiv="Content-Security-Policy", content=POLICY)
    )


def document(heading: str, body: Markup, *, head: Markup | None = None, script: str = "") -> str:
    """A whole page around its body, with styles and script inside."""
    inside = tag(
        "head",
        tag("meta", charset="utf-8"),
        head,
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", heading),
        tag("style", Markup(asset("chart.css") + asset("page.css"))),
    )
    code = tag("script", Markup(script or asset("script.js")))
    return f"<!doctype html>\n{tag('html', inside, tag('body', body, code), lang='en')}\n"


@functools.cache
def asset(name: str) -> str:
    """The text of a file of the page's."""
    return importlib.resources.files(__package__).joinpath("assets", name).read_text("utf-8")


def title(job: view.View) -> Markup:
    """The job's name and how it stands."""
    phase = job.status.phase
    where = tag("span", f"{job.namespace}/", class_="soft") if job.namespace else None
    reason = next((one.reason for one in job.status.conditions if one.type == phase and one.status == "True"), "")
    said = job.status.message or reason
    return join(
        tag("h1", where, job.name, " ", tag("span", phase.value, class_=f"pill {phase.lower()}")),
        tag("p", said, class_="why") if said else None,
    )


def tiles(job: view.View) -> Markup:
    """The figures that people ask for first."""
    counts = job.status.trials
    best = job.best
    value = job.objective_value(best) if best else None
    limit = job.spec.limits.max_trials
    ended = counts.succeeded + counts.failed + counts.stopped
    apart = [
        f"{number:,} {word}"
        for number, word in (
            (counts.failed, "failed"),
            (counts.stopped, "stopped"),
            (counts.running, "running"),
            (counts.pending, "waiting"),
        )
        if number
    ]
    ran = sum(row.ran for row in job.rows)
    aim = f", target {wording.figure(job.objective.target)}" if job.objective.target is not None else ""
    more = job.status.insight.improvement if job.status.insight else None
    hope = f", unlikely to gain more than {wording.figure(more, 2)}" if more is not None else ""
    return tag(
        "section",
        _tile(
            f"Best {job.metric}",
            wording.figure(value) if value is not None else "none yet",
            f"{job.objective.goal}{aim}{hope}",
        ),
        _tile(
            "Trials",
            f"{ended:,}" + (f" of {limit:,}" if limit else ""),
            ", ".join(apart) or "all succeeded" if ended else ", ".join(apart),
        ),
        _tile("Time", wording.elapsed(job.elapsed), f"since {job.start:%Y-%m-%d %H:%M} UTC"),
        _tile(
            "Time of the trials",
            wording.elapsed(ran),
            f"{ran / job.elapsed:.1f} at once on average" if job.elapsed and ran else "",
        ),
        class_="tiles",
        aria_label="In short",
    )


def winner(job: view.View) -> Markup:
    """The best configuration, ready to be copied."""
    return configured(job.best, "Best configuration") if job.best else NONE


def configured(row: view.Row, heading: str) -> Markup:
    """A trial's configuration."""
    pairs = [tag("div", tag("dt", name), tag("dd", wording.setting(value))) for name, value in row.parameters.items()]
    exact = json.dumps(dict(row.parameters))
    shell = " ".join(f"HP_{name}={shlex.quote(str(value))}" for name, value in row.parameters.items())
    return section(
        "best",
        heading,
        tag("dl", pairs, class_="pairs"),
        tag(
            "p",
            tag("button", "Copy as JSON", type="button", data_copy=exact),
            tag("button", "Copy as environment", type="button", data_copy=shell),
            class_="actions",
        ),
        tag("p", _story(row), class_="note", data_t=row.number),
    )


def _story(row: view.Row) -> str:
    """What is worth knowing of a trial beside its configuration."""
    parts = [f"trial {row.number}", *(f"{name} {wording.figure(value)}" for name, value in row.values.items())]
    parts += [f"ran {wording.elapsed(row.ran)}"] * bool(row.spans)
    parts += [f"on {row.profile}"] * bool(row.profile)
    return ", ".join([*parts, f"proposed by: {row.origin}"])


def charts(job: view.View, keys: Iterable[str] = CHARTS, *, first: Markup = NONE) -> Markup:
    """All charts that have something to show. `first` is a card before them, which fills a gap where there would be one."""
    drawn = [chart for key in keys if (chart := CHARTS[key](job)) is not None]
    if not drawn:
        nothing = tag("p", "Nothing to draw yet: no trial has reported a value.", class_="soft")
        return join(first, section("charts", "Charts", nothing))
    even = sum(not chart.wide for chart in drawn) % 2 == 0
    lead = tag("div", first, class_="lead wide" if even else "lead") if first else None
    return tag("div", lead, [card(chart) for chart in drawn], class_="charts")


def card(chart: frame.Chart) -> Markup:
    """A chart with its legend, and its data as a table."""
    data = (
        tag("details", tag("summary", "As a table"), tag("div", grid(chart.head, chart.table), class_="scroll"))
        if chart.table
        else None
    )
    return tag(
        "figure",
        tag("figcaption", tag("h2", chart.title), chart.legend),
        tag("div", [one.svg() for one in chart.drawings], class_="canvas", tabindex="0" if chart.wide else None),
        tag("p", chart.note, class_="note") if chart.note else None,
        data,
        id=chart.key,
        class_=f"card {chart.key}" + (" wide" if chart.wide else ""),
    )


def usage(job: view.View) -> Markup:
    """What the job has used."""
    lines = cost.table(job)
    return section("cost", "What it took", tag("div", grid(cost.HEAD, lines), class_="scroll")) if lines else NONE


def trials(
    job: view.View,
    rows: Sequence[view.Row],
    *,
    head: Callable[[str, str], Markup] | None = None,
    lead: Callable[[view.Row], Markup] | None = None,
) -> Markup:
    """The trials as a table that can be sorted.

    `head` makes a column's head from its key (such as m.accuracy or p.lr) and its title, `lead` a row's first cell.
    """
    names = [parameter.name for parameter in job.spec.parameters]
    metrics = [one.metric for one in job.spec.objectives]
    columns = [("trial", "trial"), ("phase", "phase"), *((f"m.{name}", name) for name in metrics)]
    columns += [(f"p.{name}", name) for name in names]
    columns += [("ran", "ran"), *[("profile", "profile")] * bool(job.spec.profiles), ("reason", "reason")]
    make = head or (lambda _, text: tag("th", tag("button", text, type="button"), scope="col"))
    first = lead or (lambda row: tag("th", row.number, scope="row", data_v=row.number))
    return tag(
        "table",
        tag("thead", tag("tr", [make(key, text) for key, text in columns])),
        tag("tbody", [_trial(job, row, first(row), metrics, names) for row in rows]),
        class_="trials",
    )


def _trial(job: view.View, row: view.Row, first: Markup, metrics: list[str], names: list[str]) -> Markup:
    cells = [first, tag("td", tag("span", row.phase.value, class_=f"pill {row.phase.lower()}"))]
    cells += [_cell(row.values.get(name)) for name in metrics]
    cells += [_cell(row.parameters.get(name)) for name in names]
    cells.append(tag("td", wording.elapsed(row.ran) if row.spans else "", data_v=row.ran, class_="n"))
    if job.spec.profiles:
        cells.append(tag("td", row.profile))
    cells.append(tag("td", row.reason, title=row.message or None, class_="soft"))
    return tag("tr", cells, data_t=row.number, class_="best" if row is job.best else None)


def _cell(value: int | float | str | None) -> Markup:
    match value:
        case None:
            return tag("td")
        case str():
            return tag("td", value)
        case _:
            return tag(
                "td",
                wording.figure(value, 5) if isinstance(value, float) else str(value),
                data_v=repr(value),
                class_="n",
            )


def configuration(job: view.View) -> Markup:
    """What was asked for, in the words of the manifest."""
    wire = {key: value for key, value in job.spec.to_wire().items() if key != "template"}
    text = json.dumps(wire, indent=2, ensure_ascii=False)
    return tag("details", tag("summary", "Specification"), tag("pre", text), class_="card", id="specification")


def section(key: str, heading: str, *content: Markup, note: str = "") -> Markup:
    """A part of the page with a heading."""
    return tag(
        "section", tag("h2", heading), content, tag("p", note, class_="note") if note else None, id=key, class_="card"
    )


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """A plain table."""
    return tag(
        "table",
        tag("thead", tag("tr", [tag("th", text, scope="col") for text in head])),
        tag(
            "tbody", [tag("tr", tag("th", row[0], scope="row"), [tag("td", text) for text in row[1:]]) for row in rows]
        ),
    )


def _tile(name: str, figure: str, detail: str) -> Markup:
    return tag(
        "div",
        tag("p", name, class_="label"),
        tag("p", figure, class_="big"),
        tag("p", detail, class_="soft"),
        class_="tile",
    )
