"""The commands of `tuningctl`.

The search's worker process imports this module again, and `--help` should answer at once: whatever is heavy is
imported by the command that needs it.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

import tuning_operator
from tuning_operator.cli import commands

application = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
application.add_typer(commands.jobs)


class Format(enum.StrEnum):
    """How the result is written."""

    JSON = "json"
    YAML = "yaml"


@application.callback()
def root() -> None:
    """Tune hyperparameters on Kubernetes, or on this machine from the same manifest."""


@application.command()
def run(
    manifest: Annotated[str, typer.Argument(help="File with one TuningJob, or - for standard input.")],
    state: Annotated[
        Path | None, typer.Option(help="Where jobs are kept. Default: .tuning in the manifest's folder.")
    ] = None,
    parallel: Annotated[
        int | None,
        typer.Option(
            min=1, max=1000, help="Trials at a time. Default: limits.parallelTrials, at most one a processor."
        ),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what earlier runs of this job have found.")] = False,
    output: Annotated[
        Format | None,
        typer.Option("--output", "-o", help="Write the result as a document; progress goes to standard error."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="With --output: all trials, not only the best.")] = False,
    web: Annotated[bool, typer.Option("--web", help="Show it in a browser as well, on this machine alone.")] = False,
) -> None:
    """Run a TuningJob with processes on this machine.

    Each trial is a process that runs the container's command. It finds its parameters in HP_<name> and writes its
    metrics to the file that TUNING_METRICS_FILE names. It runs in a folder of its own; words of the command that name
    files beside the manifest become their full paths, and TUNING_JOB_DIR is that folder.

    Ctrl-C stops the trials. Running the same manifest again goes on where the job was left.

    Exit status: 0 complete, 1 failed, 2 the manifest or an option is wrong, 130 interrupted.
    """
    from tuning_operator.cli import running

    request = running.Request(manifest, state, parallel, fresh, output.value if output else "", everything, web)
    raise typer.Exit(running.run(request))


@application.command()
def validate(
    manifests: Annotated[list[str], typer.Argument(help="Files with TuningJobs, or - for standard input.")],
) -> None:
    """Check TuningJobs without a cluster, in the same words as the operator.

    Exit status: 0 all can be run, 2 some cannot.
    """
    from tuning_operator.cli import validating

    raise typer.Exit(validating.run(manifests))


@application.command()
def convert(
    manifests: Annotated[list[str], typer.Argument(help="Files with Experiments of Katib's, or - for standard input.")],
    output: Annotated[Format, typer.Option("--output", "-o", help="How the TuningJobs are written.")] = Format.YAML,
) -> None:
    """Turn Katib's Experiments into TuningJobs of the same meaning.

    The jobs go to standard output. What they do in another way is told on standard error as a warning, and what has no
    equivalent as an error, each with its field. A ConfigMap that holds a trial's template may stand in the same file.

    Exit status: 0 all were converted, 2 some could not be, and nothing was written.
    """
    from tuning_operator.cli import converting

    raise typer.Exit(converting.run(manifests, output.value))


@application.command()
def report(
    job: Annotated[
        str,
        typer.Argument(
            help="A manifest that was run here, its folder, a file from kubectl get -o yaml, or a job's name."
        ),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", help="The file to write; - is standard output. Default: NAME.html.")
    ] = "",
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Look on the cluster, in this namespace.")] = "",
    context: Annotated[str, typer.Option("--context", help="Look on the cluster of this kubeconfig context.")] = "",
    state: Annotated[Path | None, typer.Option(help="Where local jobs are kept. Default: .tuning.")] = None,
) -> None:
    """Write a job's report: one HTML file with charts, tables and no need of a network.

    Exit status: 0 written, 1 it could not be written, 2 an option or a file makes no sense, 3 there is no such job.
    """
    from tuning_operator.cli import locating, reporting, status

    where = locating.Where(job, namespace, context, state)
    raise typer.Exit(status.run(lambda: reporting.report(where, output)))


@application.command()
def web(
    state: Annotated[Path, typer.Option(help="Where local jobs are kept.")] = Path(".tuning"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0 takes any.")] = 8088,
) -> None:
    """Show the jobs that were run here, or are being run, in a browser.

    The page is read-only, and for this machine alone. The operator has the same one for the cluster's jobs.

    Exit status: 0 ended by Ctrl-C, 1 the port is taken, 2 there is no such folder.
    """
    from tuning_operator.cli import serving

    raise typer.Exit(serving.run(state, port))


@application.command()
def plot(
    job: Annotated[str, typer.Argument(help="A job, named as for report.")],
    chart: Annotated[
        list[str] | None,
        typer.Option(
            "--chart", "-c", help="history, front, curves, importance, parallel, slices or timeline; repeatable."
        ),
    ] = None,
    output: Annotated[
        str,
        typer.Option("--output", "-o", help="A folder for PNG files of all charts, or a .png or .svg file for one."),
    ] = "",
    dark: Annotated[bool, typer.Option("--dark", help="Light on dark.")] = False,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Look on the cluster, in this namespace.")] = "",
    context: Annotated[str, typer.Option("--context", help="Look on the cluster of this kubeconfig context.")] = "",
    state: Annotated[Path | None, typer.Option(help="Where local jobs are kept. Default: .tuning.")] = None,
) -> None:
    """Draw a job's charts into files, or a small one in the terminal.

    Exit status: 0 drawn, 1 there is nothing to draw or it could not be written, 2 there is no such chart, 3 no such job.
    """
    from tuning_operator.cli import locating, plotting, status

    where = locating.Where(job, namespace, context, state)
    raise typer.Exit(status.run(lambda: plotting.plot(where, chart or [], output, dark)))


@application.command()
def simulate(
    job: Annotated[str, typer.Argument(help="A job, named as for report.")],
    rule: Annotated[
        list[str] | None, typer.Option("--rule", "-r", help="A stopping rule; repeatable. Default: the usual ones.")
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the rule, such as reduction_factor=4; repeatable.")
    ] = None,
    max_steps: Annotated[float | None, typer.Option(help="maxSteps. Default: the longest trial's last step.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Trials at a time. Default: limits.parallelTrials.")
    ] = None,
    start_seconds: Annotated[float, typer.Option(min=0, help="How long a trial takes until its process runs.")] = 0.0,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Look on the cluster, in this namespace.")] = "",
    state: Annotated[Path | None, typer.Option(help="Where local jobs are kept. Default: .tuning.")] = None,
) -> None:
    """Try stopping rules on the curves of a finished job.

    Nothing is run: each trial that came to its end reports in virtual time what it has reported before, and the same
    tuner decides. The table says how long the job would have taken under each rule, and what it would have found.

    Exit status: 0 simulated, 1 the job has no curves to do it with, 2 there is no such job or rule.
    """
    from tuning_operator.cli import simulating

    raise typer.Exit(
        simulating.run(job, rule or [], setting or [], max_steps, workers, start_seconds, namespace, state)
    )


@application.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"tuningctl {tuning_operator.__version__}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the console script."""
    application(args=list(sys.argv[1:] if arguments is None else arguments), prog_name="tuningctl")


def kubectl() -> None:
    """Entry point of the plugin of kubectl's."""
    application(args=sys.argv[1:], prog_name="kubectl tuning")


if __name__ == "__main__":
    main()
