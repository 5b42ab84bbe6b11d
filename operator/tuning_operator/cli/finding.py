"""A job as its report and its charts see it, wherever it is."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tuning_operator.api import errors
from tuning_operator.cli import locating, manifests
from tuning_operator.cli.status import Failure
from tuning_operator.cluster import trouble
from tuning_operator.report import objects, view, weights


class Lost(Exception):
    """The job cannot be found or read; the message says why and what to do."""


def look(name: str, *, namespace: str = "", state: Path | None = None) -> view.View:
    """The job as it is now, with the importance of its parameters; `name` as for `locating.Where`. Raises Lost."""
    try:
        seen = asyncio.run(_seen(locating.Where(name, namespace, "", state)))
    except errors.SpecError as error:
        raise Lost("\n".join(manifests.lines(name, error.problems))) from None
    except (Failure, trouble.Trouble) as problem:
        raise Lost(str(problem)) from None
    job = view.of(seen.snapshot, namespace=seen.namespace, created=seen.created)
    if job.importance:
        return job
    shares, note = weights.importance(job)
    return view.of(
        seen.snapshot, namespace=seen.namespace, created=seen.created, importance=shares, importance_note=note
    )


async def _seen(where: locating.Where) -> objects.Found:
    async with locating.source(where) as source:
        return await source.look()
