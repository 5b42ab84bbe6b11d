"""Starting only what there is room for: how many attempts a job wants to start, and which of them may.

New trials are made only when there is room for them as well. A trial that is made early would not know the results
of those that end before it runs, and its Pod would stand in other people's way.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

from tuning_operator.api import trial
from tuning_operator.tuner import actions, report, state, warm

FIRST_PAUSE, LAST_PAUSE = datetime.timedelta(seconds=5), datetime.timedelta(seconds=60)
"""How long a job is held back whose Pod found no node although there had seemed to be room; doubled each time."""

SEARCH_PATIENCE = datetime.timedelta(seconds=3)
"""How long a Pod may look for a node, where it was made because there seemed to be room."""


def search_ends(item: state.Trial, attempt: state.Attempt, counted: bool) -> datetime.datetime | None:
    """When an attempt that finds no node is taken out of other people's way; None where Pods are made uncounted."""
    since = item.status.waiting_since
    same = attempt.reason == item.status.reason == report.UNSCHEDULABLE
    return since + SEARCH_PATIENCE if counted and same and since is not None else None


def withdrawn(item: state.Trial, attempt: state.Attempt) -> bool:
    """Whether the attempt was given up for want of a node, and has not found one in the last moment."""
    recorded = item.recorded
    given_up = recorded is not None and recorded.number == attempt.number and recorded.reason == state.WITHDRAWN
    return given_up and attempt.phase is trial.AttemptPhase.WAITING and not attempt.node


def rests_until(trials: Sequence[state.Trial]) -> datetime.datetime | None:
    """Until when nothing is started because the last Pod that was made found no node."""
    return max(filter(None, map(_rest, trials)), default=None)


def _rest(item: state.Trial) -> datetime.datetime | None:
    attempts = item.status.attempts
    if item.is_finished() or not attempts or attempts[-1].reason != state.WITHDRAWN:
        return None
    row = next((n for n, one in enumerate(reversed(attempts)) if one.reason != state.WITHDRAWN), len(attempts))
    ended = attempts[-1].completion_time
    return ended + min(LAST_PAUSE, FIRST_PAUSE * 2 ** (row - 1)) if ended is not None else None


def growth(snapshot: state.Snapshot) -> int:
    """How many more trials the job's limits allow."""
    owner = snapshot.job
    if owner.spec.suspend or report.changed(owner) or not owner.status.spec_digest or warm.due(snapshot):
        return 0
    live = sum(not item.is_finished() for item in snapshot.known.live)
    ends = (snapshot.made + ceiling(snapshot) - live, owner.spec.limits.max_trials, snapshot.exhausted_at)
    return max(0, min(end for end in ends if end is not None) - snapshot.made)


def ceiling(snapshot: state.Snapshot) -> int:
    """How many trials may run at the same time."""
    return snapshot.job.spec.limits.parallel_trials


def wants(snapshot: state.Snapshot, starts: int) -> int:
    """How many attempts the job would start now, `starts` of which are of trials that exist."""
    resting = rests_until(snapshot.known.live)
    if snapshot.obstacle is not None or (resting is not None and resting > snapshot.now):
        return 0
    return starts + growth(snapshot)


def admit(steps: Sequence[actions.Action], offer: state.Offer | None) -> Iterator[actions.Action]:
    """The steps without the starts for which there is no room; the others know their profile."""
    profiles = iter(offer.profiles if offer is not None else ())
    for step in steps:
        if not isinstance(step, actions.StartAttempt) or offer is None:
            yield step
        elif (profile := next(profiles, None)) is not None:
            yield actions.StartAttempt(step.trial, step.number, step.why, profile)
