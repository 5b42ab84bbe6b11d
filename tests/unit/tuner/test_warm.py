"""What a job takes over from earlier ones: what fits, as much as is bounded, once."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests import builders
from tests.unit.tuner import scenes
from tests.unit.tuner.scenes import one, snapshot
from tuning_operator.api import errors, job, trial
from tuning_operator.search import space as spaces
from tuning_operator.simulation import run, world
from tuning_operator.simulation.fates import Fate
from tuning_operator.tuner import actions, admission, plan, proposing, report, state, warm

SPACE = [
    builders.real("x", 0, 1),
    builders.whole("n", 2, 16, step=2),
    builders.choice("kernel", "rbf", "poly"),
    builders.whole("degree", 2, 6, when={"kernel": ["poly"]}),
]


def spec(**fields: Any) -> job.JobSpec:
    return scenes.spec(parameters=SPACE, search={"warmStartFrom": [{"name": "other"}]}, **fields)


def other(*trials: tuple[Mapping[str, Any], Mapping[str, float]], name: str = "other") -> state.Source:
    """A job whose trials had these parameters and reported these metrics."""
    made = []
    for number, (parameters, metrics) in enumerate(trials):
        curves = [
            trial.MetricSummary(metric=metric, count=1, first=value, last=value, min=value, max=value, mean=value)
            for metric, value in metrics.items()
        ]
        item = one(number, "Succeeded", values={}, metrics=curves)
        made.append(dataclasses.replace(item, spec=item.spec.model_copy(update={"parameters": dict(parameters)})))
    return state.Source(name, f"uid-{name}", tuple(made))


GOOD = {"x": 0.25, "n": 4, "kernel": "rbf"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (GOOD, GOOD),
        ({**GOOD, "x": 1}, {**GOOD, "x": 1.0}),
        ({**GOOD, "x": 1.01}, None),
        ({**GOOD, "n": 5.2}, {**GOOD, "n": 6}),
        ({**GOOD, "n": 18}, None),
        ({**GOOD, "kernel": "linear"}, None),
        ({**GOOD, "gone": 3}, GOOD),
        ({"x": 0.25, "kernel": "rbf"}, {**GOOD, "n": 10}),
        ({**GOOD, "kernel": "poly"}, {**GOOD, "kernel": "poly", "degree": 4}),
        ({"x": 0.25, "n": 4}, GOOD),
    ],
    ids=[
        "as it is", "a whole number for a float", "outside", "between two steps", "beyond the last step", "no choice any more",
        "a parameter less", "a new parameter", "a new conditional one", "a new choice",
    ],
)  # fmt: skip
def test_configurations_of_another_space_are_taken_over_where_they_have_a_place(
    given: dict[str, Any], expected: dict[str, Any] | None
) -> None:
    assert warm.convert(spaces.Space.from_spec(spec()), given) == expected


def test_what_is_taken_counts_what_is_left_out() -> None:
    failed = dataclasses.replace(
        other((GOOD, {"accuracy": 0.1})).trials[0], status=trial.TrialStatus(phase=trial.TrialPhase.FAILED)
    )
    source = other((GOOD, {"accuracy": 0.5}), ({**GOOD, "x": 9}, {"accuracy": 0.6}), (GOOD, {"loss": 1}))
    found = warm.take(spec(), [dataclasses.replace(source, trials=(*source.trials, failed))])
    assert found.sources == [job.WarmStartSource(name="other", uid="uid-other", usable=1, unusable=3)]
    assert found.results == [job.Lesson(parameters=GOOD, values={"accuracy": 0.5})]


def test_trials_of_one_configuration_become_their_mean() -> None:
    found = warm.take(spec(), [other((GOOD, {"accuracy": 0.5})), other((GOOD, {"accuracy": 0.7}), name="more")])
    assert [lesson.values for lesson in found.results] == [{"accuracy": 0.6}]


def test_objectives_and_outcome_constraints_are_this_jobs_own() -> None:
    wanted = spec(
        objectives=[builders.objective(), builders.objective("loss", "minimize", **{"from": "last"})],
        outcomeConstraints=["latency <= 20"],
    )
    told = {"accuracy": 0.5, "loss": 2.0}
    found = warm.take(wanted, [other((GOOD, {**told, "latency": 25}), ({**GOOD, "x": 0.5}, told))])
    assert found.results == [job.Lesson(parameters=GOOD, values=told, violations=[5.0])]
    owner = state.Job("job", "uid", 1, wanted, job.JobStatus(warm_start=found))
    (result,) = warm.told(owner)
    assert (result.number, result.values, result.violations) == (-1, (0.5, 2.0), (5.0,))


def test_what_is_taken_is_bounded_and_holds_the_best_and_a_spread_of_the_rest() -> None:
    many = other(*(({**GOOD, "x": number / 1000}, {"accuracy": number / 1000}) for number in range(1000)))
    found = warm.take(spec(), [many])
    values = [lesson.values["accuracy"] for lesson in found.results]
    assert len(values) == warm.MOST
    assert values == sorted(values, reverse=True)
    assert values[:50] == [number / 1000 for number in range(999, 949, -1)]
    assert values[-1] < 0.02
    assert len(json.dumps(found.to_wire())) < 2 * warm.MOST_BYTES
    assert found == warm.take(spec(), [many])
    assert found.digest != warm.take(spec(), [other((GOOD, {"accuracy": 0.5}))]).digest


def begun(*sources: state.Source, **status: Any) -> state.Snapshot:
    return snapshot(wanted=spec(), status=job.JobStatus(**status), sources=sources)


def test_nothing_begins_before_all_of_them_exist_and_the_status_says_why() -> None:
    waits = begun()
    found = report.status(waits, None)
    assert found.message.startswith(
        "no trials yet: other, named in spec.search.warmStartFrom, does not exist; create it"
    )
    assert found.warm_start is None
    seen = dataclasses.replace(waits, job=dataclasses.replace(waits.job, status=found))
    calm = plan.plan(seen)
    assert calm.actions == ()
    assert calm.wake is not None


def test_what_was_taken_is_recorded_before_the_first_trial_and_stays() -> None:
    first = plan.plan(begun(other((GOOD, {"accuracy": 0.5}))))
    assert not any(isinstance(action, actions.Suggest | actions.CreateTrial) for action in first.actions)
    (told,) = (a for a in first.actions if isinstance(a, actions.Announce) and a.reason == "WarmStarted")
    assert told.message == "learns from 1 of 1 trials of other: 1 results are kept in status.warmStart"
    (record,) = (action for action in first.actions if isinstance(action, actions.RecordJob))
    again = job.JobStatus.model_validate_json(json.dumps(record.status.to_wire()))
    seen = begun(other((GOOD, {"accuracy": 0.9})))
    seen = dataclasses.replace(seen, job=dataclasses.replace(seen.job, status=again))
    assert report.status(seen, None).warm_start == record.status.warm_start
    assert any(isinstance(action, actions.Suggest) for action in plan.plan(seen).actions)
    (request,) = proposing.requests(seen.job, (), [(0, frozenset())])
    assert [result.values for result in request.results] == [(0.5,)]


def test_a_job_cannot_learn_from_itself() -> None:
    manifest = builders.job("job", search={"warmStartFrom": [{"name": "job"}]})
    with pytest.raises(errors.SpecError) as refusal:
        admission.admit(manifest)
    assert [problem.field for problem in refusal.value.problems] == ["spec.search.warmStartFrom[0].name"]


def configurations(crashes: Sequence[int], sources: Sequence[state.Source]) -> list[Any]:
    """Of a job whose sources vanish as soon as its first trial is there."""
    settings = {"n_initial_points": 3, "n_candidates": 50}
    wanted = scenes.spec(
        algorithm="bayesian",
        parameters=SPACE,
        trials=4,
        search={"warmStartFrom": [{"name": "other"}], "settings": settings},
    )
    around = world.World(wanted, lambda number, attempt: Fate(reports={"accuracy": 1 / (1 + number)}, runs=5.0))
    around.sources = tuple(sources)
    around.at(1.0, lambda world: setattr(world, "sources", ()))
    run.run(around, crashes=crashes)
    assert around.status.phase == "Complete"
    return [(stored.spec.origin, stored.spec.parameters) for _, stored in sorted(around.trials.items())]


def test_a_warm_start_spares_the_initial_design_and_survives_crashes_and_the_end_of_the_other_job() -> None:
    source = other(*(({**GOOD, "x": number / 10}, {"accuracy": number / 10}) for number in range(8)))
    undisturbed = configurations([], [source])
    assert {origin for origin, _ in undisturbed} == {"model"}
    for step in (1, 2, 4, 7, 11):
        assert configurations([step, step + 6], [source]) == undisturbed
