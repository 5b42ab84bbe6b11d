"""What holds whatever happens, in whatever order, wherever the operator is killed."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest

from tests.unit.tuner import scenes
from tuning_operator.simulation import fates, run, shell, world
from tuning_operator.simulation.fates import Fate, Outcome
from tuning_operator.tuner import actions, plan, report, state

THOROUGH = hypothesis.settings(max_examples=30, deadline=None)

Change = Callable[[world.World], None]


def limit(**limits: int) -> Change:
    return lambda around: around.edit(limits=limits)


def suspend(value: bool) -> Change:
    return lambda around: around.edit(suspend=value)


def delete(choice: int) -> Change:
    def change(around: world.World) -> None:
        if around.lives:
            around.delete_attempt(sorted(around.lives)[choice % len(around.lives)])

    return change


seconds = st.floats(0, 40, allow_nan=False).map(lambda value: round(value, 1))
waits = st.lists(
    st.tuples(st.sampled_from(["", "ContainerCreating", "Unschedulable", "ErrImagePull", "ImagePullBackOff"]), seconds),
    max_size=3,
).map(tuple)
fate = st.builds(
    Fate,
    outcome=st.sampled_from([Outcome.SUCCEEDS] * 4 + [Outcome.FAILS, Outcome.EVICTED, Outcome.VANISHES]),
    reports=st.sampled_from([0.1, 0.5, 0.9, math.nan]).map(lambda value: {"accuracy": value}),
    waits=waits,
    runs=st.one_of(seconds.map(lambda value: value + 0.5), st.just(math.inf)),
    drains=st.sampled_from([None, None, 0.0, 2.0, math.inf]),
    lingers=st.sampled_from([0.5, 5.0, math.inf]),
)
changes = st.lists(
    st.tuples(
        st.floats(0, 300),
        st.one_of(
            st.integers(1, 5).map(lambda value: limit(parallel_trials=value)),
            st.integers(1, 12).map(lambda value: limit(max_trials=value)),
            st.integers(0, 9).map(lambda value: limit(max_failed_trials=value)),
            st.booleans().map(suspend),
            st.integers(0, 9).map(delete),
        ),
    ),
    max_size=6,
)


@dataclasses.dataclass(frozen=True)
class Scene:
    """A job, and what will happen to it."""

    trials: int
    parallel: int
    retries: int
    fates: list[Fate]
    changes: list[tuple[float, Change]]
    varied: bool = True
    """Whether the attempts of a trial meet different fates."""

    def world(self) -> world.World:
        """The scene at its beginning. Whatever happens, it is resumed in the end and has an hour."""
        wanted = scenes.spec(
            trials=self.trials,
            parallel=min(self.parallel, self.trials),
            limits={"maxDuration": "1h"},
            trial={"retries": self.retries, "maxDuration": "2m"},
        )
        many = len(self.fates)
        around = world.World(wanted, lambda trial, attempt: self.fates[(trial + 7 * attempt * self.varied) % many])
        for moment, change in [*self.changes, (400.0, suspend(False))]:
            around.at(moment, change)
        return around


scene = st.builds(
    Scene,
    trials=st.integers(1, 10),
    parallel=st.integers(1, 4),
    retries=st.integers(0, 2),
    fates=st.lists(fate, min_size=1, max_size=6),
    changes=changes,
)
alone = st.builds(
    Scene,
    trials=st.integers(2, 8),
    parallel=st.just(1),
    retries=st.integers(0, 2),
    fates=st.lists(fate, min_size=1, max_size=6),
    changes=st.just([]),
)


def steady(scene: Scene) -> Scene:
    """The scene as two runs can be compared: a suspension may come just before an attempt or just after it, and so may
    change which attempt a trial ends with.
    """
    return dataclasses.replace(scene, varied=not scene.changes)


def twice(snapshot: state.Snapshot) -> actions.Plan:
    """A plan that is made twice."""
    first, second = plan.plan(snapshot), plan.plan(snapshot)
    assert first == second
    assert first.wake is None or first.wake > snapshot.now
    return first


def play(scene: Scene, thinks: float = 0.0, **how: Any) -> world.World:
    around = scene.world()
    run.run(around, lambda: shell.Shell(around, scenes.fingerprint, thinks, twice), **how)
    return around


def of(around: world.World, kind: type) -> list[Any]:
    return [entry for entry in around.history if isinstance(entry.action, kind)]


def configurations(around: world.World) -> list[Any]:
    return [(item.number, item.spec.parameters, item.spec.based_on) for item in around.observe()]


def judge(around: world.World) -> None:
    """Everything that holds in every history."""
    created = of(around, actions.CreateTrial)
    assert [entry.action.proposal.number for entry in created] == list(range(len(around.trials)))
    for entry in created:
        assert entry.live < entry.spec.limits.parallel_trials
        assert entry.total < entry.spec.limits.max_trials
        assert not entry.spec.suspend
    judge_attempts(around)
    finished: set[int] = set()
    for entry in of(around, actions.RecordTrial):
        assert entry.action.trial.number not in finished
        finished |= {entry.action.trial.number} if entry.action.status.phase.is_finished() else set()
    assert around.status.phase.is_finished()
    assert finished == set(around.trials)
    assert around.status.trials == report.status(final(around), None).trials


def judge_counts(around: world.World) -> None:
    """Each status that was written counts the trials that were there; two operators may be a moment behind each other."""
    for entry in of(around, actions.RecordJob):
        counts = entry.action.status.trials
        assert counts.total == entry.total
        assert counts.pending + counts.running == entry.live


def judge_attempts(around: world.World) -> None:
    """Nothing is started that is known to have been, nor after its trial's end; nothing is stopped without a reason."""
    recorded: set[tuple[int, int]] = set()
    ended: set[int] = set()
    for entry in around.history:
        match entry.action:
            case actions.RecordTrial(trial=item, status=status):
                recorded |= {(item.number, attempt.number) for attempt in status.attempts}
                ended |= {item.number} if status.phase.is_finished() else set()
            case actions.StartAttempt(trial=item, number=number):
                assert (item.number, number) not in recorded
                assert number <= 1 or (item.number, number - 1) in recorded
                assert item.number not in ended
                assert not entry.spec.suspend
            case actions.StopAttempt(trial=item):
                assert item.number in ended or entry.spec.suspend or (item.attempt and item.attempt.draining)
    for item in around.observe():
        assert item.attempt is None or item.attempt.phase.is_finished() or item.attempt.gone_by is not None


def final(around: world.World) -> state.Snapshot:
    return state.Snapshot(around.owner, around.observe(), fates.moment(around.now))


@THOROUGH
@hypothesis.given(scene)
def test_whatever_happens_the_job_ends_and_its_history_is_sound(scene: Scene) -> None:
    around = play(scene)
    judge(around)
    judge_counts(around)
    starts = [(entry.action.trial.number, entry.action.number) for entry in of(around, actions.StartAttempt)]
    assert len(starts) == len(set(starts))


@THOROUGH
@hypothesis.given(
    scene,
    st.sets(st.integers(1, 150), max_size=8),
    st.sampled_from([0.0, 3.0, 50.0]),
    st.sampled_from([0.0, 5.0]),
    st.sampled_from([0.0, 2.0]),
    st.integers(0, 99),
)
def test_the_same_with_crashes_and_an_operator_that_is_slow(
    scene: Scene, crashes: set[int], downtime: float, late: float, thinks: float, seed: int
) -> None:
    around = play(scene, thinks, crashes=crashes, downtime=downtime, late=late, seed=seed)
    judge(around)
    judge_counts(around)


@THOROUGH
@hypothesis.given(scene, st.sets(st.integers(1, 300), max_size=8))
def test_crashes_change_no_configuration(scene: Scene, crashes: set[int]) -> None:
    scene = steady(scene)
    assert configurations(play(scene, crashes=crashes)) == configurations(play(scene))


@THOROUGH
@hypothesis.given(alone, st.sets(st.integers(1, 150), max_size=5), st.sampled_from([1.0, 70.0]), st.floats(0, 9))
def test_nor_do_crashes_with_long_absences_where_trials_run_one_by_one(
    scene: Scene, crashes: set[int], downtime: float, late: float
) -> None:
    # A sidecar that never hands over is removed with its Pod; what it says then is lost to an operator that is away.
    calm = dataclasses.replace(
        scene,
        fates=[
            dataclasses.replace(
                one, outcome=Outcome.SUCCEEDS, runs=5, waits=(), drains=2.0 if one.drains == math.inf else one.drains
            )
            for one in scene.fates
        ],
    )
    assert configurations(play(calm, crashes=crashes, downtime=downtime, late=late)) == configurations(play(calm))


@THOROUGH
@hypothesis.given(scene, st.integers(0, 999), st.sets(st.integers(1, 300), max_size=4))
def test_two_operators_do_what_one_would(scene: Scene, seed: int, crashes: set[int]) -> None:
    scene = steady(scene)
    both = play(scene, operators=2, seed=seed, crashes=crashes)
    judge(both)
    assert configurations(both) == configurations(play(scene))


@pytest.mark.parametrize("parallel", [1, 3])
def test_a_crash_at_any_step_changes_no_configuration_and_starts_nothing_twice(parallel: int) -> None:
    def script(trial: int, attempt: int) -> Fate:
        rng = random.Random(f"{trial}/{attempt}")
        outcome = rng.choice([Outcome.SUCCEEDS] * 5 + [Outcome.FAILS, Outcome.EVICTED])
        return Fate(outcome, {"accuracy": rng.random()}, runs=rng.randint(3, 9), drains=rng.choice([None, 1.0]))

    def go(**how: Any) -> tuple[world.World, int]:
        around = world.World(scenes.spec(trials=8, parallel=parallel, limits={"maxFailedTrials": 9}), script)
        return around, run.run(around, lambda: shell.Shell(around, scenes.fingerprint), **how)

    undisturbed, steps = go()
    assert len(undisturbed.trials) == 8
    for step in range(1, steps + 1):
        again, _ = go(crashes={step})
        assert configurations(again) == configurations(undisturbed), f"killed before step {step}"
        starts = [(entry.action.trial.number, entry.action.number) for entry in of(again, actions.StartAttempt)]
        assert len(starts) == len(set(starts)), f"killed before step {step}"


@pytest.mark.parametrize("crash", [None, *range(30, 60, 3)])
def test_an_extended_job_goes_on_as_if_it_had_been_longer_from_the_start(crash: int | None) -> None:
    fates = [Fate(runs=3.0, reports={"accuracy": 0.1 * number}) for number in range(1, 4)]
    longer = Scene(trials=6, parallel=1, retries=1, fates=fates, changes=[])
    extended = dataclasses.replace(longer, trials=3, changes=[(1000.0, limit(max_trials=6))])
    expected, found = play(longer), play(extended, crashes=() if crash is None else {crash})
    judge(found)
    assert configurations(found) == configurations(expected)
    ends = [entry.action.status for entry in of(found, actions.RecordJob) if entry.action.status.phase == "Complete"]
    assert {status.progress for status in ends} == {"3/3", "6/6"}


def test_a_bayesian_search_survives_crashes_and_absences_to_the_last_digit() -> None:
    def go(**how: Any) -> tuple[world.World, int]:
        wanted = scenes.spec(
            algorithm="bayesian",
            trials=8,
            parallel=2,
            search={"settings": {"n_initial_points": 3, "n_candidates": 50}},
        )
        around = world.World(wanted, lambda trial, attempt: Fate(reports={"accuracy": math.sin(trial)}))
        return around, run.run(around, **how)

    undisturbed, steps = go()
    assert [item.spec.origin for item in undisturbed.observe()][-3:] == ["model"] * 3
    for crashes in (set(range(2, steps, 5)), set(range(3, steps, 7))):
        again, _ = go(crashes=crashes, downtime=4.0)
        assert configurations(again) == configurations(undisturbed)


def test_the_ends_of_lives_are_those_of_the_script() -> None:
    """The world itself: an attempt at a few moments of its life."""
    life = fates.Life(1, Fate(waits=(("Unschedulable", 5), ("", 5)), runs=10, drains=2, reports={"a": 1}), born=100)
    seen = [(life.at(now), now) for now in (100, 105, 110, 119, 120, 500)]
    assert [(one.phase, one.reason, one.draining) for one, _ in seen if one] == [
        ("Waiting", "Unschedulable", False),
        ("Waiting", "", False),
        ("Running", "", False),
        ("Running", "", False),
        ("Running", "", True),
        ("Running", "", True),
    ]
    told = dataclasses.replace(life, told=130)
    ended = told.at(132)
    assert ended is not None
    assert (ended.phase, ended.ended) == ("Succeeded", fates.moment(120))
    stopped = dataclasses.replace(life, stopped=115)
    assert stopped.at(115.5) == dataclasses.replace(life.at(115.5), gone_by=fates.moment(145))  # type: ignore[type-var]
    assert stopped.at(116) is None
    assert all(stopped.at(now) is None for now in (120, 131))
