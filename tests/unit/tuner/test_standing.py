"""Which trials stand out: the best one, the ranking and the Pareto front."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from tests import builders
from tests.unit.tuner import scenes
from tests.unit.tuner.scenes import ago, one
from tuning_operator.api import job
from tuning_operator.tuner import report, standing, state


def spec(**fields: object) -> job.JobSpec:
    """A job with two objectives."""
    return scenes.spec(objectives=[builders.objective(), builders.objective("latency", "minimize")], **fields)


def trials(*values: tuple[float, float]) -> list[state.Trial]:
    """Trials with these accuracies and latencies."""
    return [
        one(number, "Succeeded", values={"accuracy": accuracy, "latency": latency})
        for number, (accuracy, latency) in enumerate(values)
    ]


def numbers(found: Sequence[standing.Candidate]) -> list[int]:
    return [candidate.trial.number for candidate in found]


@pytest.mark.parametrize(("goal", "winner"), [("maximize", 1), ("minimize", 0)])
def test_the_best_trial_is_the_earliest_of_equals_and_never_one_without_a_value(goal: str, winner: int) -> None:
    wanted = scenes.spec(objectives=[builders.objective(goal=goal)])
    values = [0.1, 0.9, 0.9, 0.1]
    some = [one(number, "Succeeded", values={"accuracy": value}) for number, value in enumerate(values)]
    best = standing.best(standing.candidates(wanted, [one(9, "Failed"), *reversed(some)]))
    assert best is not None
    assert best.trial.number == winner
    assert standing.best(standing.candidates(wanted, [one(0, "Failed"), one(1)])) is None


def test_the_front_is_what_no_other_trial_beats_sorted_by_the_first_objective() -> None:
    found = standing.candidates(spec(), trials((0.9, 50), (0.8, 10), (0.85, 60), (0.95, 80), (0.8, 10), (0.7, 5)))
    assert numbers(standing.front(found)) == [3, 0, 1, 5]


def test_the_best_of_a_front_is_the_one_that_gives_up_least() -> None:
    best = standing.best(standing.candidates(spec(), trials((0.99, 100), (0.97, 20), (0.5, 10), (0.96, 60))))
    assert best is not None
    assert best.trial.number == 1


def test_a_job_with_several_objectives_shows_its_front_and_what_it_is_worth() -> None:
    seen = scenes.snapshot(*trials((0.9, 50), (0.8, 10), (0.7, 60)), wanted=spec())
    found = report.status(seen, None)
    assert [entry.trial for entry in found.pareto_front] == ["job-0", "job-1"]
    assert found.front_size == 2
    assert found.hypervolume_reference == {"accuracy": 0.7, "latency": 60}
    assert found.hypervolume == pytest.approx(0.2 * 10 + 0.1 * 40)
    assert found.best is not None
    assert found.best_value == ", ".join(f"{found.best.values[name]:g}" for name in ("accuracy", "latency"))
    again = job.JobStatus.model_validate_json(json.dumps(found.to_wire()))
    assert again == found


def test_without_several_objectives_or_values_there_is_no_front() -> None:
    assert report.status(scenes.snapshot(one(0, "Succeeded")), None).pareto_front == []
    assert "hypervolume" not in report.status(scenes.snapshot(one(0), wanted=spec()), None).to_wire()


def test_the_reference_stays_once_ten_trials_have_ended_in_whatever_order() -> None:
    late = [
        one(number, "Succeeded", values={"accuracy": 0.0, "latency": 1000.0}, completion_time=ago(1))
        for number in (0, 1)
    ]
    early = [one(number, "Succeeded", values={"accuracy": 0.5, "latency": 10.0 + number}) for number in range(2, 12)]
    edge = standing.reference(standing.candidates(spec(), [*late, *early]))
    assert standing.signed(spec().objectives, edge) == {"accuracy": 0.5, "latency": 21.0}


def test_a_large_front_is_shown_by_a_part_that_is_bounded_in_number_and_size() -> None:
    many = standing.candidates(spec(), trials(*((number / 1000, number) for number in range(1000))))
    assert len(standing.front(many)) == 1000
    shown = standing.shown(standing.front(many))
    assert len(shown) == standing.FRONT_SHOWN
    assert {0, 999} <= set(numbers(shown))
    wordy = {f"p{index}": "x" * 100 for index in range(100)}
    heavy = [
        state.Trial(item.name, item.uid, item.spec.model_copy(update={"parameters": wordy}), item.status)
        for item in trials(*((number / 100, number) for number in range(100)))
    ]
    shown = standing.shown(standing.front(standing.candidates(spec(), heavy)))
    assert len(shown) > 1
    assert len(json.dumps([one.wire().to_wire() for one in shown])) <= standing.FRONT_BYTES
