"""Whether a manifest can be run at all, asked before anything is made. The cluster, the local runtime and
`tuningctl validate` ask the same question and give the same answer."""

from __future__ import annotations

from typing import Any

from tuning_operator.api import errors, job, manifest
from tuning_operator.search import suggest
from tuning_operator.stopping import check
from tuning_operator.tuner import warm


def admit(document: Any) -> manifest.Job:
    """The manifest as a job that can be run. Raises SpecError with every problem."""
    parsed = manifest.parse(document)
    found = [*warm.problems(parsed.metadata.name, parsed.spec), *suggest.check(parsed.spec), *check.check(parsed.spec)]
    if found:
        raise errors.SpecError(found)
    return parsed


def inspect(document: Any) -> tuple[job.JobSpec | None, tuple[errors.Problem, ...]]:
    """The spec (None if it cannot be run) and why; for a worker process, as looking for feasible points takes time."""
    try:
        return admit(document).spec, ()
    except errors.SpecError as refusal:
        return None, refusal.problems
