"""Dashboards and alerts: what is in the chart is what the code says, Prometheus understands it, and alerts fire when
they should and not before.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml
from charts.monitoring import alerts, panels

from tests.prometheus import tools

ROOT = pathlib.Path(__file__).parents[3]
FILES = ROOT / "charts" / "tuning-operator" / "files" / "monitoring"
RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text()
QUERIES = {
    f"{board.title}, {panel.title} {legend}": query
    for board in panels.BOARDS.values()
    for row in board.rows.values()
    for panel in row
    for legend, query in panel.queries.items()
}


def promtool(folder: pathlib.Path, *command: str) -> None:
    done = subprocess.run([tools.promtool(), *command], cwd=folder, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stdout + done.stderr


def test_the_charts_files_are_those_of_the_code() -> None:
    done = subprocess.run([sys.executable, "-m", "charts.monitoring", "--check"], cwd=ROOT, check=False)
    assert not done.returncode, "run: make dashboards"


@pytest.mark.parametrize("path", sorted(FILES.glob("*.json")), ids=lambda path: path.stem)
def test_panels_can_be_told_apart(path: pathlib.Path) -> None:
    shown = json.loads(path.read_text())["panels"]
    assert len({panel["id"] for panel in shown}) == len(shown)
    for panel in shown:
        letters = [target["refId"] for target in panel.get("targets", [])]
        assert len(set(letters)) == len(letters)
        assert panel["type"] == "row" or letters
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in shown)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells)), "panels overlap"
    assert max(x for x, _ in cells) < 24


def test_prometheus_understands_every_query(tmp_path: pathlib.Path) -> None:
    rules = [
        {"record": f"query:{number}", "expr": query.replace("$__rate_interval", "5m").replace("$__range", "1h")}
        for number, query in enumerate(QUERIES.values())
    ]
    (tmp_path / "queries.yaml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    promtool(tmp_path, "check", "rules", "queries.yaml")
    promtool(FILES, "check", "rules", "alerts.yaml")


@pytest.mark.parametrize("alert", alerts.ALERTS, ids=lambda alert: alert.name)
def test_every_alert_has_its_runbook(alert: alerts.Alert) -> None:
    section = re.search(rf"^## {alert.name}$(.*?)(?=^## |\Z)", RUNBOOKS, re.MULTILINE | re.DOTALL)
    assert section, f"docs/runbooks.md says nothing about {alert.name}"
    assert "**Means**" in section[1]
    assert "\n1. " in section[1]


@dataclasses.dataclass(frozen=True)
class Case:
    """Series, each with a value for each minute, and whether the alert fires at the end of them."""

    alert: str
    minutes: int
    series: dict[str, str]
    fires: bool
    labels: dict[str, str] = dataclasses.field(default_factory=dict)


UP = 'tuning_operator_build_info{version="1"}'
LEADERS = ('tuning_operator_leader{instance="a"}', 'tuning_operator_leader{instance="b"}')
RUNNING = 'tuning_job_phase{namespace="n", job="j", phase="Running"}'
DONE = 'tuning_job_trials{namespace="n", job="j", phase="succeeded"}'
PLACE = {"namespace": "n", "job": "j"}
FAILED = 'tuning_trials_finished_total{phase="Failed", reason="OOMKilled"}'
SUCCEEDED = 'tuning_trials_finished_total{phase="Succeeded", reason="Completed"}'
OLDEST = "tuning_jobs_waiting_oldest_timestamp_seconds"
ERRORS = 'tuning_operator_reconcile_errors_total{reason="Conflict"}'
REFUSALS = 'tuning_operator_api_requests_total{verb="create", resource="pods", code="403"}'
LAG = "tuning_operator_event_loop_lag_seconds_bucket"
CASES = {
    "down": Case("TuningOperatorDown", 10, {}, True),
    "up": Case("TuningOperatorDown", 10, {UP: "1x20"}, False),
    "down for a moment": Case("TuningOperatorDown", 12, {UP: "1x5 _x4 1x10"}, False),
    "two that wait": Case("TuningOperatorNoLeader", 5, {LEADERS[0]: "0x10", LEADERS[1]: "0x10"}, True),
    "one at work": Case("TuningOperatorNoLeader", 5, {LEADERS[0]: "0x10", LEADERS[1]: "1x10"}, False),
    "stands still": Case("TuningJobStuck", 800, {RUNNING: "1x900", DONE: "3x900"}, True, PLACE),
    "goes on": Case("TuningJobStuck", 800, {RUNNING: "1x900", DONE: "0+1x900"}, False),
    "is complete": Case("TuningJobStuck", 800, {RUNNING: "1x5 stale", DONE: "3x900"}, False),
    "most fail": Case("TuningTrialsFailing", 60, {FAILED: "0+2x60", SUCCEEDED: "0+1x60"}, True),
    "few fail": Case("TuningTrialsFailing", 60, {FAILED: "0+1x60", SUCCEEDED: "0+2x60"}, False),
    "one of one fails": Case("TuningTrialsFailing", 60, {FAILED: "0x30 1x30", SUCCEEDED: "0x60"}, False),
    "waits": Case("TuningJobsWaitingTooLong", 90, {OLDEST: "0x100"}, True),
    "waits a little": Case("TuningJobsWaitingTooLong", 50, {OLDEST: "0x100"}, False),
    "failing": Case("TuningOperatorFailing", 40, {ERRORS: "0+60x40"}, True, {"reason": "Conflict"}),
    "rarely failing": Case("TuningOperatorFailing", 40, {ERRORS: "0+1x40"}, False),
    "slow": Case(
        "TuningOperatorSlow", 30, {f'{LAG}{{le="0.5"}}': "0+10x40", f'{LAG}{{le="5"}}': "0+100x40",
                                   f'{LAG}{{le="+Inf"}}': "0+100x40"}, True
    ),
    "quick": Case("TuningOperatorSlow", 30, {f'{LAG}{{le="0.5"}}': "0+100x40", f'{LAG}{{le="+Inf"}}': "0+100x40"}, False),
    "refused": Case("TuningOperatorRefused", 40, {REFUSALS: "0+1x50"}, True, {"verb": "create", "resource": "pods"}),
    "refused once": Case("TuningOperatorRefused", 40, {REFUSALS: "0x10 1x40"}, False),
}  # fmt: skip


def test_every_alert_is_seen_to_fire_and_to_be_silent() -> None:
    for alert in alerts.ALERTS:
        assert {case.fires for case in CASES.values() if case.alert == alert.name} == {True, False}, alert.name


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_alerts_fire_when_they_should_and_not_before(tmp_path: pathlib.Path, case: Case) -> None:
    (alert,) = (alert for alert in alerts.ALERTS if alert.name == case.alert)
    expected: dict[str, Any] = {"eval_time": f"{case.minutes}m", "alertname": case.alert, "exp_alerts": []}
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "alert_rule_test": [expected],
    }
    # The texts hold values that vary.
    rule = {**alert.rule(), "annotations": {}}
    if case.fires:
        expected["exp_alerts"] = [{"exp_labels": {"severity": alert.severity, **case.labels}, "exp_annotations": {}}]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "one", "rules": [rule]}]}))
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": [test]}))
    promtool(tmp_path, "test", "rules", "test.yaml")
