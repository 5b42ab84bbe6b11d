"""Every chart, for every kind of job that may come."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from tests import builders as manifests
from tests.unit.report import builders
from tuning_operator.report import page, picture, view
from tuning_operator.stopping import curve
from tuning_operator.tuner import state


def valued(*values: float, **fields: object) -> state.Snapshot:
    trials = [builders.one(n, begun=10.0 * n, values={"accuracy": value}) for n, value in enumerate(values)]
    return builders.snapshot(*trials, **fields)  # type: ignore[arg-type]


HOSTILE = '<script>alert("x")</script>&'
JOBS = {
    "nothing-yet": builders.snapshot(),
    "one-that-waits": builders.snapshot(builders.one(0, phase="Pending")),
    "one": valued(0.5),
    "all-failed": builders.snapshot(*(builders.one(n, phase="Failed", reason="NonZeroExit") for n in range(4))),
    "all-equal": valued(*[0.7] * 12),
    "huge-and-tiny": valued(1e300, -1e300, 1e-300, 0.0, 5e-324),
    "one-diverged": valued(*[0.9 + n / 100 for n in range(10)], -1e12),
    "study": builders.study(60),
    "two-objectives": builders.study(60, objectives=2),
    "a-target-far-away": valued(0.1, 0.2, objectives=[manifests.objective(target=1000.0)]),
    "hostile-words": builders.snapshot(
        *(
            builders.one(
                n, values={"accuracy": 0.1 * n}, parameters={"kernel": HOSTILE}, message=HOSTILE, reason=HOSTILE
            )
            for n in range(3)
        ),
        parameters=[manifests.choice("kernel", HOSTILE, "b")],
    ),
    "a-choice-that-is-no-more": builders.snapshot(
        *(builders.one(n, values={"accuracy": 0.1 * n}, parameters={"kernel": "gone"}) for n in range(3)),
        parameters=[manifests.choice("kernel", "a", "b")],
    ),
    "no-time-passed": builders.snapshot(builders.one(0, ran=0.0, values={"accuracy": 1.0}), now=0.0),
    "one-step-only": builders.snapshot(builders.one(0, curves={"accuracy": curve.Curve.of(0.5)})),
    "another-metric-s-curve": builders.snapshot(builders.one(0, curves={"loss": curve.Curve.of(3.0, 2.0)})),
    "forty-parameters": builders.snapshot(
        *(
            builders.one(n, values={"accuracy": n / 10}, parameters={f"p{i}": n / 10 for i in range(40)})
            for n in range(5)
        ),
        parameters=[manifests.real(f"p{i}") for i in range(40)],
    ),
    "a-crowd": builders.study(3000, lanes=90),
}


@pytest.fixture(scope="module", params=JOBS, ids=str)
def job(request: pytest.FixtureRequest) -> view.View:
    return builders.seen(JOBS[request.param], importance={"lr": 0.9, "layers": 0.1})


@pytest.mark.parametrize("name", page.CHARTS)
def test_a_chart_is_sound_whatever_the_job(job: view.View, name: str) -> None:
    chart = page.CHARTS[name](job)
    if chart is None:
        return
    for drawing in chart.drawings:
        element = ElementTree.fromstring(drawing.svg())
        assert element.get("aria-label", "").endswith(".")
        for part in element.iter():
            for key in ("d", "x", "y", "x1", "y1", "cx", "cy"):
                assert not re.search("nan|inf", part.get(key, "")), (part.tag, part.attrib)
    assert all(len(row) == len(chart.head) for row in chart.table)


def test_the_page_is_sound_whatever_the_job(job: view.View) -> None:
    text = page.report(job)
    assert text.startswith("<!doctype html>")
    assert text.count("<script>") == 1
    assert HOSTILE not in text
    assert not re.search(r"(src|href)=|url\(|@import", text)
    # The part between the scripts is XML but for the two names of HTML's own, so a parser sees whatever is not closed.
    body = text[text.index("<body>") : text.index("<script>")] + "</body>"
    ElementTree.fromstring(re.sub(r" (open|hidden|selected)(?=[ >])", "", body))


def test_the_page_stays_small_for_a_crowd() -> None:
    job = builders.seen(JOBS["a-crowd"])
    drawn = [chart for draw in page.CHARTS.values() if (chart := draw(job))]
    marks = sum(one.content.count("data-t=") for chart in drawn for one in chart.drawings)
    assert marks < 10_000
    assert sum(len(one.content) for chart in drawn for one in chart.drawings) < 2_500_000


@pytest.mark.parametrize(
    ("name", "shows"),
    [
        ("history", ["best so far", "running-best"]),
        ("curves", ["stopped"]),
        ("front", ["front"]),
        ("timeline", ["gpu", "cpu", "busy", "waiting"]),
        ("parallel", ["momentum", "best fifth"]),
    ],
)
def test_a_chart_shows_what_it_is_for(name: str, shows: list[str]) -> None:
    job = builders.seen(builders.study(60, objectives=2))
    card = page.card(page.CHARTS[name](job))  # type: ignore[arg-type]
    assert [word for word in shows if word not in card] == []


def test_a_lost_attempt_is_told_apart() -> None:
    from tuning_operator.api import trial

    lost = trial.AttemptStatus(
        number=1, phase=trial.AttemptPhase.LOST, start_time=builders.at(0), completion_time=builders.at(4)
    )
    again = trial.AttemptStatus(number=2, phase=trial.AttemptPhase.RUNNING, start_time=builders.at(9))
    job = builders.seen(builders.snapshot(builders.one(0, phase="Running", attempts=[lost, again])))
    assert "bar lost" in page.card(page.CHARTS["timeline"](job))  # type: ignore[arg-type]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", page.CHARTS)
def test_a_picture_needs_no_browser(name: str, dark: bool) -> None:
    job = builders.seen(builders.study(60, objectives=2), importance={"lr": 0.9, "layers": 0.1})
    chart = page.CHARTS[name](job)
    assert chart is not None
    text = picture.svg(chart, dark=dark)
    assert "var(" not in text
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    if name == "slices":
        assert picture.png(chart, dark=dark, zoom=1).startswith(b"\x89PNG")
