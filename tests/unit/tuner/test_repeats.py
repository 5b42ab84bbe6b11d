"""Configurations that are tried several times: one to the search and in the standings, trials like others elsewhere."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from tests import builders
from tests.unit.tuner import scenes
from tests.unit.tuner.scenes import one, snapshot
from tuning_operator.api import job
from tuning_operator.search import suggest
from tuning_operator.simulation import run, world
from tuning_operator.simulation.fates import Fate, Outcome
from tuning_operator.tuner import ending, environment, proposing, repeats, report, state


def spec(repeat: int = 3, trials: int = 12, **fields: Any) -> job.JobSpec:
    return scenes.spec(trial={"repeats": repeat}, trials=trials, **fields)


def succeeded(number: int, value: float, **fields: Any) -> state.Trial:
    return one(number, "Succeeded", values={"accuracy": value}, **fields)


def script(trial: int, attempt: int) -> Fate:
    """Trials that end well, but for a few that are lost, at times of their own."""
    rng = random.Random(f"{trial}/{attempt}")
    outcome = rng.choice([Outcome.SUCCEEDS] * 5 + [Outcome.EVICTED])
    return Fate(outcome, {"accuracy": rng.random()}, runs=rng.randint(3, 9), drains=rng.choice([None, 1.0]))


def played(parallel: int, **circumstances: Any) -> list[dict[str, Any]]:
    """The configurations of a job's trials, when it has been run to its end."""
    around = world.World(spec(parallel=parallel), script)
    run.run(around, **circumstances)
    assert around.status.phase == "Complete"
    return [dict(stored.spec.parameters) for _, stored in sorted(around.trials.items())]


@pytest.mark.parametrize("parallel", [1, 2, 5])
def test_each_configuration_is_tried_so_many_times_in_a_row_and_never_again(parallel: int) -> None:
    found = played(parallel)
    assert len(found) == 12
    groups = [found[first : first + 3] for first in range(0, 12, 3)]
    assert all(group[0] == group[1] == group[2] for group in groups)
    assert len({str(group[0]) for group in groups}) == 4


@pytest.mark.parametrize("parallel", [1, 2, 5])
def test_crashes_change_none_of_them(parallel: int) -> None:
    undisturbed = played(parallel)
    for step in range(1, 40, 3):
        assert played(parallel, crashes={step, 2 * step, 3 * step}) == undisturbed


def test_the_search_knows_a_configuration_when_all_its_trials_have_ended() -> None:
    trials = [succeeded(number, number / 10) for number in range(5)]
    seen = snapshot(*trials, one(5), wanted=spec())
    (request,) = proposing.requests(seen.job, seen.trials, [(6, frozenset({0, 1, 2, 3}))])
    assert (request.number, request.repeat) == (2, 0)
    (result,) = request.results
    assert result.number == 0
    assert result.values == pytest.approx((0.1,))
    assert result.errors == pytest.approx((0.1 / math.sqrt(3),))
    assert [pending.number for pending in request.pending] == [1]


@pytest.mark.parametrize(
    ("phases", "outcome"),
    [
        (["Succeeded", "Succeeded", "Failed"], suggest.Outcome.FAILED),
        (["Succeeded", "Stopped", "Succeeded"], suggest.Outcome.STOPPED),
        (["Succeeded", "Succeeded", "Succeeded"], suggest.Outcome.SUCCEEDED),
    ],
)
def test_one_that_failed_makes_the_configuration_fail(phases: list[str], outcome: suggest.Outcome) -> None:
    seen = snapshot(*(one(number, phase) for number, phase in enumerate(phases)), wanted=spec())
    (request,) = proposing.requests(seen.job, seen.trials, [(3, frozenset({0, 1, 2}))])
    assert request.results[0].outcome is outcome
    assert bool(request.results[0].values) == (outcome is not suggest.Outcome.FAILED)


def test_a_repeat_takes_the_stored_configuration_or_that_of_its_batch() -> None:
    seen = snapshot(one(0), wanted=spec())
    batch = proposing.requests(seen.job, seen.trials, [(number, frozenset()) for number in range(1, 6)])
    answers = proposing.propose(batch)
    assert [answer.origin.value for answer in answers] == ["repeat", "repeat", "random", "repeat", "repeat"]
    assert answers[0].configuration == seen.trials[0].spec.parameters
    assert answers[2].configuration == answers[3].configuration == answers[4].configuration
    assert answers[2].configuration != answers[0].configuration


def test_a_repeat_whose_siblings_were_deleted_is_a_configuration_of_its_own() -> None:
    seen = snapshot(wanted=spec())
    (answer,) = proposing.propose(proposing.requests(seen.job, (), [(1, frozenset())]))
    assert answer.origin.value == "random"


def test_the_best_is_the_best_mean_with_its_error() -> None:
    values = [0.9, 0.1, 0.2, 0.5, 0.6, 0.7, 0.99, 0.99]
    seen = snapshot(*(succeeded(number, value) for number, value in enumerate(values)), wanted=spec())
    best = report.status(seen, None).best
    assert best is not None
    assert (best.trial, best.repeats) == ("job-3", 3)
    assert best.values == pytest.approx({"accuracy": 0.6})
    assert best.errors == pytest.approx({"accuracy": 0.1 / math.sqrt(3)})


def test_a_lucky_trial_reaches_no_target() -> None:
    wanted = spec(objectives=[builders.objective(target=0.75)])
    assert ending.decide(snapshot(*(succeeded(n, v) for n, v in enumerate([0.9, 0.6, 0.6])), wanted=wanted)) is None
    over = ending.decide(snapshot(*(succeeded(n, v) for n, v in enumerate([0.9, 0.7, 0.8])), wanted=wanted))
    assert over is not None
    assert over.reason == "TargetReached"


def test_means_and_errors_stay_in_the_range_of_numbers() -> None:
    rows = [{"a": 1.7e308}, {"a": 1.7e308}, {"a": -1.7e308}]
    assert repeats.means(rows)["a"] == pytest.approx(1.7e308 / 3)
    assert all(map(math.isfinite, repeats.errors(rows).values()))
    assert repeats.errors([{"a": 1.0}]) == {}


def test_a_trial_is_told_which_of_them_it_is() -> None:
    owner = snapshot(wanted=spec()).job
    assert environment.of_trial(owner, one(4), 1, "file")["TUNING_REPEAT"] == "1"
    assert "TUNING_REPEAT" not in environment.of_trial(snapshot().job, one(4), 1, "file")


def test_the_number_of_repeats_may_not_change() -> None:
    owner = snapshot(wanted=spec()).job
    assert report.changed(state.Job("job", "uid", 2, spec(4), owner.status)) == ["trial.repeats"]
