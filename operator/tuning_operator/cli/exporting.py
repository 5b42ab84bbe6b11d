"""`tuningctl export`: a job's trials in the form of other tools, written by those tools' own libraries."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tuning_operator.api import job, trial
from tuning_operator.cli import locating, tables, trials
from tuning_operator.cli.status import Failure, Status
from tuning_operator.tuner import state

MARK = "tuning-operator.trial"
"""Where another tool's record keeps the name of the trial, so that it is exported once."""


async def export(where: locating.Where, to: str, output: str) -> int:
    """Export all trials that are finished."""
    async with locating.source(where) as source:
        snapshot = (await source.look()).snapshot
    targets: Mapping[str, Callable[[state.Snapshot, str], int]] = {"csv": _csv, "optuna": _optuna, "mlflow": _mlflow}
    count = targets[to](snapshot, output)
    tables.write(f"{count} trial{'s' * (count != 1)} of {snapshot.job.name} written to {output}\n")
    return Status.DONE


def _csv(snapshot: state.Snapshot, output: str) -> int:
    found = trials.rows(snapshot)
    try:
        Path(output).write_text(tables.comma_separated(found), "utf-8")
    except OSError as error:
        raise Failure(Status.REFUSED, f"{output} cannot be written: {error.strerror}") from None
    return len(found)


def _finished(snapshot: state.Snapshot) -> list[state.Trial]:
    return [item for item in snapshot.trials if item.is_finished()]


def _optuna(snapshot: state.Snapshot, output: str) -> int:
    """A study of the job's name in an Optuna storage; a plain file is a database of SQLite's."""
    try:
        import optuna
    except ImportError:
        raise Failure(Status.REFUSED, "this needs Optuna: pip install 'tuning-operator[export]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    spec = snapshot.job.spec
    storage = output if "://" in output else f"sqlite:///{Path(output).absolute()}"
    try:
        study = optuna.create_study(
            storage=storage,
            study_name=snapshot.job.name,
            directions=[objective.goal.value for objective in spec.objectives],
            load_if_exists=True,
        )
    except Exception as error:
        raise Failure(Status.REFUSED, f"{output} is no storage of Optuna's: {str(error).splitlines()[0]}") from None
    study.set_user_attr("objectives", [objective.metric for objective in spec.objectives])
    known = {one.user_attrs.get(MARK) for one in study.get_trials(deepcopy=False)}
    new = [item for item in _finished(snapshot) if item.name not in known]
    for item in new:
        study.add_trial(_frozen(item, spec, optuna))
    return len(new)


def _frozen(item: state.Trial, spec: job.JobSpec, optuna: Any) -> Any:
    states = optuna.trial.TrialState
    values = [item.status.values.get(objective.metric) for objective in spec.objectives]
    ended = {trial.TrialPhase.SUCCEEDED: states.COMPLETE, trial.TrialPhase.STOPPED: states.PRUNED}
    chosen = {one.name: item.spec.parameters[one.name] for one in spec.parameters if one.name in item.spec.parameters}
    made = optuna.trial.create_trial(
        state=ended.get(item.status.phase, states.FAIL),
        values=values if item.status.phase is trial.TrialPhase.SUCCEEDED else None,
        params=chosen,
        distributions={one.name: _distribution(one, optuna) for one in spec.parameters if one.name in chosen},
        user_attrs={MARK: item.name, "reason": item.status.reason, "message": item.status.message[:1000]},
    )
    # Optuna keeps local times without a zone.
    made.datetime_start = _naive(item.status.start_time or item.status.completion_time)
    made.datetime_complete = _naive(item.status.completion_time)
    return made


def _naive(moment: datetime.datetime | None) -> datetime.datetime | None:
    return moment.astimezone().replace(tzinfo=None) if moment else None


def _distribution(one: job.Parameter, optuna: Any) -> Any:
    log = one.scale is job.Scale.LOG
    match one.type:
        case job.ParameterType.FLOAT:
            # Optuna knows no steps on a log scale.
            return optuna.distributions.FloatDistribution(one.min, one.max, log=log, step=None if log else one.step)
        case job.ParameterType.INT:
            step = 1 if log else int(one.step or 1)
            return optuna.distributions.IntDistribution(int(one.min or 0), int(one.max or 0), log=log, step=step)
        case _:
            return optuna.distributions.CategoricalDistribution(one.values)


def _mlflow(snapshot: state.Snapshot, output: str) -> int:
    """A run for each trial, in the experiment of the job's name; the curves in short are metrics."""
    try:
        import mlflow
        from mlflow.entities import Metric, Param, RunTag
    except ImportError:
        raise Failure(Status.REFUSED, "this needs MLflow: pip install 'tuning-operator[export]'") from None
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    uri = output if "://" in output else f"sqlite:///{Path(output).absolute()}"
    client = mlflow.MlflowClient(tracking_uri=uri)
    try:
        experiment = client.get_experiment_by_name(snapshot.job.name)
        where = experiment.experiment_id if experiment else client.create_experiment(snapshot.job.name)
        known = {run.data.tags.get(MARK) for run in client.search_runs([where], max_results=50_000)}
    except Exception as error:
        raise Failure(Status.UNREACHABLE, f"MLflow at {uri} does not answer: {str(error).splitlines()[0]}") from None
    new = [item for item in _finished(snapshot) if item.name not in known]
    for item in new:
        run = client.create_run(where, start_time=_milliseconds(item.status.start_time), run_name=item.name)
        metrics = dict(item.status.values)
        for summary in item.status.metrics:
            if summary.last is not None:
                metrics[f"{summary.metric}.last"] = summary.last
        now = _milliseconds(item.status.completion_time) or 0
        client.log_batch(
            run.info.run_id,
            metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
            params=[Param(name, str(value)) for name, value in item.spec.parameters.items()],
            tags=[RunTag("phase", item.status.phase.value), RunTag("reason", item.status.reason)],
        )
        # Last of all: a run that was cut short is exported again.
        client.set_tag(run.info.run_id, MARK, item.name)
        good = item.status.phase in (trial.TrialPhase.SUCCEEDED, trial.TrialPhase.STOPPED)
        client.set_terminated(run.info.run_id, "FINISHED" if good else "FAILED", end_time=now)
    return len(new)


def _milliseconds(moment: datetime.datetime | None) -> int | None:
    return int(moment.timestamp() * 1000) if moment else None
