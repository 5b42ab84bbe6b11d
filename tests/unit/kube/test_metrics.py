"""Names and units as Prometheus wants them, few labels, and no series that outlives its job."""

from __future__ import annotations

import pathlib
import subprocess

import prometheus_client
import pytest
from prometheus_client import parser

from tests.prometheus import tools
from tuning_operator.api import job
from tuning_operator.kube import metrics, store

WAITS = job.Condition.model_validate(
    {"type": "WaitingForResources", "status": "True", "reason": "NoGpu", "lastTransitionTime": "2026-01-01T00:00:00Z"}
)


def record(index: int, **status: object) -> store.JobRecord:
    best = job.BestTrial(trial=f"j{index}-0", values={"accuracy": 0.9}, parameters={"x": 1})
    known = job.JobStatus(best=best, trials=job.TrialCounts(total=5, running=2, succeeded=3)).model_copy(update=status)
    key = store.Key("team", f"job-{index}")
    return store.JobRecord(key, f"uid-{index}", str(index), 1, {"limits": {"maxTrials": 40}}, known, False)


def inventory(*records: store.JobRecord, leading: bool = True) -> metrics.Inventory:
    known = store.Store()
    known.jobs.update({item.key: item for item in records})
    return metrics.Inventory(known, lambda: leading, lambda: 3)


def text(found: metrics.Inventory) -> str:
    registry = prometheus_client.CollectorRegistry()
    registry.register(found)
    return prometheus_client.generate_latest(registry).decode()


def series(found: metrics.Inventory) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = parser.text_string_to_metric_families(text(found))
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def labels(**values: str) -> frozenset[tuple[str, str]]:
    return frozenset(values.items())


def test_jobs_and_trials_are_counted_by_phase() -> None:
    found = series(
        inventory(
            record(1, phase=job.JobPhase.RUNNING),
            record(2, phase=job.JobPhase.RUNNING, conditions=[WAITS]),
            record(3, phase=job.JobPhase.COMPLETE, conditions=[WAITS]),
        )
    )
    assert found["tuning_jobs", labels(phase="Running")] == 2
    assert found["tuning_jobs", labels(phase="Failed")] == 0
    assert found["tuning_trials", labels(phase="succeeded")] == 9
    assert found["tuning_jobs_waiting", labels(reason="NoGpu")] == 1, "a finished job waits for nothing"
    assert found["tuning_jobs_waiting_oldest_timestamp_seconds", frozenset()] == 1767225600
    assert found["tuning_job_best_objective", labels(namespace="team", job="job-2", metric="accuracy")] == 0.9
    assert found["tuning_job_trials", labels(namespace="team", job="job-1", phase="running")] == 2
    assert found["tuning_job_trials_planned", labels(namespace="team", job="job-1")] == 40


def test_a_standby_reports_no_jobs_lest_sums_double() -> None:
    found = series(inventory(record(1), leading=False))
    assert {name for name, _ in found} == {"tuning_operator_queue_length"}


def test_a_job_takes_its_series_with_it() -> None:
    assert "job-1" in text(inventory(record(1), record(2)))
    assert "job-1" not in text(inventory(record(2)))


def test_cardinality_is_bounded() -> None:
    """A thousand jobs are the newest thousand; those before are counted."""
    few, many, more = (series(inventory(*map(record, range(count)))) for count in (10, metrics.JOBS, 1500))
    per_job = (len(many) - len(few)) / (metrics.JOBS - 10)
    assert per_job <= 10
    assert len(more) == len(many)
    assert more["tuning_jobs_without_series", frozenset()] == 500
    assert ("tuning_job_trials_planned", labels(namespace="team", job="job-499")) not in more
    assert ("tuning_job_trials_planned", labels(namespace="team", job="job-1499")) in more


def test_reasons_are_bounded() -> None:
    words = metrics.Words(2)
    assert [words(word) for word in ("a", "b", "c", "a")] == ["a", "b", "other", "a"]


GROUP = "/apis/tuning-operator.dev/v1alpha1"


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", f"{GROUP}/tuningjobs", {}, ("list", "tuningjobs")),
        ("GET", f"{GROUP}/namespaces/a/tuningtrials", {"watch": "true"}, ("watch", "tuningtrials")),
        ("GET", f"{GROUP}/namespaces/a/tuningtrials/x", {}, ("get", "tuningtrials")),
        ("PATCH", f"{GROUP}/namespaces/a/tuningjobs/x/status", {}, ("patch", "tuningjobs/status")),
        ("POST", "/api/v1/namespaces/a/pods", {}, ("create", "pods")),
        ("DELETE", "/api/v1/namespaces/a/pods/p", {}, ("delete", "pods")),
        ("POST", "/api/v1/namespaces/a/pods/p:9464/proxy/finish", {}, ("create", "pods/proxy")),
        ("GET", "/api/v1/namespaces", {}, ("list", "namespaces")),
        ("GET", "/version", {}, ("get", "none")),
        ("GET", GROUP, {}, ("get", "none")),
    ],
)
def test_calls_are_named_as_in_an_audit_log(
    method: str, path: str, query: dict[str, str], expected: tuple[str, str]
) -> None:
    assert metrics.call(method, path, query) == expected


def test_promtool_finds_nothing_to_complain_about() -> None:
    told = text(inventory(record(1, conditions=[WAITS]))) + metrics.exposition().decode()
    ours = "\n".join(line for line in told.splitlines() if "tuning_" in line) + "\n"
    done = subprocess.run(
        [tools.promtool(), "check", "metrics"], input=ours, capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stdout + done.stderr
    assert "tuning_operator_api_request_duration_seconds" in ours


def test_the_tools_are_there() -> None:
    assert pathlib.Path(tools.promtool()).is_file()
