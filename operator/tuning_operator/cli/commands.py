"""The commands about jobs, on a cluster or of this machine. Whatever is heavy is imported by the command that runs."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Any

import typer

from tuning_operator.cli import completing


class Listing(enum.StrEnum):
    """How jobs are listed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


class Rows(enum.StrEnum):
    """How trials are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    YAML = "yaml"
    PARQUET = "parquet"


class Configuration(enum.StrEnum):
    """How a configuration is written."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"
    ENV = "env"
    ARGS = "args"


class Comparison(enum.StrEnum):
    """How a comparison is written."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


class Target(enum.StrEnum):
    """Where trials are exported to."""

    CSV = "csv"
    OPTUNA = "optuna"
    MLFLOW = "mlflow"


Job = Annotated[
    str,
    typer.Argument(
        help="A job's name (or NAMESPACE/NAME), or the manifest or folder of one that was run here.",
        autocompletion=completing.jobs,
    ),
]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace. Default: the context's.")]
Context = Annotated[
    str, typer.Option(help="Context of the kubeconfig. Default: the current one.", autocompletion=completing.contexts)
]
State = Annotated[Path | None, typer.Option(help="Where jobs of this machine are kept. Default: .tuning.")]
Wait = Annotated[bool, typer.Option("--wait", "-w", help="Wait until it is done; show progress.")]
Timeout = Annotated[str, typer.Option(help="The longest time to wait, such as 30m. Exit status 6 when it is over.")]

jobs = typer.Typer()


@jobs.command()
def create(
    manifests: Annotated[list[str], typer.Argument(help="Files with TuningJobs, or - for standard input.")],
    name: Annotated[str, typer.Option(help="Another name for the job.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Let the cluster check it, and create nothing.")] = False,
    wait: Wait = False,
    timeout: Timeout = "",
    namespace: Namespace = "",
    context: Context = "",
) -> None:
    """Create jobs on a cluster, once their manifests have been checked.

    With --wait the exit status is the job's: 0 complete, 1 failed.
    """
    from tuning_operator.cli import changing, status

    _finish(status.run(lambda: changing.create(manifests, namespace, context, name, dry_run, _patience(wait, timeout))))


@jobs.command("list")
def list_(
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of all namespaces.")] = False,
    local: Annotated[Path | None, typer.Option(help="Jobs of this machine in this folder, such as .tuning.")] = None,
    output: Annotated[Listing, typer.Option("--output", "-o", help="How they are written.")] = Listing.TABLE,
    namespace: Namespace = "",
    context: Context = "",
) -> None:
    """List jobs: how far they are, their best value, and what they wait for."""
    from tuning_operator.cli import looking, status

    _finish(status.run(lambda: looking.jobs(namespace, context, everywhere, local, output.value)))


@jobs.command()
def describe(job: Job, namespace: Namespace = "", context: Context = "", state: State = None) -> None:
    """Tell all about a job: conditions, what it waits for, its last trials, Events."""
    from tuning_operator.cli import looking, status

    _finish(status.run(lambda: looking.describe(_where(job, namespace, context, state))))


@jobs.command()
def watch(
    job: Job, timeout: Timeout = "", namespace: Namespace = "", context: Context = "", state: State = None
) -> None:
    """Watch a job until it is finished: progress, the best so far, and why it waits.

    Exit status: 0 complete, 1 failed. Ctrl-C ends the watch, not the job.
    """
    from tuning_operator.cli import status, watching

    longest = _patience(True, timeout).timeout
    _finish(status.run(lambda: watching.watch(_where(job, namespace, context, state), longest)))


@jobs.command()
def best(
    job: Job,
    output: Annotated[
        Configuration,
        typer.Option("--output", "-o", help="env: HP_name=value lines for a shell; args: --name=value for a command."),
    ] = Configuration.TEXT,
    namespace: Namespace = "",
    context: Context = "",
    state: State = None,
) -> None:
    """Print the best configuration. Exit status 1 while no trial has succeeded."""
    from tuning_operator.cli import looking, status

    _finish(status.run(lambda: looking.best(_where(job, namespace, context, state), output.value)))


@jobs.command()
def trials(
    job: Job,
    sort: Annotated[str, typer.Option(help="Column to sort by; best puts the best objective first.")] = "trial",
    reverse: Annotated[bool, typer.Option("--reverse", "-r", help="The other way round.")] = False,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="Only trials with, such as phase=Failed, accuracy>0.9, kernel~rb; repeatable."),
    ] = None,
    top: Annotated[int | None, typer.Option(min=1, help="So many at most.")] = None,
    output: Annotated[Rows, typer.Option("--output", "-o", help="How they are written.")] = Rows.TABLE,
    file: Annotated[str, typer.Option("--file", "-f", help="Write into this file.")] = "",
    namespace: Namespace = "",
    context: Context = "",
    state: State = None,
) -> None:
    """List a job's trials."""
    from tuning_operator.cli import looking, status

    place = _where(job, namespace, context, state)
    _finish(status.run(lambda: looking.rows(place, sort, reverse, where or [], top, output.value, file)))


@jobs.command()
def compare(
    names: Annotated[list[str], typer.Argument(metavar="JOB[:TRIAL]...", help="Trials; of a job alone the best one.")],
    output: Annotated[Comparison, typer.Option("--output", "-o", help="How it is written.")] = Comparison.TABLE,
    namespace: Namespace = "",
    context: Context = "",
    state: State = None,
) -> None:
    """Put trials side by side, also of several jobs. What differs has a star."""
    from tuning_operator.cli import looking, status

    _finish(status.run(lambda: looking.compare(names, namespace, context, state, output.value)))


@jobs.command()
def logs(
    job: Job,
    trial: Annotated[str, typer.Argument(help="Number or name of the trial, or best.")] = "best",
    attempt: Annotated[int | None, typer.Option(min=1, help="Number of the attempt. Default: the newest.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on while the trial runs.")] = False,
    tail: Annotated[int | None, typer.Option(min=0, help="Only so many lines of the end.")] = None,
    container: Annotated[str, typer.Option("--container", "-c", help="Another container of the Pod.")] = "",
    namespace: Namespace = "",
    context: Context = "",
    state: State = None,
) -> None:
    """Print what a trial has printed. When its Pod is gone, what was kept of it."""
    from tuning_operator.cli import logs as logging
    from tuning_operator.cli import status

    place = _where(job, namespace, context, state)
    _finish(status.run(lambda: logging.logs(place, trial, attempt, follow, tail, container)))


@jobs.command()
def suspend(
    job: Job, wait: Wait = False, timeout: Timeout = "", namespace: Namespace = "", context: Context = ""
) -> None:
    """Let no trial run for now. Running ones are stopped, and start again when the job is resumed."""
    from tuning_operator.cli import changing, status

    place = _where(job, namespace, context)
    _finish(status.run(lambda: changing.suspend(place, _patience(wait, timeout))))


@jobs.command()
def resume(
    job: Job, wait: Wait = False, timeout: Timeout = "", namespace: Namespace = "", context: Context = ""
) -> None:
    """Go on with a job that was suspended or stopped."""
    from tuning_operator.cli import changing, status

    place = _where(job, namespace, context)
    _finish(status.run(lambda: changing.resume(place, _patience(wait, timeout))))


@jobs.command()
def stop(job: Job, wait: Wait = False, timeout: Timeout = "", namespace: Namespace = "", context: Context = "") -> None:
    """End a job now: running trials are stopped, and it is complete with what it has found."""
    from tuning_operator.cli import changing, status

    place = _where(job, namespace, context)
    _finish(status.run(lambda: changing.stop(place, _patience(wait, timeout))))


@jobs.command()
def extend(
    job: Job,
    more: Annotated[int | None, typer.Option("--trials", min=1, help="So many trials more.")] = None,
    max_trials: Annotated[int | None, typer.Option(min=1, help="So many trials in all.")] = None,
    duration: Annotated[str, typer.Option(help="The new limits.maxDuration, such as 4h.")] = "",
    failures: Annotated[int | None, typer.Option(min=0, help="The new limits.maxFailedTrials.")] = None,
    parallel: Annotated[int | None, typer.Option(min=1, help="The new limits.parallelTrials.")] = None,
    wait: Wait = False,
    timeout: Timeout = "",
    namespace: Namespace = "",
    context: Context = "",
) -> None:
    """Give a job more, also one that is finished: it goes on from what it has learned."""
    from tuning_operator.cli import changing, extending, status

    wish = extending.Wish(more, max_trials, duration, failures, parallel)
    place = _where(job, namespace, context)
    _finish(status.run(lambda: changing.extend(place, wish, _patience(wait, timeout))))


@jobs.command()
def rerun(
    job: Job,
    trial: Annotated[str, typer.Option(help="Number or name of the trial, or best.")] = "best",
    times: Annotated[int, typer.Option(min=1, max=1000, help="How often; each time with another HP_seed, from 0.")] = 5,
    name: Annotated[str, typer.Option(help="Name of the new job.")] = "",
    show: Annotated[bool, typer.Option("--print", help="Write the new job to standard output instead.")] = False,
    wait: Wait = False,
    timeout: Timeout = "",
    namespace: Namespace = "",
    context: Context = "",
    state: State = None,
) -> None:
    """Run a configuration again with several seeds, as a job of its own. For a job of this machine it is written out."""
    from tuning_operator.cli import changing, status

    place = _where(job, namespace, context, state)
    _finish(status.run(lambda: changing.rerun(place, trial, times, name, show, _patience(wait, timeout))))


@jobs.command()
def export(
    job: Job,
    to: Annotated[Target, typer.Option(help="csv, an Optuna storage, or an MLflow tracking server or folder.")],
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", help="File (csv), storage URL or file (optuna), tracking URI or folder (mlflow)."
        ),
    ],
    namespace: Namespace = "",
    context: Context = "",
    state: State = None,
) -> None:
    """Hand a job's trials over to another tool. Doing it again adds only what is new."""
    from tuning_operator.cli import exporting, status

    _finish(status.run(lambda: exporting.export(_where(job, namespace, context, state), to.value, output)))


def _where(job: str, namespace: str, context: str, state: Path | None = None) -> Any:
    from tuning_operator.cli import locating

    return locating.Where(job, namespace, context, state)


def _patience(wait: bool, timeout: str) -> Any:
    from tuning_operator.api import base
    from tuning_operator.cli import changing, status

    if timeout:
        try:
            base.parse_duration(timeout)
        except ValueError as error:
            raise typer.Exit(status.complain(f"--timeout: {error}", status.Status.REFUSED)) from None
    return changing.Patience(wait, timeout)


def _finish(code: int) -> None:
    raise typer.Exit(code)
