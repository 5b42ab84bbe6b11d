"""`tuningctl convert`: Experiments of Katib's become TuningJobs on standard output; what is to be told goes beside it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from tuning_operator.api.errors import Problem, SpecError
from tuning_operator.cli import manifests
from tuning_operator.katib import convert

CONVERTED, REFUSED = 0, 2


def run(sources: Sequence[str], output: str) -> int:
    """Convert every Experiment in every source; answers the exit status. Nothing is written unless all can be converted."""
    jobs: list[dict[str, Any]] = []
    results = [_convert(source, jobs) for source in sources]
    if not all(results):
        return REFUSED
    if output == "json":
        body = jobs[0] if len(jobs) == 1 else {"apiVersion": "v1", "kind": "List", "items": jobs}
        sys.stdout.write(json.dumps(body, indent=2) + "\n")
    else:
        sys.stdout.write("---\n".join(yaml.safe_dump(job, sort_keys=False, width=120) for job in jobs))
    sys.stdout.flush()
    return CONVERTED


def _convert(source: str, jobs: list[dict[str, Any]]) -> bool:
    """Appends what the source is converted to; answers whether all of it could be."""
    try:
        documents = manifests.read(source)
    except SpecError as error:
        return _tell(source, error.problems)
    maps = {}
    for document in documents:
        if isinstance(document, Mapping) and document.get("kind") == "ConfigMap":
            metadata = document.get("metadata") or {}
            maps[str(metadata.get("namespace") or ""), str(metadata.get("name") or "")] = document.get("data") or {}
    wanted = [one for one in documents if not (isinstance(one, Mapping) and one.get("kind") == "ConfigMap")]
    if not wanted:
        return _tell(source, (Problem("manifest", "there is no Experiment in it", "give one"),))
    fine = True
    for number, document in enumerate(wanted, 1):
        place = source if len(wanted) == 1 else f"{manifests.label(source)} (document {number})"
        try:
            done = convert.convert(document, maps)
        except SpecError as error:
            fine = _tell(place, error.problems)
        else:
            _tell(place, done.warnings, "warning: ")
            jobs.append(done.job)
    return fine


def _tell(place: str, problems: Sequence[Problem], kind: str = "") -> bool:
    """Writes problems to standard error; always False."""
    sys.stderr.writelines(f"{kind}{line}\n" for line in manifests.lines(place, tuple(problems)))
    return False
