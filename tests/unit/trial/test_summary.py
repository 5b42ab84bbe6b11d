"""The summary's message: never longer than allowed, always readable, and nothing lost that was not counted."""

from __future__ import annotations

import contextlib
import json

import hypothesis
import pytest
from hypothesis import strategies as st

from tuning_trial.summary import MAX_POINTS, Metric, Points, Summary

finite = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 10**9)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128)
metrics = st.builds(
    Metric,
    count=counts,
    first=finite | st.none(),
    last=finite,
    min=finite,
    max=finite,
    mean=finite,
    not_finite=counts,
    last_step=finite | st.none(),
)
summaries = st.builds(
    Summary,
    metrics=st.dictionaries(names, metrics, max_size=70),
    rows=counts,
    bad_lines=counts,
    dropped_metrics=counts,
    problem=st.text(max_size=600),
)

DIGITS = -1.2345678901234567e-300
LONG = Metric(123456789, DIGITS, DIGITS, DIGITS, DIGITS, DIGITS, 123456, 1234567.5)


def test_a_message_says_all_and_only_what_is_known() -> None:
    summary = Summary({"loss": Metric(2, 1.0, 0.5, 0.5, 1.0, 0.75, 0, 3.0)}, rows=2)
    assert json.loads(summary.to_message()) == {
        "v": 1,
        "rows": 2,
        "bad": 0,
        "dropped": 0,
        "problem": "",
        "metrics": {
            "loss": {"count": 2, "first": 1.0, "last": 0.5, "min": 0.5, "max": 1.0, "mean": 0.75, "last_step": 3.0}
        },
    }


@hypothesis.given(summaries.filter(lambda summary: len(summary.problem.encode("utf-8", "replace")) < 1000))
def test_what_fits_comes_back_the_same(summary: Summary) -> None:
    back = Summary.from_message(summary.to_message(limit=1_000_000))
    assert back.metrics == summary.metrics
    assert (back.rows, back.bad_lines, back.dropped_metrics) == (
        summary.rows,
        summary.bad_lines,
        summary.dropped_metrics,
    )


@hypothesis.given(summaries, st.integers(256, 5000))
def test_a_message_is_valid_within_its_limit_and_counts_what_it_leaves_out(summary: Summary, limit: int) -> None:
    message = summary.to_message(limit)
    assert len(message.encode()) <= limit
    back = Summary.from_message(message)
    assert list(back.metrics) == list(summary.metrics)[: len(back.metrics)]
    assert len(back.metrics) + back.dropped_metrics == len(summary.metrics) + summary.dropped_metrics


def test_eight_objectives_of_the_longest_names_always_fit() -> None:
    objectives = {f"{index}".rjust(128, "x"): LONG for index in range(8)}
    others = {f"metric{index}": LONG for index in range(56)}
    summary = Summary(
        {**objectives, **others}, rows=10**9, bad_lines=10**9, dropped_metrics=1000, problem="long " * 500
    )
    assert set(objectives) <= set(Summary.from_message(summary.to_message()).metrics)


@pytest.mark.parametrize("value", [1e300, -1e300, 5e-324, 1.7976931348623157e308, 0.1, -0.0], ids=repr)
def test_every_finite_number_survives(value: float) -> None:
    summary = Summary({"größe 🙂\x00\n": Metric(1, value, value, value, value, value)}, rows=1)
    assert Summary.from_message(summary.to_message()) == summary


curves = st.dictionaries(finite.map(lambda step: float(f"{step:.9g}")), finite, min_size=1, max_size=200).map(
    lambda found: Points(tuple(sorted(found)), tuple(found[step] for step in sorted(found)))
)


@hypothesis.given(st.dictionaries(names, curves, max_size=8), st.integers(256, 5000))
def test_curves_take_the_room_that_is_left(curves: dict[str, Points], limit: int) -> None:
    message = Summary({"loss": LONG}, curves=curves).to_message(limit)
    assert len(message.encode()) <= limit
    for name, points in Summary.from_message(message).curves.items():
        told = {round(step, 3) for step in points.steps}
        assert told <= {round(step, 3) for step in curves[name].steps}
        assert points.steps[-1] == pytest.approx(curves[name].steps[-1])
        assert len(points.steps) <= MAX_POINTS


def test_a_curve_comes_back_to_nine_digits() -> None:
    points = Points((1.0, 2.0, 1e12), (0.123456789012, 1.7976931348623157e308, -5e-324))
    back = Summary.from_message(Summary(curves={"loss": points}).to_message()).curves["loss"]
    assert back == Points((1.0, 2.0, 1e12), (0.123456789, 1.79769313e308, -5e-324))


def test_half_a_surrogate_pair_does_not_break_the_message() -> None:
    message = Summary({"\ud800": Metric(1, 1.0, 1.0, 1.0, 1.0, 1.0)}, problem="\udfff").to_message()
    assert list(Summary.from_message(message).metrics) == ["?"]


def test_a_limit_that_nothing_fits_into_is_refused() -> None:
    with pytest.raises(ValueError, match="allow at least 256"):
        Summary().to_message(100)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "not valid JSON", id="empty"),
        pytest.param('{"v":1,"rows":3,"metr', "not valid JSON", id="cut"),
        pytest.param("[" * 100_000, "not valid JSON", id="deep"),
        pytest.param("[]", "version None", id="no object"),
        pytest.param('{"v":2}', "version 2, this program reads version 1", id="newer"),
        pytest.param('{"v":1,"rows":-1}', "rows of the summary must be a whole number", id="negative count"),
        pytest.param('{"v":1,"rows":true}', "rows of the summary must be a whole number", id="boolean count"),
        pytest.param('{"v":1,"metrics":[]}', "metrics of the summary must be an object", id="metrics"),
        pytest.param('{"v":1,"metrics":{"a":1}}', "a of the summary must be an object", id="metric"),
        pytest.param('{"v":1,"metrics":{"a":{"last":"1"}}}', "a.last of the summary must be a number", id="value"),
        pytest.param('{"v":1,"metrics":{"a":{"last":NaN}}}', "NaN is not a finite number", id="nan"),
        pytest.param('{"v":1,"metrics":{"a":{"last":1e999}}}', "must be a finite number", id="overflow"),
        pytest.param('{"v":1,"curves":{"a":[1,2]}}', "must be two lists", id="curve"),
        pytest.param('{"v":1,"curves":{"a":[[1],[1,2]]}}', "as many numbers", id="uneven curve"),
        pytest.param('{"v":1,"curves":{"a":[[2,1],[1,2]]}}', "the steps of a in the summary must grow", id="steps"),
        pytest.param(
            '{"v":1,"metrics":{"a":{"last":1' + "0" * 400 + "}}}", "must be a finite number", id="long integer"
        ),
    ],
)
def test_a_message_that_is_none_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the message is compared below)
        Summary.from_message(text)
    assert message in str(caught.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["metrics", "rows", "loss", "last"]), inner)
    ),
    max_leaves=10,
)


@hypothesis.given(
    st.text()
    | json_values.map(json.dumps)
    | st.dictionaries(st.sampled_from(["metrics", "rows", "bad"]), json_values).map(
        lambda wire: json.dumps({"v": 1, **wire})
    )
)
def test_any_text_is_a_summary_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(Summary.from_message(text), Summary)
