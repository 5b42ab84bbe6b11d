"""What one trial needs next, as tables: each row is a trial as it is found, and what is to be done about it."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest

from tests.unit.tuner import scenes
from tests.unit.tuner.scenes import ago, attempt, one, record, succeeded
from tuning_operator.api import job, trial
from tuning_operator.tuner import actions, state, trials

LONG = datetime.timedelta(days=1)


@pytest.mark.parametrize(
    "fields",
    [{}, {"suspend": True}, {"trial": {"maxDuration": "1s"}}],
    ids=["as usual", "job suspended", "past its deadline"],
)
def test_a_trial_that_has_ended_is_left_alone_while_its_log_is_read(fields: dict[str, Any]) -> None:
    reading = dataclasses.replace(attempt(), unread=True, started=ago(3600), ended=ago(1800))
    item = one(phase="Running", attempts=[record(1, "Running")], seen=reading)
    assert step(item, **fields) == []
    assert trials.wake(item, around(**fields)) is None


def step(item: state.Trial, *, ending: str = "", **fields: Any) -> list[str]:
    return scenes.words(list(trials.step(item, around(ending=ending, **fields))))


def around(*, ending: str = "", **fields: Any) -> trials.Circumstances:
    wanted = scenes.spec(**fields)
    return trials.Circumstances(state.Job("job", "uid", 1, wanted, job.JobStatus()), scenes.NOW, ending)


def recorded(item: state.Trial, **fields: Any) -> trial.TrialStatus:
    """The one status that is written."""
    (action,) = [a for a in trials.step(item, around(**fields)) if isinstance(a, actions.RecordTrial)]
    return action.status


def lost(number: int = 1, **fields: Any) -> state.Attempt:
    return attempt("Lost", number, **{"reason": "Evicted", "message": "low on memory", **fields})


def after_loss(**fields: Any) -> state.Trial:
    """A trial whose first attempt was lost and recorded as such."""
    return one(phase="Pending", attempts=[record(1, "Lost", reason="Evicted")], losses=1, **fields)


@pytest.mark.parametrize(
    ("item", "wanted"),
    [
        pytest.param(one(), ["start job-0/1"], id="new: started"),
        pytest.param(one(seen=attempt("Waiting")), [], id="waits as all do: left alone"),
        pytest.param(one(seen=attempt("Waiting", reason="ContainerCreating")), [], id="image is pulled: left alone"),
        pytest.param(
            one(seen=attempt("Waiting", reason="Unschedulable")),
            ["record job-0 Pending Unschedulable"],
            id="no room: said, and waited for without end",
        ),
        pytest.param(
            one(
                reason="Unschedulable", attempts=[record(1, "Waiting")], seen=attempt("Waiting", reason="Unschedulable")
            ),
            [],
            id="no room: said once",
        ),
        pytest.param(
            one(
                reason="Unschedulable",
                attempts=[record(1, "Waiting")],
                seen=attempt("Waiting", reason="ContainerCreating"),
            ),
            ["record job-0 Pending"],
            id="room was found: not said any longer",
        ),
        pytest.param(
            one(
                reason="ErrImagePull",
                attempts=[record(1, "Waiting")],
                seen=attempt("Waiting", reason="ImagePullBackOff"),
            ),
            [],
            id="image pull fails and backs off in turn: said once",
        ),
        pytest.param(
            after_loss(reason="Evicted", seen=attempt("Waiting", 2, reason="ContainerCreating")),
            [],
            id="second attempt waits as all do: left alone",
        ),
        pytest.param(one(seen=attempt()), ["record job-0 Running"], id="runs: recorded"),
        pytest.param(one(phase="Running", seen=attempt()), [], id="runs and recorded: left alone"),
        pytest.param(after_loss(seen=attempt(number=2)), ["record job-0 Running"], id="second attempt runs: recorded"),
        pytest.param(one(phase="Running", seen=succeeded()), ["record job-0 Succeeded"], id="ended well"),
        pytest.param(one(seen=succeeded()), ["record job-0 Succeeded"], id="ended well before anybody looked"),
        pytest.param(
            one(phase="Running", seen=attempt("Succeeded")),
            ["record job-0 Failed MetricsUnavailable"],
            id="ended well without a summary",
        ),
        pytest.param(
            one(phase="Running", seen=attempt("Failed", reason="OOMKilled")),
            ["record job-0 Failed OOMKilled"],
            id="failed: its own name for it, and no retry",
        ),
        pytest.param(one(phase="Running", seen=lost()), ["record job-0 Pending Evicted"], id="lost: recorded first"),
        pytest.param(after_loss(seen=lost()), ["start job-0/2"], id="lost and recorded: started again"),
        pytest.param(after_loss(), ["start job-0/2"], id="lost, recorded and removed: started again"),
        pytest.param(one(phase="Running"), ["record job-0 Pending PodDeleted"], id="gone while it ran: lost"),
        pytest.param(
            one(phase="Pending", reason="Unschedulable", attempts=[record(1, "Waiting")]),
            ["record job-0 Pending PodDeleted"],
            id="gone while it waited: lost",
        ),
        pytest.param(
            one(phase="Running", seen=attempt(gone_by=ago(-30))), [], id="is being removed: waited for until it is gone"
        ),
        pytest.param(
            one(seen=attempt("Waiting", gone_by=ago(-30))),
            ["record job-0 Pending"],
            id="is being removed before anything was recorded: the attempt is recorded, or it would be made twice",
        ),
        pytest.param(
            one(phase="Running", seen=attempt(gone_by=ago(60))),
            ["record job-0 Pending NodeLost"],
            id="should be gone for a minute: its node is lost",
        ),
        pytest.param(
            one(phase="Pending", attempts=[record(1, "Lost", reason="NodeLost")], seen=attempt(gone_by=ago(60))),
            ["start job-0/2"],
            id="node lost and recorded: started elsewhere",
        ),
        pytest.param(
            one(phase="Running", seen=attempt(draining=True, ended=ago(1))), ["collect job-0"], id="process ended"
        ),
        pytest.param(
            one(phase="Running", seen=attempt(draining=True, ended=ago(60))),
            ["stop job-0"],
            id="sidecar does not hand over: removed",
        ),
        pytest.param(
            one(phase="Running", seen=attempt(draining=True, ended=ago(600), draining_since=ago(1))),
            ["collect job-0"],
            id="nobody could look for long: the sidecar has all its time still",
        ),
        pytest.param(one(phase="Succeeded", seen=succeeded()), [], id="finished: left alone"),
        pytest.param(one(phase="Succeeded"), [], id="finished and removed: left alone"),
        pytest.param(one(phase="Failed", seen=attempt()), ["stop job-0"], id="finished, its attempt runs: stopped"),
        pytest.param(one(phase="Failed", seen=attempt("Waiting")), ["stop job-0"], id="finished, waits: stopped"),
        pytest.param(
            one(phase="Failed", seen=attempt(gone_by=ago(600))), [], id="finished and being removed: left alone"
        ),
        pytest.param(one(phase="Succeeded", seen=lost()), [], id="finished, then lost: its result stays"),
        pytest.param(
            one(
                phase="Running",
                attempts=[record(1, "Lost"), record(2, "Running")],
                losses=1,
                seen=lost(1),
            ),
            ["record job-0 Pending PodDeleted"],
            id="only the remains of an older attempt are left: it is the newest that was lost",
        ),
        pytest.param(
            one(phase="Pending", attempts=[record(1, "Lost"), record(2, "Lost")], losses=2, seen=lost(1)),
            ["start job-0/3"],
            id="remains of an older attempt: the next number is counted from the newest",
        ),
        pytest.param(
            after_loss(seen=succeeded()), ["record job-0 Succeeded"], id="thought lost and came back with a result"
        ),
    ],
)
def test_next_step_of_a_trial(item: state.Trial, wanted: list[str]) -> None:
    assert step(item) == wanted


@pytest.mark.parametrize(
    ("item", "wanted"),
    [
        pytest.param(one(), [], id="new: not started"),
        pytest.param(one(seen=attempt("Waiting")), ["record job-0 Pending Suspended"], id="waits: given up first"),
        pytest.param(
            one(phase="Running", seen=attempt()), ["record job-0 Pending Suspended"], id="runs: given up first"
        ),
        pytest.param(
            one(attempts=[record(1, "Lost", reason="Suspended")], seen=attempt()),
            ["stop job-0"],
            id="given up: stopped",
        ),
        pytest.param(
            one(attempts=[record(1, "Lost", reason="Suspended")], seen=attempt(gone_by=ago(-1))),
            [],
            id="on its way out",
        ),
        pytest.param(
            one(attempts=[record(1, "Lost", reason="Suspended")], seen=attempt(gone_by=ago(999))),
            [],
            id="its node is lost",
        ),
        pytest.param(one(attempts=[record(1, "Lost", reason="Suspended")]), [], id="gone: not started"),
        pytest.param(after_loss(seen=lost()), [], id="lost before: not started"),
        pytest.param(
            one(phase="Running", seen=succeeded()), ["record job-0 Succeeded"], id="ended well: its result counts"
        ),
        pytest.param(
            one(phase="Running", seen=attempt("Failed", reason="NonZeroExit")),
            ["record job-0 Failed NonZeroExit"],
            id="failed: that counts too",
        ),
        pytest.param(
            one(phase="Running", seen=attempt(draining=True, ended=ago(1))),
            ["collect job-0"],
            id="process ended: collected",
        ),
        pytest.param(one(phase="Running", seen=lost()), ["record job-0 Pending Suspended"], id="lost: costs no retry"),
    ],
)
def test_next_step_while_the_job_is_suspended(item: state.Trial, wanted: list[str]) -> None:
    assert step(item, suspend=True) == wanted


@pytest.mark.parametrize("phase", ["Waiting", "Running"])
def test_a_suspension_costs_no_retry_however_soon_the_job_is_resumed(phase: str) -> None:
    status = recorded(one(seen=attempt(phase)), suspend=True)
    assert (status.losses, status.attempts[-1].phase) == (0, "Lost")
    going = one(seen=attempt(phase, gone_by=ago(-1)))
    for seen, wanted in ((going.attempt, []), (None, ["start job-0/2"])):
        assert step(dataclasses.replace(going, status=status, attempt=seen), trial={"retries": 0}) == wanted


def test_an_attempt_that_was_given_up_but_never_stopped_goes_on() -> None:
    given_up = one(attempts=[record(1, "Lost", reason="Suspended")], reason="Suspended", seen=attempt())
    assert step(given_up) == ["record job-0 Running"]


@pytest.mark.parametrize(
    ("item", "wanted"),
    [
        pytest.param(one(), ["record job-0 Stopped JobEnded"], id="new"),
        pytest.param(one(seen=attempt("Waiting")), ["record job-0 Stopped JobEnded"], id="waits"),
        pytest.param(one(phase="Running", seen=attempt()), ["record job-0 Stopped JobEnded"], id="runs"),
        pytest.param(one(phase="Running"), ["record job-0 Stopped JobEnded"], id="gone while it ran"),
        pytest.param(one(phase="Running", seen=lost()), ["record job-0 Stopped JobEnded"], id="lost"),
        pytest.param(
            after_loss(seen=lost()), ["record job-0 Stopped JobEnded"], id="lost and recorded: not started again"
        ),
        pytest.param(after_loss(), ["record job-0 Stopped JobEnded"], id="lost, recorded and removed"),
        pytest.param(one(phase="Running", seen=succeeded()), ["record job-0 Succeeded"], id="ended well just before"),
        pytest.param(one(phase="Stopped", seen=attempt()), ["stop job-0"], id="recorded: its attempt is stopped"),
        pytest.param(one(phase="Stopped", seen=attempt(gone_by=ago(-1))), [], id="stopped"),
    ],
)
@pytest.mark.parametrize("suspend", [False, True], ids=["", "suspended"])
def test_next_step_once_the_job_has_ended(item: state.Trial, wanted: list[str], suspend: bool) -> None:
    assert step(item, ending="all is done", suspend=suspend) == wanted


def test_a_trial_that_ended_with_the_job_leaves_no_attempt_that_seems_to_run() -> None:
    for item in (one(phase="Running", seen=attempt()), one(phase="Running")):
        assert recorded(item, ending="all is done").attempts[-1].phase.is_finished()


@pytest.mark.parametrize(
    ("reason", "seconds", "fails"),
    [
        ("InvalidImageName", 0, True),
        ("ErrImageNeverPull", 0, True),
        ("ErrImagePull", 119, False),
        ("ErrImagePull", 120, True),
        ("ImagePullBackOff", 120, True),
        ("RegistryUnavailable", 299, False),
        ("RegistryUnavailable", 300, True),
        ("CreateContainerConfigError", 120, True),
        ("Unschedulable", 10**7, False),
        ("SchedulingGated", 10**7, False),
        ("ContainerCreating", 10**7, False),
    ],
)
def test_patience_with_an_attempt_that_cannot_start(reason: str, seconds: int, fails: bool) -> None:
    waits = one(reason=reason, waiting_since=ago(seconds), seen=attempt("Waiting", reason=reason, message="told so"))
    assert step(waits) == ([f"record job-0 Failed {reason}"] if fails else [])
    expected = None if fails or seconds > 1000 else ago(seconds) + trials.PATIENCE[reason]
    assert fails or trials.wake(waits, around()) == expected


@pytest.mark.parametrize(
    ("seconds", "wanted"), [(3599, []), (3600, ["record job-0 Failed DeadlineExceeded"])], ids=["just under", "reached"]
)
def test_the_deadline_of_a_trial_counts_from_the_start_of_its_container(seconds: int, wanted: list[str]) -> None:
    slow = one(phase="Running", seen=attempt(started=ago(seconds)))
    assert step(slow, trial={"maxDuration": "1h"}) == wanted
    assert trials.wake(slow, around(trial={"maxDuration": "1h"})) == ago(seconds - 3600)


def test_each_attempt_has_the_whole_deadline() -> None:
    again = one(phase="Running", start_time=ago(9999), attempts=[record(1, "Lost"), record(2, "Running")])
    assert step(dataclasses.replace(again, attempt=attempt(number=2)), trial={"maxDuration": "1h"}) == []


@pytest.mark.parametrize(
    ("losses", "retries", "wanted"),
    [
        (0, 0, "record job-0 Failed Evicted"),
        (0, 1, "record job-0 Pending Evicted"),
        (2, 3, "record job-0 Pending Evicted"),
        (3, 3, "record job-0 Failed Evicted"),
    ],
)
def test_losses_are_retried_as_often_as_the_job_says(losses: int, retries: int, wanted: str) -> None:
    item = one(phase="Running", losses=losses, seen=lost())
    assert step(item, trial={"retries": retries}) == [wanted]
    assert recorded(item, trial={"retries": retries}).losses == losses + (wanted.split()[2] == "Pending")


def test_a_trial_lost_too_often_says_how_to_allow_more() -> None:
    message = recorded(one(phase="Running", losses=3, seen=lost()), trial={"retries": 3}).message
    assert message == "lost 4 time(s) to the infrastructure, more than trial.retries (3); low on memory"


def test_only_the_latest_attempts_are_kept_and_the_numbers_go_on() -> None:
    item = one(phase="Running", attempts=[record(n, "Lost") for n in range(30, 40)], seen=lost(40), losses=39)
    kept = recorded(item, trial={"retries": 100}).attempts
    assert [one.number for one in kept] == list(range(31, 41))
    assert step(one(attempts=kept, losses=40), trial={"retries": 100}) == ["start job-0/41"]


def test_an_end_that_was_seen_late_keeps_its_own_time() -> None:
    status = recorded(one(phase="Running", seen=succeeded(ended=ago(3000))))
    assert (status.completion_time, status.values) == (ago(3000), {"accuracy": 0.5})
    assert [(curve.metric, curve.count) for curve in status.metrics] == [("accuracy", 1)]


@pytest.mark.parametrize(
    ("item", "wanted"),
    [
        pytest.param(one(), None, id="nothing to see"),
        pytest.param(one(seen=attempt("Waiting", reason="Unschedulable")), None, id="waits without end"),
        pytest.param(one(phase="Succeeded", seen=attempt(gone_by=ago(-9))), None, id="finished"),
        pytest.param(one(phase="Running", seen=attempt()), None, id="runs without a deadline"),
        pytest.param(one(seen=attempt(gone_by=ago(-9))), ago(-69), id="being removed"),
        pytest.param(one(seen=attempt(draining=True, ended=ago(1))), ago(-59), id="draining"),
    ],
)
def test_when_a_trial_is_looked_at_though_nothing_happens(item: state.Trial, wanted: datetime.datetime | None) -> None:
    assert trials.wake(item, around()) == wanted
