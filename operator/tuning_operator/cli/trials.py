"""Trials as rows: what can be sorted, filtered and written. Pure."""

from __future__ import annotations

import datetime
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tuning_operator.api import job
from tuning_operator.api.errors import closest, quoted
from tuning_operator.cli import words
from tuning_operator.cli.status import Failure, Status
from tuning_operator.local import result
from tuning_operator.tuner import state

Row = dict[str, Any]

FILTER = re.compile(r"\s*([^<>=!~]+?)\s*(<=|>=|!=|=|<|>|~)\s*(.*?)\s*")
COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
EXAMPLES = "write one such as phase=Failed, accuracy>0.9 or kernel~rb"


def row(item: state.Trial, spec: job.JobSpec, now: datetime.datetime) -> Row:
    """A trial as flat values: number, name, phase, reason, each objective, each parameter, times in seconds."""
    ran = words.ran(item, now)
    status = item.status
    return {
        "trial": item.number,
        "name": item.name,
        "phase": status.phase.value,
        "reason": status.reason,
        **{objective.metric: status.values.get(objective.metric) for objective in spec.objectives},
        **{parameter.name: item.spec.parameters.get(parameter.name) for parameter in spec.parameters},
        "duration": None if ran is None else round(ran.total_seconds(), 3),
        "attempts": status.attempts[-1].number if status.attempts else 0,
        "profile": item.status.profile,
        "origin": item.spec.origin.value,
        "startTime": _moment(status.start_time),
        "completionTime": _moment(status.completion_time),
        "message": status.message,
    }


def rows(snapshot: state.Snapshot) -> list[Row]:
    """All trials, by number."""
    return [row(item, snapshot.job.spec, snapshot.now) for item in snapshot.trials]


def chosen(found: Sequence[Row], conditions: Sequence[str]) -> list[Row]:
    """The rows that meet all conditions, such as ``accuracy>0.9``. Raises Failure."""
    left = list(found)
    for condition in conditions:
        left = [one for one in left if _meets(one, condition)]
    return left


def ordered(found: Sequence[Row], key: str, spec: job.JobSpec, *, reverse: bool = False) -> list[Row]:
    """The rows by a column; ``best`` puts the best objective first. Rows without a value come last. Raises Failure."""
    column, falling = key, reverse
    if key == "best":
        column = spec.objectives[0].metric
        falling = (spec.objectives[0].goal is job.Goal.MAXIMIZE) is not reverse
    if found and column not in found[0]:
        raise Failure(Status.REFUSED, f"--sort: {_unknown(column, [*found[0], 'best'])}")
    having = [one for one in found if one[column] not in (None, "")]
    lacking = [one for one in found if one[column] in (None, "")]
    return [*sorted(having, key=lambda one: _rank(one[column]), reverse=falling), *lacking]


def table(found: Sequence[Row], spec: job.JobSpec) -> tuple[list[str], list[list[str]]]:
    """Head and rows for people."""
    metrics = [objective.metric for objective in spec.objectives]
    head = ["trial", "phase", *metrics, "time", "parameters"]
    return head, [
        [
            str(one["trial"]),
            f"{one['phase']} ({one['reason']})" if one["reason"] else one["phase"],
            *("" if one[metric] is None else words.value(one[metric]) for metric in metrics),
            "" if one["duration"] is None else words.duration(datetime.timedelta(seconds=one["duration"])),
            words.parameters({item.name: one[item.name] for item in spec.parameters if one[item.name] is not None}),
        ]
        for one in found
    ]


def named(snapshot: state.Snapshot, text: str) -> state.Trial:
    """The trial with this number or name; ``best`` is the best one. Raises Failure."""
    if text == "best":
        return best(snapshot)
    for item in snapshot.trials:
        if text in (str(item.number), item.name):
            return item
    last = snapshot.trials[-1].number if snapshot.trials else None
    mend = "it has none yet" if last is None else f"write a number from 0 to {last}, or best"
    raise Failure(Status.ABSENT, f"{snapshot.job.name} has no trial {quoted(text)}; {mend}")


def best(snapshot: state.Snapshot) -> state.Trial:
    """The best trial. Raises Failure while there is none."""
    winner = result.best(snapshot)
    if winner is None:
        message = words.clean(snapshot.job.status.message)
        why = f": {message}" if message else ""
        raise Failure(Status.FAILED, f"no trial of {snapshot.job.name} has succeeded yet{why}")
    return winner.trial


def _meets(one: Row, condition: str) -> bool:
    match = FILTER.fullmatch(condition)
    if match is None:
        raise Failure(Status.REFUSED, f"--where: {quoted(condition)} is no condition; {EXAMPLES}")
    name, sign, wanted = match.groups()
    if name not in one:
        raise Failure(Status.REFUSED, f"--where: {_unknown(name, one)}")
    value = one[name]
    if sign == "~":
        return wanted.lower() in str(value or "").lower()
    if sign in ("=", "!="):
        return _equal(value, wanted) is (sign == "=")
    try:
        bound = float(wanted)
    except ValueError:
        raise Failure(Status.REFUSED, f"--where: {quoted(wanted)} is not a number; {EXAMPLES}") from None
    return isinstance(value, int | float) and COMPARE[sign](value, bound)


def _equal(value: Any, wanted: str) -> bool:
    if isinstance(value, int | float):
        try:
            return float(value) == float(wanted)
        except ValueError:
            return False
    return str("" if value is None else value).lower() == wanted.lower()


def _unknown(name: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    return f"there is no column {quoted(name)}; {closest(name, known)}"


def _rank(value: Any) -> tuple[int, float, str]:
    return (0, float(value), "") if isinstance(value, int | float) else (1, 0.0, str(value))


def _moment(moment: datetime.datetime | None) -> str | None:
    return moment.isoformat() if moment else None
