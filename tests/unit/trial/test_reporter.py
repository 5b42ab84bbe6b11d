"""The reporter: what training code hands in arrives as lines that the collector understands."""

from __future__ import annotations

import json
import math
import multiprocessing
import pathlib
from collections.abc import Mapping
from typing import Any, SupportsFloat

import numpy as np
import pytest

import tuning_trial
from tuning_trial import reporter
from tuning_trial.collector import Collector


@pytest.fixture
def metrics_file(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    path = tmp_path / "metrics.jsonl"
    monkeypatch.setenv("TUNING_METRICS_FILE", str(path))
    return path


def rows(path: pathlib.Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_report_is_one_line_with_its_time_and_step(metrics_file: pathlib.Path) -> None:
    tuning_trial.report(step=1, accuracy=0.5, loss=2)
    tuning_trial.report({"val/acc": 0.9}, step=2.0)

    first, second = rows(metrics_file)
    assert (first["step"], first["accuracy"], first["loss"]) == (1, 0.5, 2.0)
    assert (second["step"], second["val/acc"]) == (2, 0.9)
    assert first["time"] <= second["time"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(np.float32(0.5), 0.5, id="numpy scalar"),
        pytest.param(np.array([0.25])[0], 0.25, id="numpy element"),
        pytest.param(np.int64(3), 3.0, id="numpy integer"),
        pytest.param(True, 1.0, id="boolean"),
        pytest.param(math.nan, "NaN", id="nan"),
        pytest.param(math.inf, "Infinity", id="infinity"),
        pytest.param(-math.inf, "-Infinity", id="negative infinity"),
        pytest.param(1e300, 1e300, id="large"),
    ],
)
def test_anything_that_float_takes_is_a_value(
    metrics_file: pathlib.Path, value: SupportsFloat, expected: object
) -> None:
    tuning_trial.report(loss=value)
    assert rows(metrics_file)[0]["loss"] == expected


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        pytest.param({"loss": None}, "loss is None, which is no number", id="none"),
        pytest.param({"loss": "low"}, "loss is 'low', which is no number", id="text"),
        pytest.param({"loss": [1.0, 2.0]}, "loss is [1.0, 2.0], which is no number", id="list"),
    ],
)
def test_a_value_that_is_no_number_is_refused_by_name(
    metrics_file: pathlib.Path, metrics: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(TypeError) as caught:
        tuning_trial.report(metrics)
    assert message in str(caught.value)
    assert not metrics_file.exists()


def test_a_metric_may_have_any_name(metrics_file: pathlib.Path) -> None:
    names = {"metrics": 1.0, "größe/🙂": 2.0, "self": 3.0, 'quoted"name': 4.0}
    tuning_trial.report(names)
    collector = Collector(str(metrics_file))
    collector.finish()
    assert {name: metric.last for name, metric in collector.summary().metrics.items()} == names


def test_a_time_of_its_own_goes_before_the_time_of_the_report(metrics_file: pathlib.Path) -> None:
    tuning_trial.report(time=12.5)
    collector = Collector(str(metrics_file), objectives=["time"])
    collector.finish()
    assert collector.summary().metrics["time"].last == 12.5


def test_outside_a_trial_the_line_goes_to_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TUNING_METRICS_FILE", raising=False)
    tuning_trial.report(step=1, loss=0.5)
    assert json.loads(capsys.readouterr().out)["loss"] == 0.5


def test_the_folder_of_the_file_is_made(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "logs" / "metrics.jsonl"
    monkeypatch.setenv("TUNING_METRICS_FILE", str(path))
    tuning_trial.report(loss=1)
    assert len(rows(path)) == 1


def _report_many(worker: int) -> None:
    for step in range(200):
        tuning_trial.report({f"worker{worker}": step, "padding": 0.1}, step=step)


def test_processes_may_report_at_the_same_time(metrics_file: pathlib.Path) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.map(_report_many, range(4), chunksize=1)
    assert len(rows(metrics_file)) == 800


def test_parameters_keep_their_types_and_override_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNING_PARAMETERS", '{"lr": 0.01, "layers": 3, "kernel": "rbf"}')
    assert tuning_trial.parameters({"lr": 1.0, "epochs": 5}) == {"lr": 0.01, "layers": 3, "kernel": "rbf", "epochs": 5}


def test_outside_a_trial_the_parameters_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TUNING_PARAMETERS", raising=False)
    assert tuning_trial.parameters({"lr": 1.0}) == {"lr": 1.0}
    assert tuning_trial.parameters() == {}


@pytest.mark.parametrize("text", ["[1]", "3", "{"])
def test_parameters_that_are_no_object_are_an_error(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TUNING_PARAMETERS", text)
    with pytest.raises(ValueError, match=r"TUNING_PARAMETERS must hold a JSON object"):
        tuning_trial.parameters()


def test_memory_is_reported_where_it_is_asked_for(metrics_file: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tuning_trial.report(accuracy=0.5)
    monkeypatch.setenv("TUNING_MEASURE", "peakMemory")
    tuning_trial.report(accuracy=0.5)
    tuning_trial.report(accuracy=0.5, peakMemory=7)

    plain, asked, own = rows(metrics_file)
    assert "peakMemory" not in plain
    assert asked["peakMemory"] > 1_000_000
    assert own["peakMemory"] == 7


def test_memory_is_that_of_the_control_group_or_else_of_the_process(tmp_path: pathlib.Path) -> None:
    (tmp_path / "broken").write_text("max\n")
    (tmp_path / "peak").write_text("123456789\n")
    files = [str(tmp_path / name) for name in ("absent", "broken", "peak")]
    assert reporter.peak_memory(files) == 123456789
    assert reporter.peak_memory(files[:2]) > 1_000_000
