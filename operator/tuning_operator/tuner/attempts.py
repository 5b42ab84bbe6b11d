"""Attempts as a trial's status keeps them: the newest few, each as it was last seen."""

from __future__ import annotations

from tuning_operator.api import trial
from tuning_operator.tuner import state

KEPT_ATTEMPTS = 10


def record(attempt: state.Attempt) -> trial.AttemptStatus:
    """An attempt as it is written."""
    return trial.AttemptStatus(
        number=attempt.number,
        phase=attempt.phase,
        node=attempt.node,
        profile=attempt.profile,
        reason=attempt.reason,
        message=attempt.message,
        exit_code=attempt.exit_code,
        start_time=attempt.started,
        completion_time=attempt.ended,
    )


def revive(recorded: trial.AttemptStatus) -> state.Attempt:
    """An attempt as it was written."""
    return state.Attempt(
        number=recorded.number,
        phase=recorded.phase,
        node=recorded.node,
        profile=recorded.profile,
        started=recorded.start_time,
        ended=recorded.completion_time,
    )


def recorded(item: state.Trial, attempt: state.Attempt) -> list[trial.AttemptStatus]:
    """The attempts of a trial as they are written, with this one as the newest."""
    earlier = [one for one in item.status.attempts if one.number < attempt.number]
    return [*earlier, record(attempt)][-KEPT_ATTEMPTS:]
