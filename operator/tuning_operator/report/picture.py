"""A chart as a file of its own, for slides and papers: SVG, or PNG made from it, so that there is one drawing and not two."""

from __future__ import annotations

import functools
import importlib.resources
import re
from collections.abc import Mapping

from tuning_operator.report import frame, page
from tuning_operator.report.markup import Markup, join, tag

GAP, HEAD = 16.0, 40.0
EXTRA = "pip install 'tuning-operator[plot]'"


class Missing(Exception):
    """A library that is not installed; the message says how to get it."""


def svg(chart: frame.Chart, *, dark: bool = False) -> str:
    """The chart as an SVG file with its title; several drawings stand in rows."""
    columns = 1 if len(chart.drawings) == 1 else min(3, len(chart.drawings))
    width = max(one.width for one in chart.drawings) + GAP
    height = max(one.height for one in chart.drawings) + GAP
    rows = -(-len(chart.drawings) // columns)
    placed = [
        tag(
            "g", one.content, transform=f"translate({GAP + width * (i % columns):g} {HEAD + height * (i // columns):g})"
        )
        for i, one in enumerate(chart.drawings)
    ]
    colours = palette(dark=dark)
    whole = tag(
        "svg",
        tag("style", Markup(_style(dark))),
        tag("path", d=f"M0 0H{columns * width + GAP:g}V{rows * height + HEAD:g}H0z", fill=colours["card"]),
        tag("text", chart.title, x=GAP, y=27, style=f"font-size: 17px; font-weight: 650; fill: {colours['ink']}"),
        placed,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {columns * width + GAP:g} {rows * height + HEAD:g}",
        width=f"{columns * width + GAP:g}",
        height=f"{rows * height + HEAD:g}",
        font_family="Roboto, Helvetica, Arial, 'DejaVu Sans', sans-serif",
    )
    return join(whole, "\n")


def png(chart: frame.Chart, *, dark: bool = False, zoom: float = 2.0) -> bytes:
    """The chart as a PNG image, `zoom` pixels for each unit. Raises Missing."""
    try:
        import resvg_py
    except ImportError:
        raise Missing(f"PNG needs the library resvg_py: {EXTRA}; or write an SVG file") from None
    fonts = importlib.resources.files("font_roboto") / "files"
    files = [str(fonts / f"Roboto-{weight}.ttf") for weight in ("Regular", "Bold")]
    return bytes(
        resvg_py.svg_to_bytes(svg_string=svg(chart, dark=dark), zoom=zoom, font_files=files, sans_serif_family="Roboto")
    )


@functools.cache
def palette(*, dark: bool) -> Mapping[str, str]:
    """The colours of the style sheet, by name."""
    light, _, night = page.asset("chart.css").partition("@media")
    return dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]+)", night if dark else light))


def _style(dark: bool) -> str:
    """The charts' style sheet without what programs other than browsers do not know: variables and media."""
    rules = page.asset("chart.css").partition("@media")[2].partition("\n}\n")[2]
    return re.sub(r"var\(--([a-z0-9]+)\)", lambda match: palette(dark=dark)[match[1]], rules)
