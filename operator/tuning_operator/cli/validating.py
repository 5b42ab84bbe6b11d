"""`tuningctl validate`."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from tuning_operator.api.errors import SpecError
from tuning_operator.cli import manifests
from tuning_operator.tuner import admission


def run(sources: Sequence[str]) -> int:
    """Say of every document in every source whether it can be run; answers the exit status."""
    return max(_check(source) for source in sources)


def _check(source: str) -> int:
    try:
        documents = manifests.read(source)
    except SpecError as error:
        return _refuse(source, error)
    status = 0
    for number, document in enumerate(documents, 1):
        place = source if len(documents) == 1 else f"{manifests.label(source)} (document {number})"
        try:
            job = admission.admit(document)
        except SpecError as error:
            status = _refuse(place, error)
        else:
            typer.echo(f"{manifests.label(place)}: TuningJob {job.metadata.name} is valid")
    return status


def _refuse(place: str, error: SpecError) -> int:
    for line in manifests.lines(place, error.problems):
        typer.echo(line, err=True)
    return 2
