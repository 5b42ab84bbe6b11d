"""`tuning-operator run`: the process in the operator's Pod.

This module is imported again by the worker process that does the search, so everything heavy is imported only when
the operator itself starts.
"""

from __future__ import annotations

import asyncio
import pathlib
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

application = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The tuning operator for Kubernetes.",
)


@application.callback()
def root() -> None:
    """The tuning operator for Kubernetes."""


@application.command()
def run(
    sidecar_image: Annotated[str, typer.Option(envvar="TUNING_SIDECAR_IMAGE", help="Image of the metrics sidecar.")],
    sidecar_mode: Annotated[str, typer.Option(help="auto, native (Kubernetes 1.29 and newer) or classic.")] = "auto",
    sidecar_access: Annotated[str, typer.Option(help="auto, direct (to the Pod) or proxy (API server).")] = "auto",
    namespace: Annotated[list[str] | None, typer.Option(help="Namespace to watch; repeatable. Default: all.")] = None,
    port: Annotated[int, typer.Option(help="Port of /healthz, /readyz and /metrics; 0 takes any.")] = 8080,
    log_format: Annotated[str, typer.Option(help="json or text.")] = "json",
    ready_file: Annotated[pathlib.Path | None, typer.Option(help="File to touch when all caches are filled.")] = None,
) -> None:
    """Watch TuningJobs and run their trials as Pods."""
    from tuning_operator.kube import client, logs, operator

    _one_of("--log-format", log_format, "json", "text")
    _one_of("--sidecar-mode", sidecar_mode, "auto", "native", "classic")
    _one_of("--sidecar-access", sidecar_access, "auto", "direct", "proxy")
    logs.configure(log_format)
    options = operator.Options(
        sidecar_image=sidecar_image,
        sidecar_mode=sidecar_mode,
        sidecar_access=sidecar_access,
        namespaces=tuple(namespace or ()),
        port=port,
        ready_file=ready_file,
    )
    try:
        asyncio.run(operator.run(options))
    except client.Unconfigured as error:
        logs.log.error(str(error))
        raise typer.Exit(2) from None
    except operator.Broken as error:
        logs.log.error(str(error), exc_info=error.__cause__)
        raise typer.Exit(1) from None


def _one_of(option: str, given: str, *allowed: str) -> None:
    if given not in allowed:
        raise typer.BadParameter(f"{given!r} is none of {', '.join(allowed)}", param_hint=option)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the console script."""
    application(args=list(sys.argv[1:] if arguments is None else arguments))


if __name__ == "__main__":
    main()
