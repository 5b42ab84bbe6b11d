"""The report's file in a real browser: opened from the disk, without any network."""

from __future__ import annotations

import pathlib

import pytest
from playwright import sync_api

from tests.unit.report import builders
from tuning_operator.report import page as pages


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report with everything in it."""
    job = builders.seen(
        builders.study(80, objectives=2), importance={"lr": 0.8, "layers": 0.2}, importance_note="Made up."
    )
    path: pathlib.Path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(pages.report(job), "utf-8")
    return path.as_uri()


def test_it_asks_nobody_for_anything(page: sync_api.Page, report: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report)
    for key in pages.CHARTS:
        sync_api.expect(page.locator(f"#{key} svg").first).to_be_visible()
    assert asked == [report]


def test_its_table_is_sorted_by_any_column(page: sync_api.Page, report: str) -> None:
    page.goto(report)
    head = page.get_by_role("button", name="accuracy", exact=True)
    for direction in ("ascending", "descending"):
        head.click()
        texts = page.locator(".trials tbody td:nth-child(3)").all_inner_texts()
        values = [float(text) for text in texts if text]
        assert values == sorted(values, reverse=direction == "descending")
        assert "" not in texts[: len(values)], "what has no value comes last"
        assert page.locator("th[aria-sort]").get_attribute("aria-sort") == direction


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 800, 1280])
def test_it_fits_a_phone_a_tablet_and_a_desk(chromium: sync_api.Browser, report: str, width: int, scheme: str) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    tab = context.new_page()
    tab.goto(report)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    # WCAG's ratio for text of this size, between what is written and what it stands on.
    assert tab.evaluate(CONTRAST) >= 4.5
    context.close()


CONTRAST = """(() => {
  const shade = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const card = shade(getComputedStyle(document.querySelector(".card")).backgroundColor);
  const texts = [...document.querySelectorAll("h2, p.note, td, th, dt, dd, .big, .pill")].map((e) => shade(getComputedStyle(e).color));
  const labels = [...document.querySelectorAll("svg text")].map((e) => shade(getComputedStyle(e).fill));
  return Math.min(...[...texts, ...labels].map((text) => ratio(text, card)));
})()"""
