"""A job as the view that is drawn, wherever it is."""

from __future__ import annotations

from tuning_operator.cli import locating
from tuning_operator.report import view, weights


async def look(where: locating.Where) -> view.View:
    """The job as it is now, with the importance of its parameters. Raises what `locating.source` raises."""
    async with locating.source(where) as source:
        seen = await source.look()
    job = view.of(seen.snapshot, namespace=seen.namespace, created=seen.created)
    if job.importance:
        return job
    shares, note = weights.importance(job)
    return view.of(
        seen.snapshot, namespace=seen.namespace, created=seen.created, importance=shares, importance_note=note
    )
