"""What is to be done for a whole job: growth within the limits, its order of steps, and when to look again."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest

from tests import builders
from tests.unit.tuner import scenes
from tests.unit.tuner.scenes import ago, attempt, one, proposal, snapshot, succeeded, words
from tuning_operator.api import errors, job
from tuning_operator.tuner import actions, plan, state

SEEN = {"status", "status_written", "exhausted_at", "obstacle", "problems"}


def runs(number: int) -> state.Trial:
    return one(number, "Running", attempt())


def steps(*trials: state.Trial, ready: tuple[state.Proposal, ...] = (), **fields: Any) -> list[str]:
    """What is done about these trials, in short. `fields` are those of a snapshot, and of the job's spec."""
    seen = {name: fields.pop(name) for name in SEEN & fields.keys()}
    proposals = {item.number: item for item in ready}
    return words(scenes.planned(snapshot(*trials, wanted=scenes.spec(**fields), proposals=proposals, **seen)))


@pytest.mark.parametrize(
    ("trials", "fields", "wanted"),
    [
        pytest.param([], {}, ["suggest 0:[]"], id="nothing yet"),
        pytest.param([], {"parallel": 3}, ["suggest 0:[] 1:[] 2:[]"], id="as many at once as may run"),
        pytest.param(
            [], {"parallel": 2, "trials": 1, "limits": {"parallelTrials": 1}}, ["suggest 0:[]"], id="one only"
        ),
        pytest.param([runs(0)], {}, [], id="as many run as may"),
        pytest.param([runs(0)], {"parallel": 3}, ["suggest 1:[] 2:[]"], id="parallelTrials was raised"),
        pytest.param([runs(0), runs(1), runs(2)], {"trials": 9}, [], id="parallelTrials was lowered: none is removed"),
        pytest.param([one(0, "Succeeded"), runs(1)], {"trials": 9}, [], id="lowered: a finished trial is not removed"),
        pytest.param([one(0, "Succeeded")], {}, ["suggest 1:[0]"], id="one is finished"),
        pytest.param([one(0, "Failed")], {}, ["suggest 1:[0]"], id="a failed one is a result too"),
        pytest.param([one(0)], {}, ["start job-0/1"], id="a trial that waits to be started takes its place"),
        pytest.param([one(0, "Succeeded"), runs(1)], {"trials": 2, "parallel": 2}, [], id="all trials are made"),
        pytest.param([one(0, "Succeeded"), runs(1)], {"trials": 1, "parallel": 1}, [], id="maxTrials was lowered"),
        pytest.param(
            [one(0, "Succeeded"), one(1, "Succeeded")],
            {"trials": 4, "parallel": 2},
            ["suggest 2:[0] 3:[0, 1]"],
            id="two",
        ),
        pytest.param(
            [one(0, "Succeeded"), one(1, "Succeeded")],
            {"trials": 3, "parallel": 2},
            ["suggest 2:[0]"],
            id="the last trial knows what it would have known if the other had finished later",
        ),
        pytest.param(
            [one(0, "Succeeded"), one(2, "Succeeded")],
            {"trials": 4},
            ["suggest 3:[0, 2]"],
            id="a trial was deleted: its number is not used again",
        ),
        pytest.param(
            [one(0, "Succeeded"), one(2, "Succeeded"), runs(3)],
            {"trials": 4, "parallel": 2},
            [],
            id="a trial was deleted: it counts as one of maxTrials",
        ),
        pytest.param([], {"suspend": True}, [], id="suspended"),
        pytest.param([], {"trials": None, "limits": {"maxDuration": "1h"}}, ["suggest 0:[]"], id="no maxTrials"),
        pytest.param([one(0, "Succeeded")], {"parallel": 2, "exhausted_at": 2}, ["suggest 1:[]"], id="one is left"),
        pytest.param([one(0, "Succeeded"), runs(1)], {"parallel": 2, "exhausted_at": 2}, [], id="none is left"),
        pytest.param([], {"obstacle": state.Obstacle("QuotaExceeded", "x")}, [], id="no quota: none is made"),
        pytest.param([one(0)], {"obstacle": state.Obstacle("QuotaExceeded", "x")}, [], id="no quota: none is started"),
        pytest.param(
            [], {"status": job.JobStatus()}, ["job Pending"], id="the job is recorded before anything is made"
        ),
    ],
)
def test_growth(trials: list[state.Trial], fields: dict[str, Any], wanted: list[str]) -> None:
    assert steps(*trials, **fields) == wanted


@pytest.mark.parametrize(
    ("trials", "ready", "wanted"),
    [
        pytest.param([], [proposal(0)], ["create 0"], id="ready: created"),
        pytest.param([], [proposal(0), proposal(1)], ["create 0", "create 1"], id="all ready: all created"),
        pytest.param(
            [],
            [proposal(0)],
            ["create 0"],
            id="the next one is asked for once this one exists, or it might be the same",
        ),
        pytest.param([], [proposal(1)], ["suggest 0:[] 1:[]"], id="never out of order"),
        pytest.param(
            [one(0, "Succeeded"), runs(1)],
            [proposal(2)],
            ["suggest 2:[0]"],
            id="knew less than it may now: asked for again, as after a restart",
        ),
        pytest.param([one(0, "Succeeded"), runs(1)], [proposal(2, 0)], ["create 2"], id="knew what it may"),
        pytest.param([runs(0)], [proposal(0), proposal(1)], ["create 1"], id="exists already: passed over"),
    ],
)
def test_proposals(trials: list[state.Trial], ready: list[state.Proposal], wanted: list[str]) -> None:
    assert steps(*trials, ready=tuple(ready), trials=9, parallel=2) == wanted


@pytest.mark.parametrize("ready", [(), (proposal(2, 0),)], ids=["nothing", "a proposal"])
def test_all_results_at_hand_are_recorded_before_anything_is_based_on_them(ready: tuple[state.Proposal, ...]) -> None:
    late = one(1, "Running", succeeded())
    assert steps(one(0, "Succeeded"), late, ready=ready, parallel=2, trials=9) == ["record job-1 Succeeded"]


@pytest.mark.parametrize("ready", [(), (proposal(0),)], ids=["nothing", "a proposal"])
def test_nothing_new_is_made_while_the_question_has_changed(ready: tuple[state.Proposal, ...]) -> None:
    begun = snapshot(wanted=scenes.spec(seed=1)).job.status
    seen = snapshot(wanted=scenes.spec(seed=2), status=begun, proposals={item.number: item for item in ready})
    taken = scenes.planned(seen)
    assert words(taken) == ["job Pending"]
    (status,) = [action.status for action in taken if isinstance(action, actions.RecordJob)]
    assert status.message.startswith("no new trials: spec.search changed since the job began; change it back")
    assert status.spec_digest == begun.spec_digest


def test_a_job_that_cannot_run_makes_nothing() -> None:
    problem = errors.Problem("spec.template", "the API server refuses it", "mend it")
    assert steps(problems=(problem,), status=job.JobStatus()) == ["job Failed"]


def test_the_end_of_the_job_is_recorded_once_all_trials_are_recorded() -> None:
    reached = one(0, "Succeeded", values={"accuracy": 1.0})
    wanted = scenes.spec(parallel=3, trials=9, objectives=[builders.objective(target=0.9)])
    first = snapshot(reached, runs(1), one(2), wanted=wanted)
    assert words(scenes.planned(first)) == ["record job-1 Stopped JobEnded", "record job-2 Stopped JobEnded"]
    second = snapshot(reached, one(1, "Stopped", attempt()), one(2, "Stopped"), wanted=wanted)
    assert words(scenes.planned(second)) == ["stop job-1", "job Complete"]


def reopened(ended: state.Snapshot, **change: Any) -> state.Snapshot:
    """The same job, recorded as ended, after a change of its spec."""
    (last,) = [action for action in scenes.planned(ended) if isinstance(action, actions.RecordJob)]
    again = snapshot(*ended.trials, wanted=scenes.spec(**change), status=last.status)
    return dataclasses.replace(again, job=dataclasses.replace(again.job, generation=2))


@pytest.mark.parametrize(
    ("fields", "change"),
    [
        pytest.param({"trials": 1}, {"trials": 1, "suspend": True}, id="suspended"),
        pytest.param({"trials": 1}, {"trials": 1, "parallel": 1, "limits": {"maxFailedTrials": 9}}, id="another limit"),
        pytest.param({"trials": 1}, {"trials": 1, "stop": True}, id="stopped"),
        pytest.param(
            {"trials": 9, "objectives": [builders.objective(target=0.4)]},
            {"trials": 50, "objectives": [builders.objective(target=0.4)]},
            id="target was reached",
        ),
    ],
)
def test_a_job_that_has_ended_stays_ended(fields: dict[str, Any], change: dict[str, Any]) -> None:
    again = reopened(snapshot(one(0, "Succeeded"), wanted=scenes.spec(**fields)), **change)
    assert words(scenes.planned(again)) == ["job Complete"]
    (written,) = [action.status for action in scenes.planned(again) if isinstance(action, actions.RecordJob)]
    assert [item.reason for item in written.conditions if item.status == "True"] == [
        again.job.status.conditions[0].reason
    ]


@pytest.mark.parametrize(
    ("trials", "fields", "change"),
    [
        pytest.param([one(0, "Succeeded")], {"trials": 1}, {"trials": 2}, id="more trials"),
        pytest.param([one(0, "Failed")], {"trials": 1}, {"trials": 2}, id="more trials, none had succeeded"),
        pytest.param(
            [one(0, "Failed"), one(1, "Failed")],
            {"limits": {"maxFailedTrials": 1}},
            {"limits": {"maxFailedTrials": 2}},
            id="more failures",
        ),
        pytest.param(
            [one(0, "Succeeded")], {"limits": {"maxDuration": "90s"}}, {"limits": {"maxDuration": "1h"}}, id="more time"
        ),
        pytest.param([one(0, "Succeeded")], {"stop": True}, {"stop": False}, id="not stopped any more"),
    ],
)
def test_a_job_goes_on_when_nothing_ends_it_any_more(
    trials: list[state.Trial], fields: dict[str, Any], change: dict[str, Any]
) -> None:
    again = reopened(snapshot(*trials, wanted=scenes.spec(**fields)), **change)
    assert words(scenes.planned(again))[0].startswith("suggest ")
    (written,) = [action.status for action in scenes.planned(again) if isinstance(action, actions.RecordJob)]
    assert (written.phase.is_finished(), written.completion_time) == (False, None)
    assert all(item.status == "False" for item in written.conditions)
    told = [action.reason for action in scenes.planned(again) if isinstance(action, actions.Announce)]
    assert told == ["Reopened"]


def test_a_search_space_that_was_used_up_stays_so() -> None:
    ended = snapshot(one(0, "Succeeded"), wanted=scenes.spec(trials=9), exhausted_at=1)
    assert words(scenes.planned(reopened(ended, trials=50))) == ["job Complete"]


def test_a_job_that_is_to_stop_ends_its_trials_first() -> None:
    first = snapshot(one(0, "Succeeded"), runs(1), wanted=scenes.spec(trials=9, stop=True))
    assert words(scenes.planned(first)) == ["record job-1 Stopped JobEnded"]
    second = snapshot(one(0, "Succeeded"), one(1, "Stopped"), wanted=scenes.spec(trials=9, stop=True))
    (written,) = [action.status for action in scenes.planned(second) if isinstance(action, actions.RecordJob)]
    assert (written.phase, written.message) == ("Complete", "spec.stop is true")


def test_a_spec_that_is_mended_is_looked_at_afresh() -> None:
    refused = snapshot(problems=(errors.Problem("spec.template", "no", "yes"),), status=job.JobStatus())
    (told,) = [action for action in scenes.planned(refused) if isinstance(action, actions.RecordJob)]
    mended = dataclasses.replace(
        refused, problems=(), job=dataclasses.replace(refused.job, generation=2, status=told.status)
    )
    (anew,) = [action for action in scenes.planned(mended) if isinstance(action, actions.RecordJob)]
    assert anew.status.phase == "Pending"
    assert [(item.type, item.status) for item in anew.status.conditions] == [("Failed", "False")]
    assert anew.status.completion_time is None


def test_in_a_steady_state_nothing_is_done() -> None:
    seen = snapshot(
        one(0, "Succeeded"), runs(1), one(2, seen=attempt("Waiting")), wanted=scenes.spec(parallel=2, trials=9)
    )
    later = dataclasses.replace(seen, now=seen.now + datetime.timedelta(hours=5))
    assert plan.plan(seen) == plan.plan(later) == actions.Plan()


@pytest.mark.parametrize(
    ("written", "wanted", "wake"),
    [
        pytest.param(None, ["job Running"], None, id="never written"),
        pytest.param(ago(1.0), ["job Running"], None, id="written a second ago"),
        pytest.param(ago(0.4), [], ago(-0.6), id="written just now: later"),
    ],
)
def test_mere_counts_are_written_at_most_once_a_second(
    written: datetime.datetime | None, wanted: list[str], wake: datetime.datetime | None
) -> None:
    before = snapshot(one(0, "Succeeded"), runs(1), wanted=scenes.spec(parallel=2))
    status = before.job.status.model_copy(update={"trials": job.TrialCounts(total=1)})
    seen = snapshot(*before.trials, wanted=scenes.spec(parallel=2, trials=2), status=status, status_written=written)
    found = plan.plan(seen)
    assert words(found.actions) == wanted
    assert found.wake == wake


@pytest.mark.parametrize("change", [{"phase": "Suspended"}, {"message": "x"}, {"observed_generation": 0}], ids=str)
def test_news_is_written_at_once(change: dict[str, Any]) -> None:
    seen = snapshot(runs(0))
    status = seen.job.status.model_copy(update=change)
    assert steps(runs(0), status=status, status_written=ago(0.1)) == ["job Running"]


@pytest.mark.parametrize(
    ("item", "fields", "wake"),
    [
        pytest.param(runs(0), {}, None, id="nothing is due"),
        pytest.param(runs(0), {"limits": {"maxDuration": "1h"}}, ago(100 - 3600), id="maxDuration of the job"),
        pytest.param(runs(0), {"trial": {"maxDuration": "1h"}}, ago(10 - 3600), id="maxDuration of a trial"),
        pytest.param(
            one(0, attempts=[scenes.record(1, "Lost", reason="Suspended")], seen=attempt(gone_by=ago(500))),
            {"suspend": True},
            None,
            id="what was due and cannot be done now",
        ),
    ],
)
def test_when_to_look_again(item: state.Trial, fields: dict[str, Any], wake: datetime.datetime | None) -> None:
    assert plan.plan(snapshot(item, wanted=scenes.spec(**fields))).wake == wake


def test_people_are_told_of_a_failed_trial_before_it_is_recorded() -> None:
    failed = one(3, "Running", attempt("Failed", reason="OOMKilled", message="raise the limit"))
    told, written = scenes.planned(snapshot(failed))
    assert isinstance(told, actions.Announce)
    assert (told.key, told.reason, told.severity) == ("failed-3", "TrialFailed", "Warning")
    assert told.message == "job-3 failed: OOMKilled: raise the limit"
    assert isinstance(written, actions.RecordTrial)


def test_news_that_could_not_be_recorded_is_not_told_a_second_time() -> None:
    seen = snapshot(one(0, "Succeeded"), wanted=scenes.spec(trials=1))
    later = dataclasses.replace(seen, now=seen.now + datetime.timedelta(seconds=90))
    keys = [
        {action.key for action in scenes.planned(moment) if isinstance(action, actions.Announce)}
        for moment in (seen, later)
    ]
    assert keys[0] == keys[1] != set()
