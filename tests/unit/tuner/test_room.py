"""Only what there is room for is started; the rest waits, is told why, and does not wait for ever for what cannot be."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest

from tests.unit.tuner import scenes
from tuning_operator.api import job
from tuning_operator.scheduling import cluster
from tuning_operator.tuner import actions, plan, report, state

FULL = cluster.Shortage("NodesFull", "needs 1 nvidia.com/gpu; 0 of 8 free on 2 nodes")
NEVER = cluster.Shortage("FitsNoNode", "needs 9 nvidia.com/gpu; no node has more than 8", forever=True)


def offered(*profiles: str, shortage: cluster.Shortage | None = None) -> state.Offer:
    return state.Offer(profiles, shortage)


def snapshot(
    *trials: state.Trial, offer: state.Offer | None = None, parallel: int = 4, **fields: Any
) -> state.Snapshot:
    wanted = scenes.spec(trials=20, parallel=parallel)
    return scenes.snapshot(*trials, wanted=wanted, offer=offer or offered(), **fields)


def starts(seen: state.Snapshot) -> list[str]:
    return [
        f"{step.trial.name}:{step.profile}" for step in scenes.planned(seen) if isinstance(step, actions.StartAttempt)
    ]


def condition(status: job.JobStatus) -> job.Condition | None:
    return next((item for item in status.conditions if item.type == report.WAITING), None)


def withdrawn(*ended: float, number: int = 0, **fields: Any) -> state.Trial:
    """A trial whose attempts found no node, so many seconds ago."""
    attempts = [
        scenes.record(index, "Lost", reason=state.WITHDRAWN, completion_time=scenes.ago(seconds))
        for index, seconds in enumerate(ended, 1)
    ]
    return scenes.one(number, attempts=attempts, reason=state.WITHDRAWN, message="anti-affinity", **fields)


def test_trials_that_exist_are_started_in_order_as_far_as_there_is_room() -> None:
    waiting = [scenes.one(number) for number in range(3)]
    assert starts(snapshot(*waiting, offer=offered("gpu", "cpu"))) == ["job-0:gpu", "job-1:cpu"]
    assert starts(snapshot(*waiting, offer=offered())) == []


def test_new_trials_are_made_only_when_there_is_room_for_them() -> None:
    waiting = scenes.one(0)
    assert scenes.words(scenes.planned(snapshot(waiting, offer=offered("", "", "")))) == [
        "start job-0/1",
        "suggest 1:[] 2:[]",
    ]
    assert scenes.words(scenes.planned(snapshot(waiting, offer=offered("")))) == ["start job-0/1"]


def test_a_trial_that_is_made_for_room_that_came_free_knows_all_results_there_are() -> None:
    ended = [scenes.one(number, "Succeeded") for number in range(5)]
    short = offered("", shortage=FULL)
    assert scenes.words(scenes.planned(snapshot(*ended, offer=short, parallel=10))) == ["suggest 5:[0, 1, 2, 3, 4]"]


@pytest.mark.parametrize(
    ("room", "asked"),
    [
        (1, "suggest 5:[0, 1]"),
        (4, "suggest 5:[0, 1] 6:[0, 1, 2] 7:[0, 1, 2, 3] 8:[0, 1, 2, 3, 4]"),
    ],
)
def test_room_that_is_merely_late_changes_no_configuration(room: int, asked: str) -> None:
    ended = [scenes.one(number, "Succeeded") for number in range(5)]
    assert scenes.words(scenes.planned(snapshot(*ended, offer=offered(*[""] * room)))) == [asked]


@pytest.mark.parametrize(
    ("trials", "fields", "wants"),
    [
        pytest.param([], {}, 4, id="nothing runs"),
        pytest.param([scenes.one(0), scenes.one(1)], {}, 4, id="some exist"),
        pytest.param([scenes.one(0, "Running", scenes.attempt())], {}, 3, id="one runs"),
        pytest.param([], {"exhausted_at": 2}, 2, id="the search space is small"),
        pytest.param([], {"obstacle": state.Obstacle("Refused", "no")}, 0, id="the API server refuses"),
        pytest.param([withdrawn(1)], {}, 0, id="the last Pod found no node"),
        pytest.param([withdrawn(6)], {}, 4, id="the last Pod found no node, some time ago"),
    ],
)
def test_a_job_wants_as_many_as_its_limits_allow(trials: list[state.Trial], fields: dict[str, Any], wants: int) -> None:
    assert plan.plan(snapshot(*trials, **fields)).wants == wants


def test_pauses_grow_while_pods_find_no_node() -> None:
    for count, seconds in ((1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (8, 60)):
        seen = snapshot(withdrawn(*[seconds - 1.0] * count))
        assert (plan.plan(seen).wants, plan.plan(seen).wake) == (0, scenes.ago(-1)), count
        assert plan.plan(snapshot(withdrawn(*[float(seconds)] * count))).wants == 4


def test_a_shortage_is_a_condition_with_its_reason_an_event_and_the_message() -> None:
    seen = snapshot(offer=offered(shortage=FULL))
    told = scenes.planned(dataclasses.replace(seen, job=dataclasses.replace(seen.job, status=begun(seen))))
    (event,) = (step for step in told if isinstance(step, actions.Announce))
    (written,) = (step for step in told if isinstance(step, actions.RecordJob))
    assert (event.reason, event.message, event.repeats) == ("NodesFull", f"waits for room: {FULL.message}", True)
    assert written.status.message == f"waits for room: {FULL.message}"
    found = condition(written.status)
    assert found is not None
    assert (found.status, found.reason) == ("True", "NodesFull")


def begun(seen: state.Snapshot) -> job.JobStatus:
    return dataclasses.replace(seen, offer=offered()).job.status.model_copy(update={"conditions": [], "message": ""})


def test_what_was_told_holds_until_a_new_operator_knows_better() -> None:
    before = report.status(snapshot(offer=offered(shortage=NEVER)), None)
    seen = snapshot(status=before)
    unknown = dataclasses.replace(seen, offer=state.Offer(known=False), now=scenes.ago(-5))
    after = report.status(unknown, None)
    assert after.unfit_since == before.unfit_since == scenes.NOW
    assert condition(after) == condition(before)
    fine = report.status(dataclasses.replace(unknown, offer=offered("")), None)
    assert fine.unfit_since is None
    assert (found := condition(fine)) is not None
    assert found.status == "False"


def unfit(minutes: float, *trials: state.Trial, shortage: cluster.Shortage = NEVER) -> actions.Plan:
    seen = snapshot(*trials, offer=offered(shortage=shortage))
    since = scenes.NOW - datetime.timedelta(minutes=minutes)
    status = seen.job.status.model_copy(update={"unfit_since": since})
    return plan.plan(dataclasses.replace(seen, job=dataclasses.replace(seen.job, status=status)))


def test_a_job_that_fits_nowhere_says_when_it_will_end_and_ends_then() -> None:
    waiting = unfit(9)
    assert waiting.wake == scenes.NOW + datetime.timedelta(minutes=1)
    (written,) = (step for step in waiting.actions if isinstance(step, actions.RecordJob))
    assert f"the job ends at {waiting.wake:%H:%M:%S} UTC unless that changes" in written.status.message
    (over,) = (step for step in unfit(10).actions if isinstance(step, actions.RecordJob))
    assert over.status.phase is job.JobPhase.FAILED
    assert "for limits.maxUnfit (10m) no trial could have run: needs 9 nvidia.com/gpu" in over.status.message


def test_waiting_for_nodes_that_are_busy_has_no_end() -> None:
    for minutes in (11, 1000):
        assert not [s for s in unfit(minutes, shortage=FULL).actions if getattr(s, "reason", "") == "NoSuccessfulTrial"]
        (written,) = (step for step in unfit(minutes, shortage=FULL).actions if isinstance(step, actions.RecordJob))
        assert not written.status.phase.is_finished()


def unschedulable(seconds: float, *, counted: bool = True) -> tuple[actions.Action, ...]:
    lost: dict[str, Any] = {"reason": "Unschedulable", "message": "0/3 nodes are available"}
    seen = scenes.attempt("Waiting", node="", **lost)
    item = scenes.one(0, seen=seen, waiting_since=scenes.ago(seconds), attempts=[scenes.record(1, "Waiting")], **lost)
    around = snapshot(item)
    return scenes.planned(around if counted else dataclasses.replace(around, offer=None))


def test_a_pod_that_finds_no_node_is_taken_out_of_other_peoples_way() -> None:
    assert "record job-0 Pending Withdrawn" in scenes.words(unschedulable(3))
    assert "record job-0 Pending Withdrawn" not in scenes.words(unschedulable(2.9))
    assert "record job-0 Pending Withdrawn" not in scenes.words(unschedulable(99, counted=False))


def test_a_withdrawn_pod_is_removed_and_started_again_at_no_cost() -> None:
    (recorded,) = (step for step in unschedulable(3) if isinstance(step, actions.RecordTrial))
    assert (recorded.status.losses, recorded.status.attempts[-1].reason) == (0, state.WITHDRAWN)
    still = scenes.attempt("Waiting", node="", reason="Unschedulable")
    item = state.Trial("job-0", "uid-0", scenes.one(0).spec, recorded.status, still)
    assert "stop job-0" in scenes.words(scenes.planned(snapshot(item)))
    gone = dataclasses.replace(item, attempt=None)
    later = dataclasses.replace(snapshot(gone, offer=offered("")), now=scenes.ago(-5))
    assert "start job-0/2" in scenes.words(scenes.planned(later))


def test_a_withdrawn_pod_that_has_found_a_node_at_the_last_moment_runs() -> None:
    item = dataclasses.replace(withdrawn(1), attempt=scenes.attempt("Running", 1))
    assert scenes.words(scenes.planned(snapshot(item))) == ["record job-0 Running"]


def test_the_last_trials_know_no_more_results_because_no_more_is_offered_than_is_wanted() -> None:
    ended = [scenes.one(number, "Succeeded") for number in range(3)]
    seen = scenes.snapshot(
        *ended,
        scenes.one(3, "Running", scenes.attempt(), based_on="0"),
        wanted=scenes.spec(trials=5, parallel=3),
        offer=offered(""),
    )
    assert scenes.words(scenes.planned(seen)) == ["suggest 4:[0, 1]"]
    unlimited = dataclasses.replace(seen, offer=None)
    assert scenes.words(scenes.planned(unlimited)) == ["suggest 4:[0, 1]"]
