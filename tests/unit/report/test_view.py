"""From a snapshot to what is drawn."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import builders as manifests
from tests.unit.report import builders
from tuning_operator.api import job as job_api
from tuning_operator.api import trial
from tuning_operator.report import objects, page, view, weights, wording
from tuning_operator.report.charts import cost, history
from tuning_operator.stopping import curve
from tuning_operator.tuner import outcomes

TWO = [
    job_api.Objective(metric="accuracy", goal=job_api.Goal.MAXIMIZE),
    job_api.Objective(metric="latency", goal=job_api.Goal.MINIMIZE),
]


@pytest.mark.parametrize(("goal", "order"), [("maximize", [2, 0, 1]), ("minimize", [1, 0, 2])])
def test_trials_are_ranked_by_the_goal_and_those_without_a_value_are_not(goal: str, order: list[int]) -> None:
    trials = [builders.one(n, values={"accuracy": v}) for n, v in enumerate((0.5, 0.1, 0.9))]
    trials.append(builders.one(3, phase="Failed"))
    seen = builders.seen(builders.snapshot(*trials, objectives=[manifests.objective("accuracy", goal)]))
    assert [row.number for row in seen.ranked] == order
    assert seen.best is seen.by_number[order[0]]


def test_a_trial_waits_until_it_runs_and_runs_until_it_ends() -> None:
    row = builders.seen(builders.snapshot(builders.one(0, begun=12, waited=5, ran=30))).rows[0]
    assert (row.created, row.start, row.end, row.ran) == (7, 12, 42, 30)


def test_a_running_trial_has_run_until_now() -> None:
    row = builders.seen(builders.snapshot(builders.one(0, begun=10, phase="Running"), now=25)).rows[0]
    assert (row.ran, row.end) == (15, None)


def test_every_attempt_counts() -> None:
    attempts = [
        trial.AttemptStatus(
            number=n, phase=trial.AttemptPhase(phase), start_time=builders.at(a), completion_time=builders.at(b)
        )
        for n, phase, a, b in ((1, "Lost", 0, 4), (2, "Succeeded", 10, 20))
    ]
    row = builders.seen(builders.snapshot(builders.one(0, attempts=attempts))).rows[0]
    assert (row.ran, [span.phase for span in row.spans]) == (14, ["Lost", "Succeeded"])


POINTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12)


@given(points=POINTS)
def test_the_front_holds_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    trials = [builders.one(n, values={"accuracy": a, "latency": b}) for n, (a, b) in enumerate(points)]
    rows = builders.seen(builders.snapshot(*trials)).rows

    def beaten(point: tuple[int, int]) -> bool:
        return any(a >= point[0] and b <= point[1] and (a, b) != point for a, b in points)

    wanted = {number for number, point in enumerate(points) if not beaten(point)}
    assert {row.number for row in view.pareto(rows, TWO)} == wanted


@given(size=st.integers(2, 700), most=st.integers(2, 200))
def test_a_thinned_curve_keeps_both_ends(size: int, most: int) -> None:
    whole = curve.Curve.of(*map(float, range(size)))
    thinned = view.thin(whole, most)
    assert len(thinned) == min(size, most)
    assert (thinned.steps[0], thinned.steps[-1]) == (whole.steps[0], whole.steps[-1])


def test_the_parameter_that_decides_is_the_important_one() -> None:
    shares, note = weights.importance(builders.seen(builders.study(60)))
    assert max(shares, key=shares.__getitem__) == "lr"
    assert sum(shares.values()) == pytest.approx(1)
    assert "permutation" in note


def test_what_the_operator_has_found_out_is_told() -> None:
    taken = builders.study(20)
    insight = job_api.Insight(trials=20, importance={"layers": 0.2, "lr": 0.8}, improvement=0.0123)
    status = taken.job.status.model_copy(update={"insight": insight})
    job = builders.seen(dataclasses.replace(taken, job=dataclasses.replace(taken.job, status=status)))
    assert list(job.importance) == ["lr", "layers"]
    text = page.report(job)
    assert "unlikely to gain more than 0.012" in text
    assert view.RECORDED in text


def test_an_infeasible_trial_is_no_new_best() -> None:
    trials = [
        builders.one(0, values={"accuracy": 0.5}),
        builders.one(1, values={"accuracy": 0.9}, reason=outcomes.INFEASIBLE),
        builders.one(2, values={"accuracy": 0.6}),
    ]
    chart = history.chart(builders.seen(builders.snapshot(*trials)))
    assert chart is not None
    assert [row[0] for row in chart.table] == ["0", "2"]


def test_importance_is_not_guessed_from_a_few_trials() -> None:
    assert weights.importance(builders.seen(builders.study(8))) == ({}, "")


@pytest.mark.parametrize(
    ("quantity", "wanted"),
    [("500m", 0.5), (4, 4), ("2", 2), ("1Ki", 1024), ("1e3", 1000), ("2x", 0), ("", 0), (None, 0), ("..", 0)],
)
def test_quantities_are_read(quantity: object, wanted: float) -> None:
    assert cost.amount(quantity) == wanted


def test_what_a_job_took_is_told_by_profile() -> None:
    trials = [
        builders.one(0, ran=3600, profile="gpu", values={"accuracy": 1.0}),
        builders.one(1, ran=1800, profile="cpu", phase="Failed"),
    ]
    lines = cost.table(builders.seen(builders.snapshot(*trials, now=4000, profiles=builders.PROFILES)))
    assert [(line[0], line[2], line[4], line[5], line[6], line[7]) for line in lines] == [
        ("gpu", "1 h", "4", "1", "1.08e4", "none"),
        ("cpu", "30 min", "4", wording.NOTHING, "1.8e3", "30 min (100 %)"),
        ("all", "1 h 30 min", "8", "1", "1.26e4", "30 min (33 %)"),
    ]


def bodies(**change: object) -> tuple[dict[str, object], dict[str, object]]:
    """A job and a trial of it, as the API server gives them."""
    owner = manifests.job("job") | {"metadata": {"name": "job", "namespace": "a", "uid": "u1"}}
    one = {
        "kind": "TuningTrial",
        "metadata": {"name": "job-0", "namespace": "a", "uid": "t0", "creationTimestamp": "2026-11-21T09:30:00Z"},
        "spec": {"job": {"name": "job", "uid": "u1"}, "number": 0, "parameters": {"x": 0.5}, "origin": "initial"},
        "status": {"phase": "Succeeded", "values": {"accuracy": 0.5}},
    }
    return owner, manifests.merged(one, change)


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({}, 1),
        ({"status": {"aFieldOfTheFuture": 1}}, 1),
        ({"spec": {"job": {"uid": "of-an-older-job-of-this-name"}}}, 0),
        ({"metadata": {"namespace": "b"}}, 0),
    ],
    ids=["its-own", "of-a-newer-version", "of-another-uid", "of-another-namespace"],
)
def test_a_job_has_only_its_own_trials(change: dict[str, object], kept: int) -> None:
    owner, one = bodies(**change)
    found = objects.found(owner, [one], builders.at(0))
    assert len(found.snapshot.trials) == kept
    assert list(found.created.values()) == [builders.at(0)] * kept


def test_the_curves_that_a_status_keeps_are_drawn() -> None:
    metric = {"metric": "accuracy", "count": 9, "steps": [1, 5, 9], "values": [0.1, 0.4, 0.5]}
    owner, one = bodies(status={"metrics": [metric]})
    item = objects.found(owner, [one], builders.at(0)).snapshot.trials[0]
    assert item.curves == {"accuracy": curve.Curve((1, 5, 9), (0.1, 0.4, 0.5))}


def test_objects_that_cannot_be_read_are_told() -> None:
    owner, one = bodies(spec={"number": "zero"})
    with pytest.raises(objects.Unreadable, match="number"):
        objects.found(owner, [one], builders.at(0))


def test_lists_within_lists_are_searched() -> None:
    owner, one = bodies()
    assert objects.jobs([{"kind": "List", "items": [owner, {"items": [one]}]}, None]) == ([owner], [one])
