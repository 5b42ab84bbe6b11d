"""From moments and calls to figures. Pure."""

from __future__ import annotations

import collections
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.integration import audit

from benchmarks.latency.timeline import Moments, Stage

Figures = dict[str, Any]

STEPS = {
    "noticed": (Stage.ENDED, Stage.RECORDING),
    "recorded": (Stage.RECORDING, Stage.RECORDED),
    "suggested": (Stage.RECORDED, Stage.CREATING),
    "trial_created": (Stage.CREATING, Stage.CREATED),
    "pod_requested": (Stage.CREATED, Stage.STARTING),
    "pod_created": (Stage.STARTING, Stage.STARTED),
}
"""Where the time of a refill goes: from one stage to the next. Until RECORDED it is the trial that has ended that goes
through them, then the one that takes its place."""

OF_THE_ENDED = frozenset({Stage.PROCESS_ENDED, Stage.ENDED, Stage.RECORDING, Stage.RECORDED})


def first_pods(moments: Moments, trials: Mapping[str, str]) -> list[float]:
    """For each job, the seconds from its submission until its first Pod existed."""
    return [
        min(_seconds(submitted, moments[Stage.STARTED, trial]) for trial in _of(job, trials))
        for (stage, job), submitted in moments.items()
        if stage is Stage.SUBMITTED
    ]


def refills(moments: Moments, trials: Mapping[str, str], parallel: int) -> list[tuple[str, str]]:
    """Trials that have ended, each with the one that took its place: the first end makes room for the first trial
    after the `parallel` that began the job, and so on.
    """
    pairs: list[tuple[str, str]] = []
    for job in sorted(set(trials.values())):
        names = _of(job, trials)
        ended = sorted(names, key=lambda trial: moments[Stage.ENDED, trial])
        started = sorted(names, key=lambda trial: moments[Stage.STARTED, trial])
        pairs.extend(zip(ended, started[parallel:], strict=False))
    return pairs


def between(moments: Moments, pairs: Sequence[tuple[str, str]], begin: Stage, end: Stage) -> list[float]:
    """The seconds between two stages of each refill. Raises KeyError where one of them was not seen."""
    return [_seconds(_moment(moments, pair, begin), _moment(moments, pair, end)) for pair in pairs]


def breakdown(moments: Moments, pairs: Sequence[tuple[str, str]]) -> dict[str, Figures]:
    """How long each step of the refills took."""
    return {step: summary(between(moments, pairs, *stages)) for step, stages in STEPS.items()}


def summary(values: Sequence[float]) -> Figures:
    """Median, 95th percentile (the smallest value that as many lie at or below), largest and number of the values."""
    ranked = sorted(values)
    return {
        "median": round(statistics.median(ranked), 4),
        "p95": round(ranked[-(-95 * len(ranked) // 100) - 1], 4),
        "max": round(ranked[-1], 4),
        "n": len(ranked),
    }


def by_kind(calls: Iterable[audit.Call]) -> dict[str, int]:
    """How many calls there were of each kind, most first."""
    return dict(collections.Counter(map(_kind, calls)).most_common())


def _kind(call: audit.Call) -> str:
    """A call's verb, kind of object and subresource, as in `patch tuningtrials/status`."""
    parts = call.path.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    dry = " (dry run)" if "dryRun" in call.query else ""
    return f"{call.verb} {'/'.join(rest[:1] + rest[2:3])}{dry}"


def _moment(moments: Moments, pair: tuple[str, str], stage: Stage) -> Any:
    ended, next_ = pair
    return moments[stage, ended if stage in OF_THE_ENDED else next_]


def _of(job: str, trials: Mapping[str, str]) -> list[str]:
    return [trial for trial, owner in trials.items() if owner == job]


def _seconds(begin: Any, end: Any) -> float:
    return float((end - begin).total_seconds())
