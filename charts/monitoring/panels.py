"""What the dashboards show: each panel's title, what it is for, its queries and its unit. Data, so that tests can run it."""

from __future__ import annotations

import dataclasses
import enum

RATE = "$__rate_interval"
JOB = 'namespace="$namespace", job="$job"'


class Shape(enum.Enum):
    """How a panel draws."""

    NUMBER = enum.auto()
    LINES = enum.auto()
    STACK = enum.auto()
    BARS = enum.auto()


@dataclasses.dataclass(frozen=True)
class Panel:
    """One panel: queries by their legend, and a unit of Grafana's."""

    title: str
    why: str
    queries: dict[str, str]
    unit: str = "short"
    shape: Shape = Shape.LINES


@dataclasses.dataclass(frozen=True)
class Board:
    """One dashboard: rows of panels. `picks_job` gives it choices of a namespace and a job."""

    uid: str
    title: str
    why: str
    rows: dict[str, tuple[Panel, ...]]
    picks_job: bool = False


def _quantile(share: float, metric: str, *labels: str) -> str:
    by = ", ".join(("le", *labels))
    return f"histogram_quantile({share}, sum by ({by}) (rate({metric}_bucket[{RATE}])))"


FLEET = Board(
    "tuning-fleet",
    "Tuning: fleet",
    "All jobs and trials: how many there are, how they fare, and what they wait for.",
    {
        "Now": (
            Panel("Operator at work", "1 when one holds the Lease.", {"": "sum(tuning_operator_leader)"}, shape=Shape.NUMBER),
            Panel("Jobs running", "", {"": 'sum(tuning_jobs{phase="Running"})'}, shape=Shape.NUMBER),
            Panel("Trials running", "", {"": 'sum(tuning_trials{phase="running"})'}, shape=Shape.NUMBER),
            Panel("Jobs waiting", "Unfinished jobs that lack resources.", {"": "sum(tuning_jobs_waiting) or vector(0)"}, shape=Shape.NUMBER),
            Panel("Trials that failed", "Of all that ended in the shown time.", {
                "": '(sum(increase(tuning_trials_finished_total{phase="Failed"}[$__range])) or vector(0)) / sum(increase(tuning_trials_finished_total[$__range]))'
            }, "percentunit", Shape.NUMBER),
        ),
        "Work": (
            Panel("Jobs by phase", "", {"{{phase}}": "sum by (phase) (tuning_jobs)"}, shape=Shape.STACK),
            Panel("Trials by phase", "", {"{{phase}}": "sum by (phase) (tuning_trials)"}, shape=Shape.STACK),
            Panel("Trials that ended", "Per second.", {"{{phase}}": f"sum by (phase) (rate(tuning_trials_finished_total[{RATE}]))"}, "ops"),
            Panel("How long trials take", "", {
                "median": _quantile(0.5, "tuning_trial_duration_seconds"),
                "95 of 100": _quantile(0.95, "tuning_trial_duration_seconds"),
            }, "s"),
        ),
        "Trouble": (
            Panel("Why trials failed", "In the shown time.", {
                "{{reason}}": 'topk(10, sum by (reason) (increase(tuning_trials_finished_total{phase="Failed"}[$__range])))'
            }, shape=Shape.BARS),
            Panel("Why jobs wait", "", {"{{reason}}": "sum by (reason) (tuning_jobs_waiting)"}, shape=Shape.STACK),
            Panel("Longest wait", "Of the jobs that wait now.", {"": "time() - min(tuning_jobs_waiting_oldest_timestamp_seconds)"}, "s"),
        ),
        "Jobs": (
            Panel("Most active jobs", "Trials that run.", {
                "{{namespace}}/{{job}}": 'topk(15, sum by (namespace, job) (tuning_job_trials{phase="running"}))'
            }, shape=Shape.BARS),
            Panel("Progress of running jobs", "Finished of all planned trials.", {
                "{{namespace}}/{{job}}": 'topk(15, sum by (namespace, job) (tuning_job_trials{phase=~"succeeded|failed|stopped"}) / sum by (namespace, job) (tuning_job_trials_planned))'
            }, "percentunit", Shape.BARS),
        ),
    },
)  # fmt: skip

ONE_JOB = Board(
    "tuning-job",
    "Tuning: job",
    "One job: its progress, its best trial so far, and the learning curves of its trials.",
    {
        "Progress": (
            Panel("Phase", "", {"{{phase}}": f"max by (phase) (tuning_job_phase{{{JOB}}})"}, shape=Shape.NUMBER),
            Panel("Finished", "Of all planned trials.", {
                "": f'sum(tuning_job_trials{{{JOB}, phase=~"succeeded|failed|stopped"}}) / sum(tuning_job_trials_planned{{{JOB}}})'
            }, "percentunit", Shape.NUMBER),
            Panel("Best objective", "", {"{{metric}}": f"max by (metric) (tuning_job_best_objective{{{JOB}}})"}, shape=Shape.NUMBER),
            Panel("Trials by phase", "", {"{{phase}}": f"sum by (phase) (tuning_job_trials{{{JOB}}})"}, shape=Shape.STACK),
            Panel("Best objective over time", "", {"{{metric}}": f"max by (metric) (tuning_job_best_objective{{{JOB}}})"}),
        ),
        "Trials": (
            Panel("Learning curves", "Latest value of each metric that a trial reports; needs the PodMonitor of the sidecars.", {
                "{{trial}} {{metric}}": f"tuning_trial_metric_last{{{JOB}}}"
            }),
            Panel("Rows reported", "Per second, by trial.", {"{{trial}}": f"sum by (trial) (rate(tuning_trial_rows_total{{{JOB}}}[{RATE}]))"}, "ops"),
        ),
    },
    picks_job=True,
)  # fmt: skip

OPERATOR = Board(
    "tuning-scheduler",
    "Tuning: scheduler",
    "The operator itself: how fast it decides, what it asks of the API server, and what it takes.",
    {
        "Decisions": (
            Panel("Time in the queue", "", {"99 of 100": _quantile(0.99, "tuning_operator_queue_wait_seconds"), "median": _quantile(0.5, "tuning_operator_queue_wait_seconds")}, "s"),
            Panel("Queue", "Jobs that wait to be looked at.", {"{{instance}}": "max by (instance) (tuning_operator_queue_length)"}),
            Panel("Looks at jobs", "Per second.", {"": f"sum(rate(tuning_operator_reconcile_duration_seconds_count[{RATE}]))"}, "ops"),
            Panel("A look at a job", "", {"99 of 100": _quantile(0.99, "tuning_operator_reconcile_duration_seconds"), "median": _quantile(0.5, "tuning_operator_reconcile_duration_seconds")}, "s"),
            Panel("A plan", "", {"99 of 100": _quantile(0.99, "tuning_operator_plan_duration_seconds")}, "s"),
            Panel("A suggestion", "95 of 100, the wait for the search's process included.", {"{{algorithm}}": _quantile(0.95, "tuning_operator_suggestion_duration_seconds", "algorithm")}, "s"),
            Panel("Looks that failed", "They are tried again.", {"{{reason}}": f"sum by (reason) (rate(tuning_operator_reconcile_errors_total[{RATE}])) or vector(0)"}, "ops"),
        ),
        "API server": (
            Panel("Calls", "Per second.", {"{{verb}} {{resource}}": f"sum by (verb, resource) (rate(tuning_operator_api_requests_total[{RATE}]))"}, "ops"),
            Panel("Calls that were refused", "", {"{{code}} {{verb}} {{resource}}": f'sum by (code, verb, resource) (rate(tuning_operator_api_requests_total{{code!~"2.."}}[{RATE}])) or vector(0)'}, "ops"),
            Panel("A call", "99 of 100.", {"{{verb}}": _quantile(0.99, "tuning_operator_api_request_duration_seconds", "verb")}, "s"),
        ),
        "Process": (
            Panel("Event loop", "How late it is, 99 of 100.", {"{{instance}}": _quantile(0.99, "tuning_operator_event_loop_lag_seconds", "instance")}, "s"),
            Panel("Memory", "Without the search's process.", {"{{instance}}": "process_resident_memory_bytes and on (instance) tuning_operator_leader"}, "bytes"),
            Panel("Processor", "", {"{{instance}}": f"rate(process_cpu_seconds_total[{RATE}]) and on (instance) tuning_operator_leader"}),
            Panel("At work", "Which operator leads.", {"{{instance}}": "tuning_operator_leader"}, shape=Shape.STACK),
            Panel("Versions", "", {"{{version}}": "count by (version) (tuning_operator_build_info)"}, shape=Shape.NUMBER),
        ),
    },
)  # fmt: skip

BOARDS = {"fleet": FLEET, "job": ONE_JOB, "scheduler": OPERATOR}
