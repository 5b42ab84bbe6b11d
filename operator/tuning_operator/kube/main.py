"""`tuning-operator run`: the process in the operator's Pod.

Everything heavy is imported only when the operator itself starts. argparse, because typer would cost each operator
3 MiB for good.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import pathlib
import sys
from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser("tuning-operator", description="The tuning operator for Kubernetes.")
    commands = made.add_subparsers(dest="command", required=True)
    run = commands.add_parser(
        "run",
        help="Watch TuningJobs and run their trials as Pods.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    image = os.environ.get("TUNING_SIDECAR_IMAGE")
    run.add_argument(
        "--sidecar-image", default=image, required=not image, help="image of the metrics sidecar; $TUNING_SIDECAR_IMAGE"
    )
    run.add_argument("--sidecar-mode", choices=("auto", "native", "classic"), default="auto", help="native: 1.29 on")
    run.add_argument(
        "--sidecar-access", choices=("auto", "direct", "proxy"), default="auto", help="to the Pod, or by the API server"
    )
    run.add_argument("--namespace", action="append", default=[], help="namespace to watch; repeatable; none: all")
    run.add_argument(
        "--lease", type=_place, metavar="NAMESPACE/NAME", help="Lease that the one operator at work holds; none: alone"
    )
    run.add_argument("--identity", default=os.environ.get("POD_NAME"), help="holder's name in the Lease; $POD_NAME")
    run.add_argument(
        "--capacity",
        choices=("count", "ignore"),
        default="count",
        help="count: make Pods only when there is room; ignore: at once, so that a cluster autoscaler sees them wait",
    )
    run.add_argument(
        "--share", type=_share, action="append", default=[], metavar="NAMESPACE=WEIGHT", help="of the room; 1 if none"
    )
    run.add_argument("--port", type=int, default=8080, help="port of /healthz, /readyz and /metrics; 0 takes any")
    run.add_argument("--web", type=int, default=0, metavar="PORT", help="port of the page, on 127.0.0.1 alone; 0: none")
    run.add_argument("--web-host", action="append", default=[], help="name that the page goes by beside localhost")
    run.add_argument("--log-format", choices=("json", "text"), default="json", help="of the log")
    run.add_argument("--ready-file", type=pathlib.Path, help="file to touch when all caches are filled")
    return made


def _place(text: str) -> tuple[str, str]:
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAMESPACE/NAME, such as tuning-system/tuning-operator")
    return namespace, name


def _share(text: str) -> tuple[str, float]:
    namespace, _, weight = text.partition("=")
    try:
        share = float(weight)
    except ValueError:
        share = 0.0
    if not namespace or not 0 < share < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAMESPACE=WEIGHT with a weight above 0, such as team-a=2")
    return namespace, share


def run(given: argparse.Namespace) -> int:
    """Runs the operator until it is told to stop; answers the exit code."""
    from tuning_operator.kube import client, election, logs, operator

    logs.configure(given.log_format)
    options = operator.Options(
        sidecar_image=given.sidecar_image,
        sidecar_mode=given.sidecar_mode,
        sidecar_access=given.sidecar_access,
        namespaces=tuple(given.namespace),
        lease=election.Place(*given.lease) if given.lease else None,
        identity=given.identity or "",
        counts=given.capacity == "count",
        shares=dict(given.share),
        port=given.port,
        web_port=given.web,
        web_hosts=tuple(given.web_host),
        ready_file=given.ready_file,
    )
    try:
        asyncio.run(operator.run(options))
    except client.Unconfigured as error:
        logs.log.error(str(error))
        return 2
    except operator.Broken as error:
        logs.log.error(str(error), exc_info=error.__cause__)
        return 1
    return 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the console script."""
    sys.exit(run(parser().parse_args(arguments)))


if __name__ == "__main__":
    main()
