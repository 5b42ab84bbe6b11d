"""A job's past is summed up once; whatever is decided is as if everything had been looked at again."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.tuner import scenes
from tuning_operator.tuner import plan, proposing, state, trials

PHASES = st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Stopped"])
OBJECTIVES: dict[str, list[dict[str, Any]]] = {
    "one": [{"metric": "accuracy", "goal": "maximize"}],
    "one with a target": [{"metric": "accuracy", "goal": "maximize", "target": 0.8}],
    "two": [{"metric": "accuracy", "goal": "maximize"}, {"metric": "size", "goal": "minimize"}],
}


def told(snapshot: state.Snapshot) -> state.Snapshot:
    """The same, with what is over put away."""
    over = [item for item in snapshot.trials if trials.is_over(item)]
    rest = [item for item in snapshot.trials if not trials.is_over(item)]
    return dataclasses.replace(snapshot, trials=state.Trials(state.Past(over), rest))


@pytest.mark.parametrize("objectives", OBJECTIVES.values(), ids=OBJECTIVES)
@given(
    st.lists(st.tuples(PHASES, st.sampled_from([0.1, 0.5, 0.5, 0.9]), st.sampled_from([1.0, 2.0, 3.0])), max_size=14),
    st.integers(0, 14),
    st.sampled_from([0, 2, 50]),
    st.sampled_from([1, 2]),
)
def test_the_same_is_decided_and_asked(
    objectives: list[dict[str, Any]], found: list[tuple[str, float, float]], known: int, failures: int, repeats: int
) -> None:
    wanted = scenes.spec(trials=20, parallel=4, objectives=objectives)
    wanted = wanted.model_copy(
        update={
            "limits": wanted.limits.model_copy(update={"max_failed_trials": failures}),
            "trial": wanted.trial.model_copy(update={"repeats": repeats}),
        }
    )
    basis = ",".join(str(number) for number in range(min(known, len(found))) if found[number][0] == "Succeeded")
    made = [
        scenes.one(
            number,
            phase,
            values={"accuracy": accuracy, "size": size} if phase in ("Succeeded", "Stopped") else {},
            based_on=basis if number == len(found) - 1 else "",
        )
        for number, (phase, accuracy, size) in enumerate(found)
        if phase != "Succeeded" or number % 5
    ]
    whole = scenes.snapshot(*made, wanted=wanted)
    parted = told(whole)
    assert plan.plan(parted) == plan.plan(whole)
    wish = [(len(found), frozenset(item.number for item in made if item.is_finished() and item.number % 2))]
    assert proposing.requests(whole.job, parted.trials, wish) == proposing.requests(whole.job, whole.trials, wish)
    assert list(parted.trials) == list(whole.trials)
    assert parted.made == whole.made


def test_each_past_trial_is_stepped_over_once() -> None:
    past = state.Past([scenes.one(0, "Succeeded")])
    steps: list[int] = []

    def step(before: int, item: state.Trial) -> int:
        steps.append(item.number)
        return before + 1

    for number in (1, 2):
        past.add(scenes.one(number, "Failed"))
        assert past.fold("count", int, step) == number + 1
        assert past.fold("count", int, step) == number + 1
    assert steps == [0, 1, 2]


@pytest.mark.parametrize(
    ("item", "over"),
    [
        pytest.param(scenes.one(0, "Succeeded"), True, id="its Pod is gone"),
        pytest.param(scenes.one(0, "Succeeded", scenes.succeeded()), True, id="its Pod has ended"),
        pytest.param(scenes.one(0, "Stopped", scenes.attempt()), False, id="its Pod still runs"),
        pytest.param(scenes.one(0, "Running", scenes.succeeded()), False, id="its end is not recorded"),
    ],
)
def test_over_is_what_needs_nothing_any_more(item: state.Trial, over: bool) -> None:
    assert trials.is_over(item) is over
