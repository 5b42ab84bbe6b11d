"""The collector: every file ends in a defined, bounded state with a reason, however it was written."""

from __future__ import annotations

import json
import math
import os
import pathlib
import statistics
import subprocess
import tracemalloc
from collections.abc import Callable

import hypothesis
import pytest
from hypothesis import strategies as st

from tuning_trial import collector as module
from tuning_trial import record, source
from tuning_trial.collector import Collector, ConfigurationError
from tuning_trial.curve import Curve
from tuning_trial.summary import MAX_POINTS, Metric, Points, Summary


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "metrics.jsonl"


def collect(
    path: pathlib.Path, kind: str = "json", pattern: str | None = None, objectives: tuple[str, ...] = ("loss",)
) -> Summary:
    collector = Collector(str(path), kind, pattern, objectives)
    collector.finish()
    return collector.summary()


def line(**values: object) -> str:
    return json.dumps(values) + "\n"


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        pytest.param("json", '{"loss": 1.5}\n', {"loss": 1.5}, id="number"),
        pytest.param("json", '{"loss": 3}\n', {"loss": 3.0}, id="whole number"),
        pytest.param("json", '{"loss": "0.5", "acc": " 1e-3 "}\n', {"loss": 0.5, "acc": 0.001}, id="numeric text"),
        pytest.param(
            "json", '{"loss": 1, "ok": true, "no": null, "name": "x", "l": [1]}\n', {"loss": 1.0}, id="others"
        ),
        pytest.param("json", '{"loss": 1, "n": "1_0", "id": "0x10"}\n', {"loss": 1.0}, id="Python's own numbers"),
        pytest.param("json", '{"val": {"a": 1, "b": {"c": "2"}}}\n', {"val/a": 1.0, "val/b/c": 2.0}, id="nested"),
        pytest.param("json", '{"a": {"b": {"c": {"d": {"e": 1}}}}, "loss": 1}\n', {"loss": 1.0}, id="nested too deep"),
        pytest.param("json", ' \t{"loss": 1} \r\n\r\n', {"loss": 1.0}, id="blanks and carriage returns"),
        pytest.param("json", '{"loss": 1}', {"loss": 1.0}, id="no line break at the end"),
        pytest.param("json", '{"loss": 1}\r{"loss": 2}\r', {"loss": 2.0}, id="progress bar"),
        pytest.param("json", '{"größe 🙂": 1}\n', {"größe 🙂": 1.0}, id="unicode name"),
        pytest.param("json", '{"\\ud800": 1}\n', {"?": 1.0}, id="half a surrogate pair"),
        pytest.param(
            "text", "epoch 3: loss=0.25, acc = .5;f1=-1E-2\n", {"loss": 0.25, "acc": 0.5, "f1": -0.01}, id="pairs"
        ),
        pytest.param("text", "val/acc=1 val.f1=2 a-b|c=3\n", {"val/acc": 1.0, "val.f1": 2.0, "a-b|c": 3.0}, id="names"),
        pytest.param("text", "...loss=1 /x=2\n", {"loss": 1.0, "x": 2.0}, id="punctuation before a name"),
        pytest.param("text", "loss=1 lr= name=abc x=nanometre y=info\n", {"loss": 1.0}, id="values that are none"),
        pytest.param("text", "10%|#1 | loss=2\r20%|##| loss=1\n", {"loss": 1.0}, id="text progress bar"),
    ],
)
def test_metrics_are_found_in_a_line(path: pathlib.Path, kind: str, text: str, expected: dict[str, float]) -> None:
    path.write_text(text)
    summary = collect(path, kind)
    assert {name: metric.last for name, metric in summary.metrics.items()} == expected
    assert summary.bad_lines == 0


@pytest.mark.parametrize(
    ("text", "not_finite"),
    [
        pytest.param('{"loss": NaN}\n', 1, id="nan"),
        pytest.param('{"loss": "NaN"}\n{"loss": "nan"}\n', 2, id="nan as text"),
        pytest.param('{"loss": Infinity}\n{"loss": "-inf"}\n', 2, id="infinity"),
        pytest.param('{"loss": 1e999}\n', 1, id="overflow"),
        pytest.param('{"loss": 1' + "0" * 5000 + "}\n", 1, id="long integer"),
    ],
)
def test_values_that_are_not_finite_are_counted_and_named(path: pathlib.Path, text: str, not_finite: int) -> None:
    path.write_text(text)
    summary = collect(path)
    assert summary.metrics["loss"] == Metric(not_finite=not_finite, diverged=True)
    assert summary.problem == f"metric loss was never finite: all {not_finite} values are NaN or infinite"


@pytest.mark.parametrize("text", ["loss=nan", "loss = -inf", "loss=NaN,", "loss=+Infinity"])
def test_text_values_may_be_nan_or_infinite(path: pathlib.Path, text: str) -> None:
    path.write_text(text)
    assert collect(path, "text").metrics["loss"].not_finite == 1


def test_a_nan_does_not_spoil_the_curve(path: pathlib.Path) -> None:
    path.write_text(
        line(loss=2, step=1) + line(loss=math.nan, step=2) + line(loss=1, step=3) + line(loss=math.inf, step=4)
    )
    assert collect(path).metrics["loss"] == Metric(2, 2.0, 1.0, 1.0, 2.0, 1.5, 2, 3.0, diverged=True)


@pytest.mark.parametrize(
    ("text", "rows", "bad", "problem"),
    [
        pytest.param("", 0, 0, "metric loss was never reported; no metrics were found in metrics.jsonl", id="empty"),
        pytest.param('{"acc": 1, "f1": 2}\n', 1, 0, "metric loss was never reported, but acc, f1 were", id="another metric"),
        pytest.param('{"loss": 1}\nTraceback\n{"loss": \n', 1, 2, "", id="broken lines among good ones"),
        pytest.param('{"loss": 1', 0, 1, "1 lines of metrics.jsonl could not be read, the first one is not valid JSON", id="cut"),
        pytest.param("[1]\n3\n", 0, 2, "the first one is not one JSON object", id="no objects"),
        pytest.param('{"loss":1} {"loss":2}\n', 0, 1, "not one JSON object", id="two objects in a line"),
        pytest.param('{"loss":\n1}\n', 0, 2, "not valid JSON", id="an object over two lines"),
        pytest.param("[" * 100_000 + "\n", 0, 1, "not valid JSON", id="deep nesting"),
        pytest.param('{"msg": "hello"}\n', 0, 0, "no metrics were found", id="no numbers"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(path: pathlib.Path, text: str, rows: int, bad: int, problem: str) -> None:
    path.write_text(text)
    summary = collect(path)
    assert (summary.rows, summary.bad_lines) == (rows, bad)
    assert problem in summary.problem
    assert bool(problem) == bool(summary.problem)


def test_a_binary_file_is_only_bad_lines(path: pathlib.Path) -> None:
    path.write_bytes(bytes(range(256)) * 4000)
    summary = collect(path)
    assert (summary.rows, summary.metrics) == (0, {})
    assert summary.bad_lines == 4000 + 1
    assert "lines of metrics.jsonl could not be read" in summary.problem


def test_a_line_of_ten_megabytes_is_one_bad_line_and_never_held(path: pathlib.Path) -> None:
    with path.open("w") as file:
        file.write(line(loss=1) + '{"loss": "')
        for _ in range(160):
            file.write("x" * 65536)
        file.write('"}\n' + line(loss=2))
    tracemalloc.start()
    try:
        summary = collect(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (summary.rows, summary.bad_lines, summary.metrics["loss"].last) == (2, 1, 2.0)
    assert peak < 3 * 1024 * 1024


@pytest.mark.parametrize("excess", [0, 1], ids=["longest line", "one byte more"])
@pytest.mark.parametrize("budget", [1000, module.POLL_BYTES], ids=["small steps", "large steps"])
def test_how_a_long_line_is_read_does_not_matter(path: pathlib.Path, excess: int, budget: int) -> None:
    text = '{"loss": 1, "ü": "'
    padding = module.MAX_LINE - len(text.encode()) - len('"}') + excess
    path.write_text(f'{text}{"x" * padding}"}}\n')
    collector = Collector(str(path))
    while collector.poll(budget):
        pass
    assert (collector.rows, collector.bad_lines) == (1 - excess, excess)


def test_memory_stays_bounded_over_many_wide_rows(path: pathlib.Path) -> None:
    with path.open("w") as file:
        for index in range(4000):
            file.write(line(loss=index, step=index, **{f"m{index}-{column}": 1 for column in range(8)}))
    tracemalloc.start()
    try:
        collector = Collector(str(path), objectives=["loss"])
        collector.finish()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    summary = collector.summary()
    assert summary.rows == 4000
    assert len(summary.metrics) == record.MAX_METRICS
    assert summary.dropped_metrics == record.MAX_DROPPED
    assert peak < 16 * 1024 * 1024


def test_an_objective_is_followed_though_it_comes_late_and_stands_first(path: pathlib.Path) -> None:
    path.write_text(line(**{f"m{index}": 1 for index in range(100)}) + line(loss=1))
    summary = collect(path, objectives=("acc", "loss"))
    assert next(iter(summary.metrics)) == "loss"
    assert len(summary.metrics) == record.MAX_METRICS - 1
    assert summary.dropped_metrics == 100 - (record.MAX_METRICS - 2)


def test_a_name_that_is_too_long_is_dropped_and_counted(path: pathlib.Path) -> None:
    path.write_text(line(loss=1, **{"x" * 10_000: 1}))
    assert (list(collect(path).metrics), collect(path).dropped_metrics) == (["loss"], 1)


@pytest.mark.parametrize(
    ("kind", "text", "step", "time"),
    [
        pytest.param("json", '{"step": 3, "time": 12.5, "loss": 1}', 3.0, 12.5, id="numbers"),
        pytest.param("json", '{"step": "3", "timestamp": "2024-01-01T00:00:00Z", "loss": 1}', 3.0, 1704067200.0, id="texts"),
        pytest.param("json", '{"timestamp": "2024-01-01T01:00:00.123456789+01:00", "loss": 1}', None, 1704067200.123456789, id="zone"),
        pytest.param("json", '{"step": NaN, "time": "noon", "loss": 1}', None, None, id="neither"),
        pytest.param("json", '{"step": [1], "time": "2024-99-01T00:00:00Z", "loss": 1}', None, None, id="wrong types"),
        pytest.param("text", "step=3 loss=1 time=12.5", 3.0, 12.5, id="text"),
        pytest.param("text", "step=inf loss=1", None, None, id="text infinity"),
    ],
)  # fmt: skip
def test_step_and_time_are_no_metrics(
    path: pathlib.Path, kind: str, text: str, step: float | None, time: float | None
) -> None:
    path.write_text(text)
    collector = Collector(str(path), kind)
    collector.finish()
    assert collector.observations() == [(1, step, time, {"loss": 1.0})]
    assert collector.summary().to_message()


@pytest.mark.parametrize("kind", ["json", "text"])
def test_time_is_a_metric_where_it_is_an_objective(path: pathlib.Path, kind: str) -> None:
    path.write_text({"json": '{"time": 3, "step": 1}', "text": "time=3 step=1"}[kind])
    summary = collect(path, kind, objectives=("time",))
    assert summary.metrics["time"] == Metric(1, 3.0, 3.0, 3.0, 3.0, 3.0, 0, 1.0)


def test_a_pattern_of_the_users_finds_names_and_values(path: pathlib.Path) -> None:
    path.write_text("[loss -> 0.5] [acc -> 0.75]\nnoise\n")
    summary = collect(path, "text", r"\[(\w+) -> ([0-9.]+)\]")
    assert {name: metric.last for name, metric in summary.metrics.items()} == {"loss": 0.5, "acc": 0.75}


@pytest.mark.parametrize("pattern", [r"(a+)+=(\d)", r"(a|a)*=(\d)", r"((a*)*)*=(\d)", r"(.*)*=(.*)*x"])
def test_no_pattern_takes_more_than_linear_time(path: pathlib.Path, pattern: str) -> None:
    # By backtracking, each of these lines would take longer than the universe is old: the test's timeout is the assertion.
    path.write_text(("a" * 4000 + "\n") * 100)
    assert collect(path, "text", pattern).rows == 0


def test_katibs_default_pattern_finds_what_it_finds_there(path: pathlib.Path) -> None:
    path.write_text("epoch 3: loss=0.25, Validation-acc = .5;f1=-1E-2 name=x\n")
    summary = collect(path, "text", r"([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)")
    assert {name: metric.last for name, metric in summary.metrics.items()} == {
        "loss": 0.25,
        "Validation-acc": 0.5,
        "f1": -0.01,
    }


def test_a_line_that_is_too_long_for_a_pattern_is_bad(path: pathlib.Path) -> None:
    path.write_text("a" * 5000 + "\n")
    assert "longer than the 4096 characters" in collect(path, "text", r"(\w+)=(\d)").problem


def test_a_programs_output_may_hold_anything_beside_its_metrics(path: pathlib.Path) -> None:
    path.write_text('loading data\n[1, 2]\n\n{"loss": 1}\n{"loss": \n 3 \n')
    collector = Collector(str(path), objectives=["loss"], output=True)
    collector.finish()
    assert (collector.rows, collector.bad_lines) == (1, 1)


@pytest.mark.parametrize("text", ["x" * 200_000, "x " * 100_000, "x." * 100_000, "x" + " " * 200_000, "=" * 200_000])
def test_text_without_pairs_takes_linear_time(path: pathlib.Path, text: str) -> None:
    # Quadratic time would be hours for these, so the test's own timeout is the assertion.
    path.write_text((text + "\n") * 10)
    assert collect(path, "text").rows == 0


@pytest.mark.parametrize(
    ("kind", "pattern", "message"),
    [
        pytest.param("text", "([a-z", "metrics.pattern is no regular expression", id="broken"),
        pytest.param("text", r"(\w+)=1", "metrics.pattern has 1 of the two groups it needs", id="one group"),
        pytest.param("json", r"(\w+)=(\d)", "metrics.pattern is for the format text", id="json"),
        pytest.param("xml", None, "metrics.format is 'xml'; write json or text", id="kind"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(
    path: pathlib.Path, kind: str, pattern: str | None, message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Collector(str(path), kind, pattern)
    assert message in str(caught.value)


def _link(path: pathlib.Path) -> None:
    secret = path.with_name("secret")
    secret.write_text(line(loss=1))
    path.symlink_to(secret)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        pytest.param(lambda path: None, "was never written", id="missing"),
        pytest.param(lambda path: path.mkdir(), "is a directory", id="directory"),
        pytest.param(os.mkfifo, "is a FIFO", id="fifo"),
        pytest.param(_link, "is a symbolic link", id="link"),
        pytest.param(lambda path: path.symlink_to("/dev/zero"), "is a symbolic link", id="link to a device"),
        pytest.param(lambda path: path.symlink_to(path), "is a symbolic link", id="link to itself"),
    ],
)
def test_only_a_regular_file_is_read(path: pathlib.Path, make: Callable[[pathlib.Path], None], problem: str) -> None:
    make(path)
    summary = collect(path)
    assert (summary.rows, summary.metrics) == (0, {})
    assert problem in summary.problem


def test_no_folder_below_the_root_may_be_a_link(tmp_path: pathlib.Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "token").write_text(line(loss=1))
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume" / "logs").symlink_to(tmp_path / "secrets")
    collector = Collector(str(tmp_path / "volume" / "logs" / "token"), root=str(tmp_path / "volume"))
    collector.finish()
    assert collector.rows == 0
    assert "lies behind" in collector.summary().problem


def test_a_path_that_leaves_the_root_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigurationError, match=r"write a path below it without '\.\.'"):
        Collector(str(tmp_path / ".." / "token"), root=str(tmp_path))


def test_a_file_that_comes_late_is_followed(path: pathlib.Path) -> None:
    collector = Collector(str(path), objectives=["loss"])
    assert not collector.poll()
    path.write_text(line(loss=1))
    assert collector.poll()
    assert not collector.poll()
    assert collector.summary().problem == ""
    with path.open("a") as file:
        file.write('{"loss": ')
    collector.poll()
    assert (collector.rows, collector.bad_lines) == (1, 0)
    with path.open("a") as file:
        file.write("2}\n")
    collector.poll()
    assert collector.summary().metrics["loss"].last == 2.0


def test_a_file_that_is_truncated_is_read_from_its_start(path: pathlib.Path) -> None:
    collector = Collector(str(path))
    path.write_text(line(loss=1) * 5)
    collector.poll()
    path.write_text(line(loss=2))
    collector.finish()
    assert (collector.rows, collector.summary().metrics["loss"].last) == (6, 2.0)


def test_a_file_that_is_replaced_is_read_to_its_end_first(path: pathlib.Path) -> None:
    collector = Collector(str(path))
    path.write_text(line(loss=1))
    collector.poll()
    with path.open("a") as file:
        file.write(line(loss=2) + '{"loss": 3}')
    path.rename(path.with_suffix(".1"))
    path.write_text(line(loss=4))
    collector.finish()
    assert [row.values["loss"] for row in collector.observations()] == [1.0, 2.0, 3.0, 4.0]


def test_a_file_that_is_deleted_or_swapped_for_a_link_keeps_what_was_read(path: pathlib.Path) -> None:
    collector = Collector(str(path), objectives=["loss"])
    path.write_text(line(loss=1))
    collector.poll()
    path.unlink()
    path.symlink_to("/etc/passwd")
    collector.finish()
    assert (collector.rows, collector.bad_lines) == (1, 0)
    assert "is a symbolic link" in collector.summary().problem


def test_one_poll_reads_no_more_than_its_budget(path: pathlib.Path) -> None:
    path.write_text(line(loss=1) * 1000)
    collector = Collector(str(path))
    assert collector.poll(100)
    assert collector.rows == 100 // len(line(loss=1))


def test_what_finish_may_not_read_is_said(path: pathlib.Path) -> None:
    path.write_text(line(loss=1) * 10)
    collector = Collector(str(path), objectives=["loss"])
    collector.poll(len(line(loss=1)))
    collector.finish(0)
    assert collector.summary().problem.startswith(
        f"the last {9 * len(line(loss=1))} bytes of metrics.jsonl were not read"
    )


def test_finish_ends_though_the_file_is_replaced_for_ever(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source.Source, "read", lambda *_: None)
    collector = Collector(str(path))
    collector.finish(1024 * 1024)
    assert collector.rows == 0


def test_nothing_is_read_after_the_finish(path: pathlib.Path) -> None:
    path.write_text(line(loss=1))
    collector = Collector(str(path), objectives=["loss"])
    collector.finish()
    path.write_text(line(loss=2) * 3)
    assert not collector.poll()
    collector.finish()
    assert (collector.rows, collector.summary().problem) == (1, "")


def test_a_shell_script_is_a_trial(path: pathlib.Path) -> None:
    script = """echo '{"step": 1, "loss": 0.5}' >> "$TUNING_METRICS_FILE"; echo '{"loss": 0.25}' >> "$TUNING_METRICS_FILE" """
    subprocess.run(["sh", "-c", script], env={"TUNING_METRICS_FILE": str(path)}, check=True)
    assert collect(path).metrics["loss"].min == 0.25


def test_observations_come_in_pages_by_id(path: pathlib.Path) -> None:
    path.write_text("".join(line(loss=index) for index in range(1, 11)))
    collector = Collector(str(path))
    collector.finish()
    assert [row.id for row in collector.observations(limit=4)] == [1, 2, 3, 4]
    assert [(row.id, row.values["loss"]) for row in collector.observations(after=8)] == [(9, 9.0), (10, 10.0)]
    assert collector.observations(after=10) == collector.observations(after=99) == collector.observations(limit=0) == []


def all_observations(collector: Collector) -> list[record.Observation]:
    rows: list[record.Observation] = []
    while page := collector.observations(after=rows[-1].id if rows else 0):
        rows += page
    return rows


def test_of_a_long_run_the_latest_observations_are_kept_and_those_before_at_equal_distances(path: pathlib.Path) -> None:
    reported = record.MAX_KEPT_ROWS + 4 * record.MAX_THINNED_ROWS
    path.write_text("".join(line(loss=index) for index in range(1, reported + 1)))
    collector = Collector(str(path))
    collector.finish()
    rows = all_observations(collector)
    assert all(row.values == {"loss": row.id} for row in rows)
    latest, before = rows[-record.MAX_KEPT_ROWS :], rows[: -record.MAX_KEPT_ROWS]
    assert [row.id for row in latest] == list(range(reported - record.MAX_KEPT_ROWS + 1, reported + 1))
    assert [row.id for row in before] == list(range(1, reported - record.MAX_KEPT_ROWS + 1, 4))
    assert collector.observations(after=3, limit=1)[0].id == 5


def test_a_million_observations_leave_a_bounded_curve_from_the_first_to_the_last(path: pathlib.Path) -> None:
    with path.open("w") as file:
        file.writelines(f'{{"step": {step}, "loss": {1 / step}}}\n' for step in range(1, 1_000_001))
    collector = Collector(str(path), objectives=["loss"])
    collector.finish()
    summary = collector.summary()
    assert summary.metrics["loss"].count == 1_000_000
    curve = summary.curves["loss"]
    assert (curve.steps[0], curve.steps[-1]) == (1.0, 1_000_000.0)
    assert MAX_POINTS // 2 <= len(curve.steps) <= MAX_POINTS
    assert curve.values == tuple(1 / step for step in curve.steps)
    assert len(all_observations(collector)) <= record.MAX_KEPT_ROWS + record.MAX_THINNED_ROWS
    assert Summary.from_message(summary.to_message()).curves["loss"].steps[-1] == 1_000_000


@pytest.mark.parametrize(
    ("rows", "steps", "values"),
    [
        pytest.param([(1, 5), (2, 4), (3, 3)], (1, 2, 3), (5, 4, 3), id="growing"),
        pytest.param([(1, 5), (1, 4), (2, 3)], (1, 2), (5, 3), id="repeated"),
        pytest.param([(5, 5), (2, 4), (6, 3)], (5, 6), (5, 3), id="backwards"),
        pytest.param([(None, 5), (None, 4)], (1, 2), (5, 4), id="none"),
        pytest.param([(10, 5), (None, 4), (20, 3)], (10, 20), (5, 3), id="mixed"),
        pytest.param([(1, 5), (2, math.nan), (3, 3)], (1, 3), (5, 3), id="not finite"),
    ],
)
def test_the_steps_of_a_curve_grow_however_they_were_reported(
    path: pathlib.Path, rows: list[tuple[float | None, float]], steps: tuple[float, ...], values: tuple[float, ...]
) -> None:
    path.write_text("".join(line(step=step, loss=value) for step, value in rows))
    summary = collect(path)
    assert summary.curves["loss"] == Points(steps, values)
    assert summary.metrics["loss"].count + summary.metrics["loss"].not_finite == len(rows)


def test_fewer_wide_observations_are_kept(path: pathlib.Path) -> None:
    path.write_text(line(**{f"m{index}": 1 for index in range(64)}) * 1000)
    collector = Collector(str(path))
    collector.finish()
    rows = all_observations(collector)
    assert len(rows) <= (record.MAX_KEPT_VALUES + record.MAX_THINNED_VALUES) // 64
    assert (rows[0].id, rows[-1].id) == (1, 1000)


def test_pages_of_wide_rows_are_shorter(path: pathlib.Path) -> None:
    path.write_text(line(**{f"m{index}": 1 for index in range(64)}) * 1000)
    collector = Collector(str(path))
    collector.finish()
    first = collector.observations()
    assert sum(len(row.values) for row in first) <= record.MAX_PAGE_VALUES
    assert len(collector.observations(after=first[-1].id)) == len(first)


@hypothesis.given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=50))
def test_the_statistics_are_those_of_the_values(values: list[float]) -> None:
    metric = _metric(values)
    assert metric.mean is not None
    assert (metric.count, metric.first, metric.last) == (len(values), values[0], values[-1])
    assert (metric.min, metric.max) == (min(values), max(values))
    assert metric.mean == pytest.approx(statistics.fmean(values), rel=1e-12, abs=1e-15 * max(map(abs, values)))


@hypothesis.given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_the_mean_never_leaves_the_values(values: list[float]) -> None:
    metric = _metric(values)
    assert metric.mean is not None
    assert min(values) <= metric.mean <= max(values)


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        pytest.param([1e308] * 3, 1e308, id="sum overflows"),
        pytest.param([1.7e308, 1.7e308, -1.7e308, -1.7e308], 0.0, id="overflows and comes back"),
        pytest.param([1e16, 1.0, -1e16], 1 / 3, id="cancels"),
        pytest.param([0.22981106076880609] * 5, 0.22981106076880609, id="equal values"),
    ],
)
def test_the_mean_neither_overflows_nor_forgets(values: list[float], mean: float) -> None:
    assert _metric(values).mean == mean


def _metric(values: list[float]) -> Metric:
    curve = Curve()
    for value in values:
        curve.add(value, None)
    return curve.metric()


json_lines = st.builds(lambda step, loss: line(step=step, loss=loss).encode(), st.integers(0, 100), st.floats())
junk = st.sampled_from(
    [
        b"\n",
        b"\r\n",
        b'{"loss": \n',
        b"\xff\xfe\x00\n",
        b"\xc3",
        b'{"loss": "\xc3\xa4"}\n',
        b"x" * 70 + b"\n",
        b"loss=1 acc=2\n",
    ]
)


@pytest.fixture
def short_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LINE", 64)
    monkeypatch.setattr(module, "CHUNK", 64)


@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(
    pieces=st.lists(json_lines | junk, max_size=20),
    cuts=st.lists(st.integers(1, 100), min_size=1),
    kind=st.sampled_from(["json", "text"]),
)
def test_how_the_file_is_written_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, short_lines: None, pieces: list[bytes], cuts: list[int], kind: str
) -> None:
    path = tmp_path_factory.mktemp("trial") / "metrics.jsonl"
    data = b"".join(pieces)
    collector = Collector(str(path), kind)
    with path.open("wb", buffering=0) as file:
        start = 0
        for index in range(len(data)):
            if start >= len(data):
                break
            size = cuts[index % len(cuts)]
            file.write(data[start : start + size])
            collector.poll(cuts[-1 - index % len(cuts)])
            start += size
    collector.finish()
    whole = Collector(str(path), kind)
    whole.finish()
    assert collector.summary() == whole.summary()
    assert [row.id for row in collector.observations()] == [row.id for row in whole.observations()]
