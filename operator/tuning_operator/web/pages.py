"""The pages, as markup. Each part that changes has an id, by which the script replaces it without a jump."""

from __future__ import annotations

import datetime
import urllib.parse
from collections.abc import Mapping, Sequence

from tuning_operator.api.job import JobStatus
from tuning_operator.report import frame, page, view, wording
from tuning_operator.report.charts import curves
from tuning_operator.report.markup import Markup, join, tag
from tuning_operator.stopping import curve
from tuning_operator.web import source
from tuning_operator.web.query import PHASES, Query, Shown

MOST_COMPARED = 12


def document(heading: str, where: Sequence[tuple[str, str]], main: Markup) -> str:
    """A whole page; `where` are the steps to it, as pairs of an address and a title."""
    steps = [tag("a", title, href=address) for address, title in where]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", heading),
        tag("link", rel="icon", href="/assets/icon.svg"),
        tag("link", rel="stylesheet", href="/assets/style.css"),
        tag("script", src="/assets/page.js", defer=True),
    )
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        tag(
            "nav",
            [join(" / " if index else "", step) for index, step in enumerate(steps)],
            class_="kicker",
            aria_label="Where you are",
        ),
        tag("main", main, id="content"),
        tag("footer", tag("span", "", id="live", role="status")),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def jobs(briefs: Sequence[source.Brief], now: datetime.datetime) -> Markup:
    """All jobs: those that are at work first, then the newest."""
    ordered = sorted(
        briefs, key=lambda one: (one.status.phase.is_finished(), -_begun(one.status, now), one.namespace, one.name)
    )
    if not ordered:
        return join(
            tag("h1", "Tuning jobs"),
            tag("p", "There are none yet. One appears here as soon as it is applied.", class_="soft", id="jobs"),
        )
    head = [tag("th", text, scope="col") for text in ("job", "phase", "trials", "best", "running", "for", "message")]
    rows = [_brief(one, now) for one in ordered]
    table = tag("table", tag("thead", tag("tr", head)), tag("tbody", rows), class_="jobs")
    return join(
        tag("h1", "Tuning jobs"), tag("section", tag("div", table, class_="scroll tall"), class_="card", id="jobs")
    )


def job(seen: view.View, charts: Markup, shown: Shown, query: Query) -> Markup:
    """One job. `charts` are its drawings, which take longest to make and are made for all who look."""
    return join(
        tag("header", page.title(seen), id="title"),
        tag("div", page.tiles(seen), id="tiles"),
        tag("div", charts, id="drawings"),
        tag("div", page.usage(seen), id="used"),
        tag("section", _trials(seen, shown, query), class_="card", id="trials"),
        page.configuration(seen),
    )


def trial(seen: view.View, row: view.Row, log: source.Log, live: Mapping[str, curve.Curve]) -> Markup:
    """One trial: its configuration, its curves and its log."""
    reported = {**row.curves, **live}
    drawn = [_curve(seen, row, name, one) for name, one in reported.items() if len(one) > 1]
    spans = [
        (
            str(number),
            span.phase.value,
            span.node or wording.NOTHING,
            span.reason or wording.NOTHING,
            wording.elapsed(span.end - span.start),
        )
        for number, span in enumerate(row.spans, 1)
    ]
    summaries = [
        (one.metric, str(one.count), *(_number(value) for value in (one.first, one.last, one.min, one.max, one.mean)))
        for one in row.metrics
    ]
    why = ": ".join(filter(None, (row.reason, row.message)))
    return join(
        tag(
            "header",
            tag("h1", f"Trial {row.number} ", tag("span", row.phase.value, class_=f"pill {row.phase.lower()}")),
            tag("p", why, class_="why") if why else None,
            id="title",
        ),
        tag("div", page.configured(row, "Configuration"), id="configured"),
        tag("div", drawn, class_="charts", id="drawings"),
        tag(
            "div",
            page.section(
                "metrics",
                "Metrics",
                page.grid(("Metric", "Reports", "First", "Last", "Smallest", "Largest", "Mean"), summaries),
            ),
            id="reported",
        )
        if summaries
        else None,
        tag(
            "div",
            page.section("attempts", "Attempts", page.grid(("Attempt", "Phase", "Node", "Reason", "Ran"), spans)),
            id="tried",
        )
        if spans
        else None,
        tag(
            "section",
            tag("h2", "Log"),
            tag("p", log.note, class_="note") if log.note else None,
            tag("pre", log.text, tabindex="0", class_="log") if log.text else None,
            class_="card",
            id="log",
        ),
    )


def compare(seen: view.View, rows: Sequence[view.Row]) -> Markup:
    """Several trials side by side."""
    head = [tag("th", "")] + [
        tag("th", tag("a", f"trial {row.number}", href=f"trials/{row.number}"), scope="col") for row in rows
    ]
    lines = [_line("phase", [frame.told(row) for row in rows])]
    lines += [_line(one.metric, [_number(row.values.get(one.metric)) for row in rows]) for one in seen.spec.objectives]
    for parameter in seen.spec.parameters:
        given = [row.parameters.get(parameter.name) for row in rows]
        lines.append(
            _line(parameter.name, [wording.NOTHING if value is None else wording.setting(value) for value in given])
        )
    lines.append(_line("ran", [wording.elapsed(row.ran) for row in rows]))
    known = [(row, view.thin(row.curves[seen.metric])) for row in rows if len(row.curves.get(seen.metric, ())) > 1]
    chart = (
        frame.Chart(
            "curves",
            "Learning curves",
            [curves.draw(seen, seen.metric, known, apart=True)],
            legend=frame.legend(
                *((f"line-s{index % curves.SERIES}", f"trial {row.number}") for index, (row, _) in enumerate(known))
            ),
        )
        if known
        else None
    )
    return join(
        tag("h1", "Trials compared"),
        tag(
            "section",
            tag(
                "div",
                tag("table", tag("thead", tag("tr", head)), tag("tbody", lines), class_="compared"),
                class_="scroll",
            ),
            class_="card",
            id="compared",
        ),
        tag("div", page.card(chart), class_="charts", id="drawings") if chart else None,
    )


def problem(heading: str, message: str) -> Markup:
    """Why there is no page, and where to go."""
    return join(tag("h1", heading), tag("p", message), tag("p", tag("a", "All jobs", href="/")))


def _trials(seen: view.View, shown: Shown, query: Query) -> Markup:
    counts = {phase: sum(row.phase == phase for row in seen.rows) for phase in PHASES}
    filters = [
        ("", f"all {len(seen.rows):,}"),
        *((phase, f"{phase} {count:,}") for phase, count in counts.items() if count),
    ]
    links = [
        tag(
            "a",
            text,
            href=query.link(phase=phase, page=1),
            class_="chip",
            aria_current="true" if phase == query.phase else None,
            data_part=True,
        )
        for phase, text in filters
    ]

    def head(key: str, text: str) -> Markup:
        return tag(
            "th", tag("a", text, href=query.by(key), data_part=True), scope="col", aria_sort=query.direction(key)
        )

    def lead(row: view.Row) -> Markup:
        choose = tag(
            "input", type="checkbox", name="t", value=str(row.number), aria_label=f"compare trial {row.number}"
        )
        return tag("th", choose, " ", tag("a", row.number, href=f"{_path(seen)}/trials/{row.number}"), scope="row")

    return join(
        tag("h2", "Trials"),
        tag("p", links, class_="chips"),
        tag(
            "form",
            tag("div", page.trials(seen, shown.rows, head=head, lead=lead), class_="scroll tall"),
            tag("p", tag("button", "Compare the chosen ones", type="submit"), _pager(shown, query), class_="actions"),
            action=f"{_path(seen)}/compare",
            method="get",
        ),
    )


def _pager(shown: Shown, query: Query) -> Markup:
    if shown.pages < 2:
        return page.NONE
    steps = [("Earlier", shown.page - 1), ("Later", shown.page + 1)]
    links = [
        tag("a", text, href=query.link(page=number), data_part=True)
        for text, number in steps
        if 1 <= number <= shown.pages
    ]
    return tag("span", f"Page {shown.page} of {shown.pages} ", [join(link, " ") for link in links], class_="soft")


def _brief(one: source.Brief, now: datetime.datetime) -> Markup:
    status = one.status
    done, _, limit = status.progress.partition("/")
    bar = (
        tag("progress", value=done, max=limit, aria_label=f"{done} of {limit} trials")
        if limit.isdigit() and done.isdigit()
        else None
    )
    until = status.completion_time or now
    lasted = wording.elapsed((until - status.start_time).total_seconds()) if status.start_time else ""
    where = tag("span", f"{one.namespace}/", class_="soft") if one.namespace else None
    return tag(
        "tr",
        tag("th", tag("a", where, one.name, href=address(one.namespace, one.name)), scope="row"),
        tag("td", tag("span", status.phase.value, class_=f"pill {status.phase.lower()}")),
        tag("td", bar, " ", status.progress),
        tag("td", f"{one.objective} {status.best_value}" if status.best_value else ""),
        tag("td", str(status.trials.running) if status.trials.running else "", class_="n"),
        tag("td", lasted),
        tag("td", status.message, class_="soft", title=status.message or None),
    )


def address(namespace: str, name: str) -> str:
    """The path of a job's page."""
    return f"/jobs/{urllib.parse.quote(namespace or '-')}/{urllib.parse.quote(name)}"


def _path(seen: view.View) -> str:
    return address(seen.namespace, seen.name)


def _curve(seen: view.View, row: view.Row, name: str, one: curve.Curve) -> Markup:
    best = seen.best
    beside = (
        [(best, view.thin(best.curves[name]))]
        if best and best is not row and len(best.curves.get(name, ())) > 1
        else []
    )
    entries = [(f"line-{row.phase.lower()}", "this trial"), *[("line-best", "best trial")] * bool(beside)]
    drawing = curves.draw(seen, name, [*beside, (row, view.thin(one))])
    return page.card(frame.Chart(f"curve-{name}", name, [drawing], legend=frame.legend(*entries)))


def _line(name: str, texts: Sequence[str]) -> Markup:
    differ = "differs" if len(set(texts)) > 1 else None
    return tag("tr", tag("th", name, scope="row"), [tag("td", text) for text in texts], class_=differ)


def _number(value: float | None) -> str:
    return wording.NOTHING if value is None else wording.figure(value)


def _begun(status: JobStatus, now: datetime.datetime) -> float:
    return (status.start_time or now).timestamp()
