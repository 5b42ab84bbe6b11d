"""What the job has used, by profile: time, processors and accelerators, and how much of it went into trials that failed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tuning_operator.api import template
from tuning_operator.api.trial import TrialPhase
from tuning_operator.report import view, wording

SUFFIXES = {
    "m": 1e-3,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
    "Ti": 2.0**40,
}
HEAD = (
    "Profile",
    "Trials",
    "Ran",
    "Waited",
    "CPU hours",
    "Accelerator hours",
    "Cost",
    "Spent on trials that gave no value",
)


def table(job: view.View) -> list[tuple[str, ...]]:
    """Rows under HEAD, and one for all where there are several. Cost is the
    measure of that name: seconds times the profile's cost."""
    groups: dict[str, list[view.Row]] = {}
    for row in job.rows:
        groups.setdefault(row.profile, []).append(row)
    lines = [_line(job, name, rows) for name, rows in groups.items()]
    if len(lines) < 2:
        return [_texts(line) for line in lines]
    sums = [sum(line[index] for line in lines) for index in range(1, len(HEAD))]
    return [_texts(line) for line in (*lines, ("all", *sums))]


def _line(job: view.View, name: str, rows: list[view.Row]) -> tuple[Any, ...]:
    resources = _resources(job, name)
    ran = sum(row.ran for row in rows)
    waited = sum(max(0.0, (row.start if row.start is not None else row.created) - row.created) for row in rows)
    lost = sum(
        row.ran if row.phase is TrialPhase.FAILED else sum(span.end - span.start for span in row.spans[:-1])
        for row in rows
    )
    accelerators = sum(amount(value) for key, value in resources.items() if "/" in key)
    return (
        name or "trials",
        len(rows),
        ran,
        waited,
        ran / 3600 * amount(resources.get("cpu", 0)),
        ran / 3600 * accelerators,
        ran * next((one.cost for one in job.spec.profiles if one.name == name), 0.0),
        lost,
    )


def _texts(line: tuple[Any, ...]) -> tuple[str, ...]:
    name, count, ran, waited, processors, accelerators, price, lost = line
    share = f"{wording.elapsed(lost)} ({100 * lost / ran:.0f} %)" if ran and lost else "none"
    hours = [wording.figure(value, 3) if value else wording.NOTHING for value in (processors, accelerators, price)]
    return name, f"{count:,}", wording.elapsed(ran), wording.elapsed(waited), *hours, share


def _resources(job: view.View, profile: str) -> Mapping[str, Any]:
    """What one trial takes: the profile's requests, or else its limits, or else those of the template's container."""
    found = next((one.resources for one in job.spec.profiles if one.name == profile), None)
    if found is not None:
        return {**found.limits, **found.requests}
    given = template.trial_container(job.spec.template).get("resources") or {}
    return {**(given.get("limits") or {}), **(given.get("requests") or {})}


def amount(quantity: Any) -> float:
    """A quantity of Kubernetes as a number: 500m is 0.5. What cannot be read is 0."""
    match = re.fullmatch(r"\s*([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)\s*", str(quantity))
    if match is None or (match[2] and match[2] not in SUFFIXES):
        return 0.0
    try:
        return float(match[1]) * SUFFIXES.get(match[2], 1.0)
    except ValueError:
        return 0.0
