"""What a namespace's ResourceQuotas leave for one more Pod."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tuning_operator.scheduling import quantities
from tuning_operator.scheduling.pods import Need
from tuning_operator.scheduling.quantities import Amounts

BEST_EFFORT = ("requests.cpu", "requests.memory", "limits.cpu", "limits.memory")
"""A Pod that is charged for none of these has the quality of service BestEffort."""


@dataclasses.dataclass(frozen=True, slots=True)
class Scope:
    """Which Pods a quota counts: those of which `name` (and `operator` with `values`) holds."""

    name: str
    operator: str = "Exists"
    values: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Quota:
    """A ResourceQuota: what it allows in all and what is taken of it."""

    name: str
    hard: Amounts
    used: Amounts
    scopes: tuple[Scope, ...] = ()


def quota(body: Mapping[str, Any]) -> Quota:
    """A ResourceQuota as the API server has it; the status tells what is enforced."""
    spec, status = body.get("spec") or {}, body.get("status") or {}
    selected = (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    return Quota(
        name=body["metadata"]["name"],
        hard=quantities.amounts(status.get("hard") or spec.get("hard")),
        used=quantities.amounts(status.get("used")),
        scopes=(
            *(Scope(name) for name in spec.get("scopes") or []),
            *(Scope(item["scopeName"], item["operator"], tuple(item.get("values") or ())) for item in selected),
        ),
    )


def counts(one: Quota, need: Need) -> bool:
    """Whether the quota counts such a Pod."""
    return all(_within(scope, need) for scope in one.scopes)


def lacking(one: Quota, need: Need, taken: Amounts) -> Iterator[tuple[str, int, int]]:
    """What of the quota is too little for one more Pod beside what is `taken` already: resource, need, and what is left."""
    if not counts(one, need):
        return
    for name, value in need.charges:
        if name in one.hard and value > (left := one.hard[name] - taken.get(name, 0)):
            yield name, value, left


def describe(one: Quota, need: Need, taken: Amounts) -> str:
    """Why the quota takes no further Pod, for people."""
    parts = [
        f"{quantities.say(name, value)} {name}, {quantities.say(name, max(left, 0))} "
        f"of {quantities.say(name, one.hard[name])} left"
        for name, value, left in lacking(one, need, taken)
    ]
    return f"needs of the quota {one.name}: {'; '.join(parts)}" if parts else ""


def too_small(one: Quota, need: Need) -> bool:
    """Whether the quota would refuse the Pod if nothing else were there."""
    return any(True for _ in lacking(one, need, {}))


def _within(scope: Scope, need: Need) -> bool:
    match scope.name:
        case "Terminating":
            return need.terminating
        case "NotTerminating":
            return not need.terminating
        case "BestEffort":
            return _best_effort(need.charges)
        case "NotBestEffort":
            return not _best_effort(need.charges)
        case "PriorityClass":
            return _selected(scope, need.priority_class)
        case _:
            return False


def _best_effort(charges: Iterable[tuple[str, int]]) -> bool:
    return not any(name in BEST_EFFORT and value for name, value in charges)


def _selected(scope: Scope, value: str) -> bool:
    match scope.operator:
        case "In":
            return value in scope.values
        case "NotIn":
            return value not in scope.values
        case "DoesNotExist":
            return not value
        case _:
            return bool(value)
