"""Whole lives of jobs, told in virtual time: what is done when limits, nodes, users and trials change their minds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from tests import builders
from tests.unit.tuner import scenes
from tuning_operator.simulation import fates, run, shell, world
from tuning_operator.simulation.fates import Fate, Outcome
from tuning_operator.tuner import actions

GOOD = Fate(reports={"accuracy": 0.5}, runs=10)


def lives(
    script: fates.Script | None = None,
    changes: dict[float, Callable[[world.World], None]] | None = None,
    *,
    thinks: float = 0.0,
    gate: world.Gate = lambda _: "",
    **fields: Any,
) -> world.World:
    """The world at the end of a job."""
    around = world.World(scenes.spec(**fields), script or (lambda trial, attempt: GOOD), gate=gate)
    for seconds, change in (changes or {}).items():
        around.at(seconds, change)
    run.run(around, lambda: shell.Shell(around, thinks=thinks))
    return around


def edit(**changes: Any) -> Callable[[world.World], None]:
    return lambda around: around.edit(**changes)


def story(around: world.World, *kinds: type) -> list[str]:
    """What was done, with the second at which it was done."""
    wanted = kinds or (actions.StartAttempt, actions.StopAttempt)
    return [
        f"{entry.seconds:g}: {word}"
        for entry in around.history
        if isinstance(entry.action, wanted)
        for word in scenes.words([entry.action])
    ]


def ends(around: world.World) -> list[str]:
    return [f"{item.status.phase} {item.status.reason}".strip() for item in around.observe()]


def verdict(around: world.World) -> str:
    (ended,) = [
        item.reason
        for item in around.status.conditions
        if item.type in ("Complete", "Failed") and item.status == "True"
    ]
    return f"{around.status.phase} {ended}"


def test_one_trial_after_the_other() -> None:
    around = lives(trials=2)
    assert story(around) == ["0: start job-0/1", "10: start job-1/1"]
    assert story(around, actions.RecordTrial) == [
        "0: record job-0 Running",
        "10: record job-0 Succeeded",
        "10: record job-1 Running",
        "20: record job-1 Succeeded",
    ]
    assert (verdict(around), around.now) == ("Complete MaxTrialsReached", 20)


def test_a_trial_costs_few_writes() -> None:
    around = lives(
        lambda trial, attempt: Fate(reports={"accuracy": trial}, waits=(("ContainerCreating", 2),)), trials=20
    )
    assert len(around.history) / 20 <= 8


def test_a_job_is_suspended_and_resumed() -> None:
    around = lives(None, {5: edit(suspend=True), 1000: edit(suspend=False)}, trials=2, limits={"maxDuration": "60s"})
    assert story(around) == ["0: start job-0/1", "5: stop job-0", "1000: start job-0/2", "1010: start job-1/1"]
    assert [item.status.losses for item in around.observe()] == [0, 0]
    assert verdict(around) == "Complete MaxTrialsReached"
    assert around.status.active_seconds == 25.0


def test_a_job_that_is_resumed_before_its_attempts_are_gone_waits_for_that_and_loses_nothing() -> None:
    slow = Fate(reports={"accuracy": 0.5}, lingers=20)
    changes = {5.0: edit(suspend=True), 6.0: edit(suspend=False)}
    around = lives(lambda trial, attempt: slow, changes, trials=1, trial={"retries": 0})
    assert story(around) == ["0: start job-0/1", "5: stop job-0", "25: start job-0/2"]
    assert ends(around) == ["Succeeded"]


def test_a_job_that_is_suspended_on_a_dead_node_neither_spins_nor_hangs() -> None:
    dead = Fate(reports={"accuracy": 0.5}, lingers=math.inf)
    changes = {5.0: edit(suspend=True), 5000.0: edit(suspend=False)}
    around = lives(lambda trial, attempt: dead if attempt == 1 else GOOD, changes, trials=1)
    assert story(around) == ["0: start job-0/1", "5: stop job-0", "5000: start job-0/2"]
    assert ends(around) == ["Succeeded"]


def test_a_result_that_comes_while_the_job_is_suspended_counts() -> None:
    draining = Fate(reports={"accuracy": 0.5}, runs=4, drains=10)
    around = lives(lambda trial, attempt: draining, {5: edit(suspend=True), 50: edit(suspend=False)}, trials=1)
    assert story(around, actions.StartAttempt) == ["0: start job-0/1"]
    assert ends(around) == ["Succeeded"]


def test_lowering_parallel_trials_ends_nothing_and_starts_nothing_until_there_is_room() -> None:
    around = lives(None, {5: edit(limits={"parallel_trials": 1})}, trials=6, parallel=4)
    assert [line for line in story(around) if "stop" in line] == []
    assert [line.split(":")[0] for line in story(around)] == ["0", "0", "0", "0", "10", "20"]


def test_raising_parallel_trials_fills_the_room_at_once() -> None:
    around = lives(None, {5: edit(limits={"parallel_trials": 3})}, trials=4, parallel=1)
    assert [line.split(":")[0] for line in story(around)] == ["0", "5", "5", "10"]


@pytest.mark.parametrize(("limit", "made"), [(7, 7), (1, 3), (3, 3)])
def test_max_trials_is_changed_while_the_job_runs(limit: int, made: int) -> None:
    around = lives(None, {15: edit(limits={"max_trials": limit})}, trials=5, parallel=1, search={"algorithm": "random"})
    made_by_then = 2
    assert len(around.trials) == max(made_by_then, limit) if limit < 3 else made
    assert verdict(around) == "Complete MaxTrialsReached"
    assert set(ends(around)) == {"Succeeded"}


def test_the_target_ends_the_job_and_all_that_runs() -> None:
    def script(trial: int, attempt: int) -> Fate:
        return Fate(reports={"accuracy": 0.99}, runs=5) if trial == 1 else Fate(runs=math.inf)

    around = lives(script, trials=9, parallel=3, objectives=[builders.objective(target=0.9)])
    assert ends(around) == ["Stopped JobEnded", "Succeeded", "Stopped JobEnded"]
    assert story(around, actions.StopAttempt) == ["5: stop job-0", "5: stop job-2"]
    assert verdict(around) == "Complete TargetReached"


def test_max_duration_ends_the_job_although_nothing_happens() -> None:
    def script(trial: int, attempt: int) -> Fate:
        return GOOD if trial == 0 else Fate(waits=(("Unschedulable", math.inf),))

    around = lives(script, trials=9, parallel=2, limits={"maxDuration": "10m"})
    assert ends(around) == ["Succeeded", "Stopped JobEnded", "Stopped JobEnded"]
    assert (verdict(around), around.now) == ("Complete MaxDurationReached", 601)


def test_an_attempt_that_was_lost_is_not_started_again_in_a_job_that_ended() -> None:
    """It was lost and recorded, and there was no quota to start it again when the job came to its end."""

    def gate(around: world.World) -> str:
        return "quota" if around.now >= 10 else ""

    evicted = Fate(Outcome.EVICTED, runs=10)
    around = lives(lambda trial, attempt: evicted, trials=1, limits={"maxDuration": "1m"}, gate=gate)
    assert story(around) == ["0: start job-0/1"]
    assert ends(around) == ["Stopped JobEnded"]


@pytest.mark.parametrize(
    ("first", "seconds", "reason"),
    [
        pytest.param(Fate(Outcome.EVICTED, runs=5), 5, "Evicted", id="evicted"),
        pytest.param(Fate(Outcome.VANISHES, runs=5), 5, "PodDeleted", id="removed by somebody"),
        pytest.param(
            Fate(Outcome.EVICTED, waits=(("Unschedulable", 3),), runs=2), 5, "Evicted", id="evicted after a wait"
        ),
    ],
)
def test_a_lost_attempt_is_started_again_with_the_same_parameters(first: Fate, seconds: int, reason: str) -> None:
    around = lives(lambda trial, attempt: first if attempt == 1 else GOOD, trials=1)
    assert story(around) == ["0: start job-0/1", f"{seconds}: start job-0/2"]
    (item,) = around.observe()
    assert [(past.number, past.phase, past.reason) for past in item.status.attempts] == [
        (1, "Lost", reason),
        (2, "Succeeded", ""),
    ]
    assert (item.status.losses, around.status.trials.failed) == (1, 0)
    assert [told.key for told in around.told() if told.trial] == ["lost-0-1"]


def test_a_second_loss_beside_the_remains_of_the_first_is_told_from_it() -> None:
    def script(trial: int, attempt: int) -> Fate:
        return (Fate(Outcome.EVICTED, runs=5), Fate(Outcome.VANISHES, runs=5), GOOD)[attempt - 1]

    around = lives(script, trials=1)
    assert story(around) == ["0: start job-0/1", "5: start job-0/2", "10: start job-0/3"]
    assert around.observe()[0].status.losses == 2


@pytest.mark.parametrize(
    ("lingers", "seconds"), [(8.0, 13), (math.inf, 5 + 30 + 60)], ids=["its node lives", "lost node"]
)
def test_a_user_deletes_an_attempt(lingers: float, seconds: int) -> None:
    first = Fate(reports={"accuracy": 0.5}, lingers=lingers)
    delete = {5.0: lambda around: around.delete_attempt(0)}
    around = lives(lambda trial, attempt: first if attempt == 1 else GOOD, delete, trials=1)
    assert story(around) == ["0: start job-0/1", f"{seconds}: start job-0/2"]
    assert ends(around) == ["Succeeded"]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_user_deletes_a_trial(number: int) -> None:
    around = lives(None, {25: lambda around: around.delete_trial(number)}, trials=5)
    assert sorted(around.trials) == sorted({0, 1, 2, 3, 4} - ({number} if number < 2 else set()))
    assert verdict(around) == "Complete MaxTrialsReached"


def test_the_trials_own_failures_are_not_retried_and_end_the_job() -> None:
    around = lives(lambda trial, attempt: Fate(Outcome.FAILS), trials=9, limits={"maxFailedTrials": 2})
    assert ends(around) == ["Failed NonZeroExit"] * 3
    assert verdict(around) == "Failed MaxFailedTrialsExceeded"


def test_losses_are_no_failures() -> None:
    def script(trial: int, attempt: int) -> Fate:
        return GOOD if attempt == 4 else Fate(Outcome.EVICTED, runs=1)

    around = lives(script, trials=3, limits={"maxFailedTrials": 0})
    assert ends(around) == ["Succeeded"] * 3


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_trial_that_reports_no_number_fails_and_the_job_goes_on(value: float) -> None:
    around = lives(lambda trial, attempt: Fate(reports={"accuracy": value if trial == 0 else 0.5}), trials=3)
    assert ends(around) == ["Failed ObjectiveNotFinite", "Succeeded", "Succeeded"]
    assert (verdict(around), around.status.best_value) == ("Complete MaxTrialsReached", "0.5")


def test_a_job_without_a_single_success_has_failed() -> None:
    around = lives(lambda trial, attempt: Fate(reports={"loss": 1.0}), trials=3)
    assert ends(around) == ["Failed ObjectiveNotReported"] * 3
    assert verdict(around) == "Failed NoSuccessfulTrial"


def test_an_image_that_cannot_be_pulled_fails_the_trial_after_a_while_and_leaves_no_attempt() -> None:
    flips = (("ErrImagePull", 10.0), ("ImagePullBackOff", 20.0)) * 50
    around = lives(lambda trial, attempt: Fate(waits=flips), trials=1)
    assert ends(around) == ["Failed ErrImagePull"]
    assert story(around, actions.RecordTrial, actions.StopAttempt) == [
        "0: record job-0 Pending ErrImagePull",
        "120: record job-0 Failed ErrImagePull",
        "120: stop job-0",
    ]


def test_a_trial_that_found_room_is_not_called_unschedulable_any_longer() -> None:
    waits = (("Unschedulable", 100.0), ("ContainerCreating", 100.0))
    around = lives(lambda trial, attempt: Fate(reports={"accuracy": 1}, waits=waits), trials=1)
    waiting = [
        (entry.seconds, held[0].status)
        for entry in around.history
        if isinstance(entry.action, actions.RecordJob)
        and (held := [one for one in entry.action.status.conditions if one.type == "WaitingForResources"])
    ]
    assert waiting[:2] == [(0, "True"), (100, "False")]


def test_a_trial_that_takes_too_long_fails_and_is_stopped() -> None:
    around = lives(
        lambda trial, attempt: Fate(waits=(("", 500),), runs=math.inf), trials=1, trial={"maxDuration": "1m"}
    )
    assert story(around, actions.RecordTrial, actions.StopAttempt)[-2:] == [
        "560: record job-0 Failed DeadlineExceeded",
        "560: stop job-0",
    ]


def test_a_sidecar_is_told_to_hand_over_and_removed_when_it_does_not() -> None:
    def script(trial: int, attempt: int) -> Fate:
        return Fate(reports={"accuracy": 0.5}, drains=3.0 if trial == 0 else math.inf)

    around = lives(script, trials=2)
    assert story(around, actions.Collect, actions.StopAttempt) == [
        "10: collect job-0",
        "23: collect job-1",
        "83: stop job-1",
    ]
    assert ends(around) == ["Succeeded", "Succeeded"]


@pytest.mark.parametrize("thinks", [0.0, 3.0, 30.0])
def test_a_grid_is_tried_once_and_to_its_end(thinks: float) -> None:
    """With a search that takes its time and trials that end while it does, no configuration comes twice."""
    parameters = [builders.whole("n", 1, 4), builders.choice("kernel")]
    around = lives(
        lambda trial, attempt: Fate(reports={"accuracy": 0.5}, runs=4 + trial % 3),
        thinks=thinks,
        algorithm="grid",
        trials=None,
        parallel=3,
        parameters=parameters,
    )
    tried = [tuple(item.spec.parameters.items()) for item in around.observe()]
    assert len(tried) == len(set(tried)) == 8
    assert verdict(around) == "Complete SearchSpaceExhausted"


def test_attempts_that_are_refused_wait_and_are_tried_again() -> None:
    def gate(around: world.World) -> str:
        running = sum(
            (seen := life.at(around.now)) is not None and not seen.phase.is_finished()
            for attempts in around.lives.values()
            for life in attempts.values()
        )
        return "2 of 2" if running >= 2 else ""

    around = lives(gate=gate, trials=4, parallel=4)
    assert story(around) == ["0: start job-0/1", "0: start job-1/1", "15: start job-2/1", "15: start job-3/1"]
    waiting = [told.message for told in around.told() if told.reason == "QuotaExceeded"]
    assert waiting == ["nothing new is started: QuotaExceeded: 2 of 2"]


def test_a_question_that_is_changed_stops_the_search_until_it_is_changed_back() -> None:
    changes = {5.0: edit(search={"seed": 8}), 500.0: edit(search={"seed": 7})}
    around = lives(None, changes, trials=3)
    assert story(around) == ["0: start job-0/1", "500: start job-1/1", "510: start job-2/1"]
    assert [told.reason for told in around.told()] == ["Started", "ImmutableFieldChanged", "MaxTrialsReached"]


def test_an_objective_that_is_changed_breaks_nothing() -> None:
    other = scenes.spec(objectives=[builders.objective("loss", "minimize", target=0.1)]).objectives
    before = scenes.spec(objectives=[builders.objective(target=2.0)]).objectives
    changes = {15.0: edit(objectives=other), 16.0: edit(objectives=before)}
    around = lives(None, changes, trials=3, objectives=[builders.objective(target=2.0)])
    assert verdict(around) == "Complete MaxTrialsReached"


def test_a_job_created_suspended_does_nothing_until_it_is_resumed() -> None:
    around = lives(None, {100: edit(suspend=False)}, trials=1, suspend=True, limits={"maxDuration": "50s"})
    assert story(around) == ["100: start job-0/1"]
    assert verdict(around) == "Complete MaxTrialsReached"
