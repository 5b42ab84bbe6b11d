"""Writes Grafana's dashboards and Prometheus' alerts into the chart: `python -m charts.monitoring`."""

from __future__ import annotations

import itertools
import json
import pathlib
import string
import sys
from typing import Any

import yaml
from charts.monitoring import alerts, panels
from charts.monitoring.panels import Shape
from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog import encoder
from grafana_foundation_sdk.models import common as styles
from grafana_foundation_sdk.models import dashboard as models

FOLDER = pathlib.Path(__file__).parents[1] / "tuning-operator" / "files" / "monitoring"
SOURCE = models.DataSourceRef(type_val="prometheus", uid="$datasource")
WIDTHS = {Shape.NUMBER: 4, Shape.BARS: 12, Shape.LINES: 8, Shape.STACK: 8}
HEIGHTS = {Shape.NUMBER: 4}
HEIGHT = 8
COLUMNS = 24


def board(spec: panels.Board) -> dashboard.Dashboard:
    """The dashboard of a specification."""
    made = (
        dashboard.Dashboard(spec.title)
        .uid(spec.uid)
        .description(spec.why)
        .tags(["tuning-operator"])
        .refresh("30s")
        .time("now-3h", "now")
        .readonly()
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    if spec.picks_job:
        made = made.with_variable(_choice("namespace", "label_values(tuning_job_phase, namespace)"))
        made = made.with_variable(_choice("job", 'label_values(tuning_job_phase{namespace="$namespace"}, job)'))
    numbers = itertools.count(1)
    top = 0
    for title, row in spec.rows.items():
        made = made.with_row(dashboard.Row(title).id(next(numbers)).grid_pos(models.GridPos(1, COLUMNS, 0, top)))
        top += 1
        left = height = 0
        for panel in row:
            width, this = WIDTHS[panel.shape], HEIGHTS.get(panel.shape, HEIGHT)
            if left + width > COLUMNS:
                left, top, height = 0, top + height, 0
            place = models.GridPos(this, width, left, top)
            made = made.with_panel(_panel(panel).id(next(numbers)).grid_pos(place))
            left, height = left + width, max(height, this)
        top += height
    return made


def _choice(name: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .query(query)
        .datasource(SOURCE)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )


def _panel(spec: panels.Panel) -> stat.Panel | bargauge.Panel | timeseries.Panel:
    made: stat.Panel | bargauge.Panel | timeseries.Panel
    match spec.shape:
        case Shape.NUMBER:
            made = stat.Panel()
        case Shape.BARS:
            made = bargauge.Panel().orientation(styles.VizOrientation.HORIZONTAL)
        case Shape.LINES:
            made = timeseries.Panel()
        case Shape.STACK:
            stacked = common.StackingConfig().mode(styles.StackingMode.NORMAL)
            made = timeseries.Panel().stacking(stacked).fill_opacity(30)
    made = made.title(spec.title).unit(spec.unit).datasource(SOURCE)
    if spec.why:
        made = made.description(spec.why)
    for letter, (legend, query) in zip(string.ascii_uppercase, spec.queries.items(), strict=False):
        asked = prometheus.Dataquery().ref_id(letter).expr(query).legend_format(legend or "__auto")
        made = made.with_target(asked if spec.shape in (Shape.LINES, Shape.STACK) else asked.instant())
    return made


def _given(node: Any) -> Any:
    """Without what the builder leaves open, which Grafana then fills with its own defaults."""
    if isinstance(node, dict):
        return {key: _given(value) for key, value in node.items() if value is not None}
    return [_given(value) for value in node] if isinstance(node, list) else node


def files() -> dict[str, str]:
    """The files by name, with their contents."""
    made = {
        f"{name}.json": json.dumps(_given(json.loads(encoder.JSONEncoder().encode(board(spec).build()))), indent=1)
        + "\n"
        for name, spec in panels.BOARDS.items()
    }
    return {**made, "alerts.yaml": yaml.safe_dump(alerts.groups(), sort_keys=False, width=1000)}


def main() -> int:
    """Writes the files, or with --check tells whether they are what would be written."""
    if sys.argv[1:] == ["--check"]:
        found = {path.name: path.read_text() for path in FOLDER.iterdir()}
        return int(found != files())
    for name, text in files().items():
        (FOLDER / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
