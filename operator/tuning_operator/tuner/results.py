"""From what a trial reported to what the search learns: objective values, or the reason why there are none."""

from __future__ import annotations

import array
import contextlib
import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence

from tuning_operator.api import job, trial
from tuning_operator.search import space, suggest
from tuning_operator.stopping import curve
from tuning_operator.tuner import repeats, state
from tuning_trial import summary


@dataclasses.dataclass(frozen=True, slots=True)
class Missing:
    """Why a trial that ended well has no objective value."""

    reason: str
    message: str


def evaluate(
    objectives: Sequence[job.Objective], observed: summary.Summary | None, took: Mapping[str, float] | None = None
) -> dict[str, float] | Missing:
    """The objective values of a trial whose process ended well, by metric; `took` are those that are measured for it."""
    if observed is None:
        return Missing("MetricsUnavailable", "the sidecar ended without handing over what it had collected")
    values: dict[str, float] = {}
    for objective in objectives:
        value = _measured(objective.metric, took or {})
        if value is None:
            value = _value(objective, observed)
        if isinstance(value, Missing):
            return value
        values[objective.metric] = value
    return values


def _value(objective: job.Objective, observed: summary.Summary) -> float | Missing:
    metric = observed.metrics.get(objective.metric)
    if metric is None or (metric.count == 0 and metric.not_finite == 0):
        return Missing("ObjectiveNotReported", _not_reported(objective.metric, observed))
    if metric.count == 0 or (metric.not_finite and objective.from_ in (job.From.MEAN, job.From.WORST)):
        return Missing("ObjectiveNotFinite", f"{objective.metric} was NaN or infinite {metric.not_finite} time(s)")
    if metric.diverged and objective.from_ is job.From.LAST:
        return Missing("ObjectiveNotFinite", f"the last value of {objective.metric} is NaN or infinite")
    match objective.from_:
        case job.From.BEST:
            value = metric.max if objective.goal is job.Goal.MAXIMIZE else metric.min
        case job.From.LAST:
            value = metric.last
        case job.From.MEAN:
            value = metric.mean
        case job.From.WORST:
            value = metric.min if objective.goal is job.Goal.MAXIMIZE else metric.max
    if value is None or not math.isfinite(value):
        return Missing("ObjectiveNotFinite", f"the {objective.from_} value of {objective.metric} is NaN or infinite")
    return float(value)


def _measured(metric: str, took: Mapping[str, float]) -> float | Missing | None:
    """The value of a measure; None for a metric that the trial is to report."""
    if metric not in set(job.Measure):
        return None
    if metric in took:
        return took[metric]
    if metric == job.Measure.PEAK_MEMORY:
        mend = "call tuning_trial.report in the trial, or let it report its peakMemory in bytes"
        return Missing("NotMeasured", f"{metric} is not known: {mend}")
    return Missing("NotMeasured", f"{metric} is not known: nobody has told when the trial began and ended")


def last(metric: str, observed: summary.Summary | None) -> float | Missing:
    """The last value of a metric that a trial reported and that is no objective."""
    if (measure := _measured(metric, {})) is not None:
        return measure
    if observed is None:
        return Missing("MetricsUnavailable", "the sidecar ended without handing over what it had collected")
    found = observed.metrics.get(metric)
    if found is None or (found.count == 0 and found.not_finite == 0):
        return Missing("ConstraintNotReported", _not_reported(metric, observed))
    if found.last is None or found.diverged:
        return Missing("ConstraintNotFinite", f"the last value of {metric} is NaN or infinite")
    return found.last


def _not_reported(metric: str, observed: summary.Summary) -> str:
    if observed.problem:
        return f"{metric} was never reported: {observed.problem}"
    if observed.metrics:
        return f"{metric} was never reported; the trial reported {', '.join(sorted(observed.metrics)[:8])}"
    if observed.bad_lines:
        return f"{metric} was never reported; {observed.bad_lines} line(s) of the metrics file could not be read"
    return f"{metric} was never reported: the metrics file is empty; write to the file that TUNING_METRICS_FILE names"


def curves(observed: summary.Summary | None) -> list[trial.MetricSummary]:
    """The curves in short, for the trial's status."""
    if observed is None:
        return []
    return [
        trial.MetricSummary(metric=name, **dataclasses.asdict(metric), **_thinned(observed.curves.get(name)))
        for name, metric in itertools.islice(observed.metrics.items(), 64)
    ]


def _thinned(points: summary.Points | None) -> dict[str, list[float]]:
    return {"steps": list(points.steps), "values": list(points.values)} if points else {}


Points = Mapping[str, tuple["array.array[float]", "array.array[float]"]]
"""Steps and values of curves, by metric, in as little memory as they need."""


def unpacked(status: trial.TrialStatus) -> tuple[trial.TrialStatus, Points]:
    """A status and the points of its curves; a finished one, which nobody writes again, is left without them."""
    points = {
        metric.metric: (array.array("d", metric.steps), array.array("d", metric.values))
        for metric in status.metrics
        if metric.steps and metric.values
    }
    if not points or not status.phase.is_finished():
        return status, points
    bare = [metric.model_copy(update={"steps": None, "values": None}) for metric in status.metrics]
    return status.model_copy(update={"metrics": bare}), points


def recorded(points: Points) -> dict[str, curve.Curve]:
    """The curves of a trial that has ended; those that are none, in a status that others have written, left out."""
    curves = {}
    for name, (steps, values) in points.items():
        with contextlib.suppress(ValueError):
            curves[name] = curve.Curve(tuple(steps), tuple(values))
    return curves


def reported(item: state.Trial) -> Mapping[str, curve.Curve]:
    """The curves of a trial's newest attempt: as handed over at its end, or as seen so far where that says more."""
    handed = item.attempt.summary.curves if item.attempt is not None and item.attempt.summary is not None else {}
    final = {name: curve.Curve(points.steps, points.values) for name, points in handed.items()}
    seen = {name: one for name, one in item.curves.items() if name not in final or one.reached >= final[name].reached}
    return {**final, **seen}


def measured(curves: Mapping[str, curve.Curve]) -> summary.Summary:
    """What the curves say so far, in the form in which a sidecar hands it over."""
    metrics = {
        name: summary.Metric(
            count=len(one),
            first=one.values[0],
            last=one.values[-1],
            min=min(one.values),
            max=max(one.values),
            mean=math.fsum(one.values) / len(one),
            last_step=one.steps[-1],
            not_finite=int(one.diverged_at is not None),
            diverged=one.diverged_at is not None,
        )
        for name, one in curves.items()
        if len(one)
    }
    rows = max((len(one) for one in curves.values()), default=0)
    return summary.Summary(metrics, rows=rows, curves={name: _points(one) for name, one in curves.items() if len(one)})


def _points(one: curve.Curve) -> summary.Points:
    points = summary.Points(one.steps, one.values)
    while len(points.steps) > summary.MAX_POINTS:
        points = points.halved()
    return points


def reaches(objective: job.Objective, value: float) -> bool:
    """Whether the value meets the objective's target."""
    if objective.target is None:
        return False
    return value >= objective.target if objective.goal is job.Goal.MAXIMIZE else value <= objective.target


def request(
    owner: state.Job,
    trials: Sequence[state.Trial],
    number: int,
    based_on: frozenset[int],
    earlier: Sequence[suggest.Result] = (),
) -> suggest.Request:
    """The question that the search is asked for trial `number`. Trials that it may not know of are pending to it.

    The search knows configurations: to it those that are tried several times are one result, or pending until all their
    trials have ended. `earlier` are results of other jobs.
    """
    spec = owner.spec
    groups = repeats.grouped(spec, (item for item in trials if item.number < number))
    configuration = repeats.configuration(spec, number)
    siblings = groups.pop(configuration, [])
    known = {index for index, group in groups.items() if all(item.number in based_on for item in group)}

    def tell(before: dict[int, suggest.Result], item: state.Trial) -> dict[int, suggest.Result]:
        if spec.trial.repeats == 1:
            before[item.number] = _result(item.number, [item], spec)
        return before

    over = state.sort_out(trials).past.fold("results", dict[int, suggest.Result], tell)
    return suggest.Request(
        space=space.Space.from_spec(spec),
        goals=tuple(objective.goal for objective in spec.objectives),
        algorithm=spec.search.algorithm,
        settings=spec.search.settings,
        seed=spec.search.seed,
        number=configuration,
        results=(
            *earlier,
            *(over.get(index) or _result(index, groups[index], spec) for index in groups if index in known),
        ),
        pending=tuple(
            suggest.Pending(index, group[0].spec.parameters) for index, group in groups.items() if index not in known
        ),
        start_from=tuple(spec.search.start_from),
        repeat=repeats.place(spec, number),
        again=siblings[0].spec.parameters if siblings else None,
    )


def _result(index: int, group: Sequence[state.Trial], spec: job.JobSpec) -> suggest.Result:
    """What came of the trials of one configuration: their means, and failed if one of them has failed."""
    phases = {item.status.phase for item in group}
    rows = [item.status.values for item in group if all(one.metric in item.status.values for one in spec.objectives)]
    judged = [[one.violation for one in item.status.constraints] for item in group if item.status.constraints]
    if phases <= {trial.TrialPhase.SUCCEEDED, trial.TrialPhase.STOPPED}:
        stopped = trial.TrialPhase.STOPPED in phases
        outcome = suggest.Outcome.STOPPED if stopped else suggest.Outcome.SUCCEEDED
    else:
        outcome, rows, judged = suggest.Outcome.FAILED, [], []
    means, errors = repeats.means(rows) if rows else {}, repeats.errors(rows)
    return suggest.Result(
        index,
        group[0].spec.parameters,
        outcome,
        values=tuple(means[one.metric] for one in spec.objectives if means),
        errors=tuple(errors[one.metric] for one in spec.objectives if errors),
        violations=tuple(math.fsum(part / len(judged) for part in column) for column in zip(*judged, strict=True)),
    )
