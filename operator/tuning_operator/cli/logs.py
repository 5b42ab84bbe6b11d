"""`tuningctl logs`: what a trial printed, from its Pod while that is there, and the end of it as it was kept after that."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tuning_operator.api import template
from tuning_operator.cli import locating, trials
from tuning_operator.cli.status import Failure, Status
from tuning_operator.tuner import state

if TYPE_CHECKING:
    from tuning_operator.cluster import access

CHUNK = 1 << 16


async def logs(
    where: locating.Where, trial: str, attempt: int | None, follow: bool, tail: int | None, part: str
) -> int:
    """Writes the log of a trial's attempt: the newest one, unless another is named."""
    async with locating.source(where) as source:
        found = await source.look()
        item = trials.named(found.snapshot, trial)
        newest = item.status.attempts[-1].number if item.status.attempts else 0
        number = attempt or newest or 1
        if isinstance(source, locating.Local):
            return _local(source.home.attempt(item.number, number), item, tail)
        if isinstance(source, locating.Saved):
            return _kept(item, number, "a file holds no logs")
        chosen = part or str(template.trial_container(found.snapshot.job.spec.template)["name"])
        return await _remote(source.cluster, item, number, chosen, follow, tail)


async def _remote(
    cluster: access.Cluster, item: state.Trial, number: int, container: str, follow: bool, tail: int | None
) -> int:
    from tuning_operator.kube import names

    name = names.pod(item.name, number)
    if await cluster.pod(name) is None:
        return _kept(item, number, f"the Pod {name} is gone")
    async for piece in cluster.log(name, container, follow=follow, tail=tail):
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    return Status.DONE


def _kept(item: state.Trial, number: int, why: str) -> int:
    """Writes what was kept of a log that is gone."""
    recorded = next((one for one in item.status.attempts if one.number == number), None)
    message = (recorded.message if recorded else "") or item.status.message
    if not message:
        raise Failure(Status.ABSENT, f"{why}, and nothing of its log was kept")
    sys.stderr.write(f"{why}; the end of its log, as it was kept:\n")
    sys.stdout.write(f"{message}\n")
    sys.stdout.flush()
    return Status.DONE


def _local(place: Path, item: state.Trial, tail: int | None) -> int:
    files = [path for name in ("stdout.log", "stderr.log") if (path := place / name).is_file()]
    if not files:
        raise Failure(Status.ABSENT, f"{item.name} has no such attempt: there is no log in {place}")
    for path in files:
        with path.open("rb") as file:
            if tail is None:
                while piece := file.read(CHUNK):
                    sys.stdout.buffer.write(piece)
            else:
                lines = file.read().splitlines(keepends=True)
                sys.stdout.buffer.writelines(lines[-tail:] if tail else [])
    sys.stdout.buffer.flush()
    return Status.DONE
