"""What the operator tells Prometheus about itself and its work.

Instruments count what happens; the inventory of jobs and trials is derived from the store at each scrape, so a job's
series go with the job and nothing has to be cleaned up. Every label has few values, or is bounded here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import prometheus_client
from prometheus_client import core, registry

from tuning_operator import __version__
from tuning_operator.api import job
from tuning_operator.tuner import report

if TYPE_CHECKING:
    from tuning_operator.kube import store

REGISTRY = prometheus_client.REGISTRY
CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST
JOBS = 1000
"""The most jobs that have series of their own: the newest."""
REASONS = 64
"""The most reasons that are told apart."""
OTHER = "other"
LAG_PERIOD_SECONDS = 0.5

_CALL_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_WORK_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_TRIAL_BUCKETS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)

REQUESTS = prometheus_client.Counter(
    "tuning_operator_api_requests", "Calls to the API server, by their answer.", ["verb", "resource", "code"]
)
REQUEST_SECONDS = prometheus_client.Histogram(
    "tuning_operator_api_request_duration_seconds", "How long calls took.", ["verb"], buckets=_CALL_BUCKETS
)
QUEUE_SECONDS = prometheus_client.Histogram(
    "tuning_operator_queue_wait_seconds", "How long jobs waited to be looked at.", buckets=_WORK_BUCKETS
)
RECONCILE_SECONDS = prometheus_client.Histogram(
    "tuning_operator_reconcile_duration_seconds", "How long a look at a job took.", buckets=_CALL_BUCKETS
)
RECONCILE_ERRORS = prometheus_client.Counter(
    "tuning_operator_reconcile_errors", "Looks at jobs that failed and are tried again.", ["reason"]
)
PLAN_SECONDS = prometheus_client.Histogram(
    "tuning_operator_plan_duration_seconds", "How long it took to decide what to do for a job.", buckets=_WORK_BUCKETS
)
SUGGEST_SECONDS = prometheus_client.Histogram(
    "tuning_operator_suggestion_duration_seconds",
    "How long it took to get new configurations, the wait for the search's process included.",
    ["algorithm"],
    buckets=_CALL_BUCKETS,
)
LAG_SECONDS = prometheus_client.Histogram(
    "tuning_operator_event_loop_lag_seconds", "How late the event loop came to its work.", buckets=_WORK_BUCKETS
)
LEADER = prometheus_client.Gauge("tuning_operator_leader", "1 for the operator at work, 0 for one that waits.")
FINISHED = prometheus_client.Counter(
    "tuning_trials_finished", "Trials whose end was recorded, by phase and reason.", ["phase", "reason"]
)
TRIAL_SECONDS = prometheus_client.Histogram(
    "tuning_trial_duration_seconds", "From the first start of a trial to its end.", ["phase"], buckets=_TRIAL_BUCKETS
)
BUILD = prometheus_client.Gauge("tuning_operator_build_info", "1, with the version of the operator.", ["version"])
BUILD.labels(__version__).set(1)


def exposition() -> bytes:
    """Everything, in Prometheus' text format."""
    return prometheus_client.generate_latest(REGISTRY)


class Words:
    """Keeps a label's values few: words beyond the first `most` are one."""

    def __init__(self, most: int) -> None:
        self._known: set[str] = set()
        self._most = most

    def __call__(self, word: str) -> str:
        """The word, or `other`."""
        if word not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(word)
        return word


reasons = Words(REASONS)
PHASES = tuple(name for name in job.TrialCounts.model_fields if name != "total")
_RESOURCE = re.compile(
    r"/(?:api/[^/]+|apis/[^/]+/[^/]+)(?:/namespaces/[^/]+(?=/))?/([^/]+)(/[^/:]+)?(?::[^/]*)?(/[^/]+)?"
)
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def call(method: str, path: str, query: Mapping[str, str] = {}) -> tuple[str, str]:
    """A call's verb and resource as an audit log names them: `patch`, `tuningjobs/status`."""
    found = _RESOURCE.fullmatch(path) or _RESOURCE.match(path)
    if found is None:
        return _VERBS.get(method, "get"), "none"
    resource, name, subresource = found.groups()
    watching = query.get("watch") in ("1", "true")
    verb = _VERBS.get(method) or ("watch" if watching else "get" if name else "list")
    return verb, resource + (subresource or "")


class Inventory(registry.Collector):
    """Jobs and trials as the store has them when it is asked; nothing while another operator leads, lest all counts
    double.
    """

    def __init__(self, known: store.Store, leading: Callable[[], bool], waiting: Callable[[], int]) -> None:
        self._store = known
        self._leading = leading
        self._waiting = waiting

    def collect(self) -> Iterator[core.Metric]:
        """All families. May run in another thread than the store's."""
        yield core.GaugeMetricFamily(
            "tuning_operator_queue_length", "Jobs that wait to be looked at.", value=self._waiting()
        )
        if self._leading():
            records = list(self._store.jobs.values())
            yield from _fleet(records)
            yield from _by_job(records)


def _fleet(records: list[store.JobRecord]) -> Iterator[core.Metric]:
    jobs = core.GaugeMetricFamily("tuning_jobs", "TuningJobs by phase.", labels=["phase"])
    for phase in job.JobPhase:
        jobs.add_metric([phase], sum(record.status.phase is phase for record in records))
    trials = core.GaugeMetricFamily("tuning_trials", "TuningTrials by phase.", labels=["phase"])
    for name in PHASES:
        trials.add_metric([name], sum(getattr(record.status.trials, name) for record in records))
    waiting = core.GaugeMetricFamily(
        "tuning_jobs_waiting", "Unfinished jobs that cannot start what they want to, by reason.", labels=["reason"]
    )
    since = core.GaugeMetricFamily(
        "tuning_jobs_waiting_oldest_timestamp_seconds",
        "Since when the job that has waited for the longest waits, as Unix time.",
    )
    counts: dict[str, int] = {}
    begun: list[float] = []
    for record in records:
        for item in record.status.conditions:
            if item.type == report.WAITING and item.status == "True" and not record.status.phase.is_finished():
                counts[reasons(item.reason)] = counts.get(reasons(item.reason), 0) + 1
                begun.append(item.last_transition_time.timestamp())
    for reason, count in counts.items():
        waiting.add_metric([reason], count)
    if begun:
        since.add_metric([], min(begun))
    yield from (jobs, trials, waiting, since)


def _by_job(records: list[store.JobRecord]) -> Iterator[core.Metric]:
    shown = sorted(records, key=lambda record: int(record.version))[-JOBS:]
    place = ["namespace", "job"]
    best = core.GaugeMetricFamily("tuning_job_best_objective", "The best trial's objective.", labels=[*place, "metric"])
    trials = core.GaugeMetricFamily("tuning_job_trials", "Trials of a job by phase.", labels=[*place, "phase"])
    planned = core.GaugeMetricFamily("tuning_job_trials_planned", "Trials that the job may make.", labels=place)
    phase = core.GaugeMetricFamily("tuning_job_phase", "1 for the phase that the job is in.", labels=[*place, "phase"])
    hidden = core.GaugeMetricFamily(
        "tuning_jobs_without_series",
        f"Jobs beyond the newest {JOBS}, which have no series of their own.",
        value=len(records) - len(shown),
    )
    for record in shown:
        labels = [record.key.namespace, record.key.name]
        status = record.status
        phase.add_metric([*labels, status.phase], 1)
        for name in PHASES:
            trials.add_metric([*labels, name], getattr(status.trials, name))
        if (most := (record.spec.get("limits") or {}).get("maxTrials")) is not None:
            planned.add_metric(labels, float(most))
        for metric, value in (status.best.values if status.best else {}).items():
            best.add_metric([*labels, metric], value)
    yield from (best, trials, planned, phase, hidden)


async def watch_lag() -> None:
    """Measures, until cancelled, how late the event loop is."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LAG_PERIOD_SECONDS
        await asyncio.sleep(LAG_PERIOD_SECONDS)
        LAG_SECONDS.observe(max(0.0, loop.time() - due))
