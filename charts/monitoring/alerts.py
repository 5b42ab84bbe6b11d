"""When to wake somebody, or to tell them in the morning. Each alert has a runbook in docs/runbooks.md under its name."""

from __future__ import annotations

import dataclasses
from typing import Any

FAILED = 'tuning_trials_finished_total{phase="Failed"}'


@dataclasses.dataclass(frozen=True)
class Alert:
    """One alert: its condition, how long it has to hold, and what it tells."""

    name: str
    query: str
    holds: str
    severity: str
    summary: str
    description: str

    def rule(self) -> dict[str, Any]:
        """As Prometheus reads it."""
        return {
            "alert": self.name,
            "expr": self.query,
            "for": self.holds,
            "labels": {"severity": self.severity},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook": f"docs/runbooks.md#{self.name.lower()}",
            },
        }


ALERTS = (
    Alert(
        "TuningOperatorDown",
        "absent(tuning_operator_build_info)",
        "5m",
        "critical",
        "No tuning operator answers.",
        "Prometheus has scraped no tuning operator for 5 minutes. Trials that run go on; nothing new starts.",
    ),
    Alert(
        "TuningOperatorNoLeader",
        "sum(tuning_operator_leader) == 0",
        "2m",
        "critical",
        "No tuning operator is at work.",
        "Operators run, and none has held the Lease for 2 minutes: nothing new starts.",
    ),
    Alert(
        "TuningJobStuck",
        'max by (namespace, job) (tuning_job_phase{phase="Running"}) == 1'
        " unless on (namespace, job) sum by (namespace, job) (changes(tuning_job_trials[6h])) > 0",
        "6h",
        "warning",
        "TuningJob {{ $labels.namespace }}/{{ $labels.job }} makes no progress.",
        "It is Running, and no trial of it has changed its phase for 6 hours.",
    ),
    Alert(
        "TuningTrialsFailing",
        f"sum(increase({FAILED}[30m])) / sum(increase(tuning_trials_finished_total[30m])) > 0.5"
        f" and sum(increase({FAILED}[30m])) >= 5",
        "10m",
        "warning",
        "{{ $value | humanizePercentage }} of the trials fail.",
        "More than half of the trials that ended in the last 30 minutes have failed, and at least 5.",
    ),
    Alert(
        "TuningJobsWaitingTooLong",
        "time() - min(tuning_jobs_waiting_oldest_timestamp_seconds) > 3600",
        "10m",
        "warning",
        "A TuningJob has waited for resources for {{ $value | humanizeDuration }}.",
        "The job that has waited for the longest has done so for more than an hour.",
    ),
    Alert(
        "TuningOperatorFailing",
        "sum by (reason) (rate(tuning_operator_reconcile_errors_total[10m])) > 0.1",
        "15m",
        "warning",
        "Looks at TuningJobs fail: {{ $labels.reason }}.",
        "More than one look in ten seconds has failed for 15 minutes.",
    ),
    Alert(
        "TuningOperatorSlow",
        "histogram_quantile(0.99, sum by (le) (rate(tuning_operator_event_loop_lag_seconds_bucket[10m]))) > 0.5",
        "10m",
        "warning",
        "The tuning operator is overloaded.",
        "Its event loop has come to its work more than half a second late for 10 minutes.",
    ),
    Alert(
        "TuningOperatorRefused",
        'sum by (verb, resource) (rate(tuning_operator_api_requests_total{code="403"}[10m])) > 0',
        "15m",
        "warning",
        "The tuning operator may not {{ $labels.verb }} {{ $labels.resource }}.",
        "The API server has refused its calls for 15 minutes.",
    ),
)


def groups() -> dict[str, Any]:
    """All rules, as the content of a rules file and as the spec of a PrometheusRule."""
    return {"groups": [{"name": "tuning-operator", "rules": [alert.rule() for alert in ALERTS]}]}
