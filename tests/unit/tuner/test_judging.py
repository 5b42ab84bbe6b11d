"""A stopping rule at work: what is recorded, what is stopped, what the search is told, and what a crash leaves."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from tests.unit.tuner import scenes
from tuning_operator.simulation import fates, run, shell, world
from tuning_operator.stopping import curve
from tuning_operator.tuner import actions, proposing, state
from tuning_trial import summary

QUALITY = (0.9, 0.5, 0.1, 0.8, 0.2, 0.95, 0.3, 0.85, 0.4, 0.6, 0.99, 0.05)
STEPS = 9
ASHA = {"algorithm": "asha", "maxSteps": STEPS}


def learning(quality: float, steps: int = STEPS) -> fates.Fate:
    """A trial that comes nearer to its accuracy with each step, one a second."""
    values = [quality * (1 - 0.5 ** (step + 1)) for step in range(steps)]
    return fates.Fate(curves={"accuracy": curve.Curve.of(*values)}, runs=float(steps))


def script(trial: int, _: int) -> fates.Fate:
    return learning(QUALITY[trial % len(QUALITY)])


def lived(crashes: tuple[int, ...] = (), early: dict[str, Any] | None = None, **fields: Any) -> world.World:
    wanted = {"trials": len(QUALITY), "parallel": 3, "earlyStopping": early or ASHA, **fields}
    around = world.World(scenes.spec(**wanted), script)
    run.run(around, lambda: shell.Shell(around, scenes.fingerprint), crashes=crashes)
    return around


def ends(around: world.World) -> dict[int, str]:
    return {item.number: f"{item.status.phase} {item.status.reason}".strip() for item in around.observe()}


def test_hopeless_trials_end_early_and_the_best_one_does_not() -> None:
    around = lived()
    ended = ends(around)
    assert ended[10] == "Succeeded"
    assert [number for number, end in ended.items() if end == "Stopped StoppedEarly"]
    assert around.status.phase == "Complete"
    assert around.status.trials.total == around.status.trials.succeeded + around.status.trials.stopped == len(QUALITY)
    assert around.status.best is not None
    assert around.status.best.trial == "job-10"
    assert around.now < len(QUALITY) * STEPS / 3


def test_a_stopped_trial_says_why_and_keeps_its_rungs_curve_and_value() -> None:
    item = lived().observe()[2]
    assert item.status.message == (
        "asha: at step 1 accuracy is 0.05, not among the best 1/3 of 3 trials at that step (0.316667)"
    )
    assert [(rung.step, rung.value) for rung in item.status.rungs] == [(1, 0.05)]
    assert item.status.values == {"accuracy": 0.05}
    assert [(metric.metric, metric.count, metric.steps) for metric in item.status.metrics] == [("accuracy", 1, [1])]


def test_its_end_is_recorded_before_its_process_is_stopped() -> None:
    words = [word for entry in lived().history for word in scenes.words([entry.action])]
    for word in words:
        if word.startswith("stop "):
            name = word.removeprefix("stop ")
            assert words.index(f"record {name} Stopped StoppedEarly") < words.index(word)


def test_the_search_is_told_the_value_at_which_a_trial_was_stopped() -> None:
    around = lived()
    (request,) = proposing.requests(around.owner, around.observe(), [(99, frozenset({2}))])
    assert [(result.outcome, result.values) for result in request.results] == [("Stopped", (0.05,))]


def test_without_a_rule_nothing_is_stopped() -> None:
    assert set(ends(lived(early={"algorithm": "none"})).values()) == {"Succeeded"}


@pytest.mark.parametrize("algorithm", ["asha", "median", "hyperband"])
def test_killed_at_any_step_a_job_ends_as_well(algorithm: str) -> None:
    early = {"algorithm": algorithm, "maxSteps": STEPS}
    steps = run_steps(early)
    for crash in range(1, steps, 3):
        around = lived((crash,), early)
        trials = around.observe()
        assert len(trials) == len(QUALITY)
        assert all(item.is_finished() for item in trials)
        for item in trials:
            rungs = [rung.step for rung in item.status.rungs]
            assert rungs == sorted(set(rungs))
            starts = [e.action for e in around.history if isinstance(e.action, actions.StartAttempt)]
            assert len([start for start in starts if start.trial.number == item.number]) == 1


def run_steps(early: dict[str, Any]) -> int:
    around = world.World(scenes.spec(trials=len(QUALITY), parallel=3, earlyStopping=early), script)
    return run.run(around, lambda: shell.Shell(around, scenes.fingerprint))


def test_every_rung_of_a_look_is_decided_in_order_of_number() -> None:
    seen = [
        dataclasses.replace(
            scenes.one(number, "Running", scenes.attempt()), curves={"accuracy": curve.Curve.of(quality)}
        )
        for number, quality in enumerate((0.9, 0.5, 0.1))
    ]
    todo = scenes.planned(scenes.snapshot(*seen, wanted=scenes.spec(parallel=3, earlyStopping=ASHA)))
    assert scenes.words(todo) == [
        "record job-0 Running",
        "record job-1 Running",
        "record job-2 Stopped StoppedEarly",
    ]


def test_a_trial_that_diverged_has_a_rung_without_a_value() -> None:
    first = scenes.one(0, "Running", scenes.attempt(), rungs=[{"step": 3, "value": 0.1}])
    running = scenes.one(1, "Running", scenes.attempt())
    seen = dataclasses.replace(running, curves={"accuracy": curve.Curve((1.0,), (0.9,), diverged_at=3.0)})
    (*_, record) = scenes.planned(scenes.snapshot(first, seen, wanted=scenes.spec(parallel=2, earlyStopping=ASHA)))
    assert isinstance(record, actions.RecordTrial)
    assert [(rung.step, rung.value) for rung in record.status.rungs] == [(1, 0.9), (3, None)]
    assert record.status.message.startswith("asha: at step 3 accuracy is NaN or infinite, not among")


def stopped_early(handed: summary.Summary | None, **status: Any) -> state.Trial:
    seen = scenes.attempt("Lost", reason="PodDeleted", summary=handed)
    known = {"attempts": [scenes.record(1, "Failed")], "values": {"accuracy": 0.5}, **status}
    return scenes.one(0, "Stopped", seen, **{"reason": "StoppedEarly", **known})


def test_the_last_flush_of_a_stopped_trial_is_kept_and_its_value_stays() -> None:
    item = stopped_early(scenes.reported(accuracy=0.7))
    (record, *_) = scenes.planned(scenes.snapshot(item, wanted=scenes.spec(earlyStopping=ASHA)))
    assert isinstance(record, actions.RecordTrial)
    assert (record.status.phase, record.status.values) == ("Stopped", {"accuracy": 0.5})
    assert [metric.last for metric in record.status.metrics] == [0.7]
    again = dataclasses.replace(item, status=record.status)
    assert not scenes.words(scenes.planned(scenes.snapshot(again, wanted=scenes.spec(trials=1, earlyStopping=ASHA))))[
        1:
    ]


@pytest.mark.parametrize(
    "item",
    [stopped_early(None), stopped_early(scenes.reported(accuracy=0.7), reason="JobEnded")],
    ids=["none", "other"],
)
def test_there_may_be_nothing_to_add(item: state.Trial) -> None:
    todo = scenes.planned(scenes.snapshot(item, wanted=scenes.spec(earlyStopping=ASHA)))
    assert not [action for action in todo if isinstance(action, actions.RecordTrial)]


def test_a_trial_that_ended_before_anybody_looked_still_enters_its_rungs() -> None:
    handed = summary.Summary(
        scenes.reported(accuracy=0.9).metrics,
        rows=9,
        curves={"accuracy": summary.Points(tuple(map(float, range(1, 10))), (0.9,) * 9)},
    )
    item = scenes.one(0, "Running", scenes.succeeded(summary=handed))
    (record, *_) = scenes.planned(scenes.snapshot(item, wanted=scenes.spec(earlyStopping=ASHA)))
    assert isinstance(record, actions.RecordTrial)
    assert record.status.phase == "Succeeded"
    assert [rung.step for rung in record.status.rungs] == [1, 3]
    assert math.isclose(record.status.values["accuracy"], 0.9)
