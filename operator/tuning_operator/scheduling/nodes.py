"""Which nodes a Pod may be put on, as the default scheduler decides it, and in words why not on the others."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator, Mapping
from typing import Any

from tuning_operator.scheduling import quantities
from tuning_operator.scheduling.pods import Placement, Requirement, Toleration
from tuning_operator.scheduling.quantities import Amounts

CORDON = "node.kubernetes.io/unschedulable"
AFFINITY = "the required node affinity"
NOT_READY = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


@dataclasses.dataclass(frozen=True, slots=True)
class Taint:
    """A taint that keeps Pods away."""

    key: str
    value: str
    effect: str

    def __str__(self) -> str:
        return f"{self.key}={self.value}" if self.value else self.key


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """What matters of a node; `allocatable` holds how many Pods it takes, too."""

    name: str
    labels: Mapping[str, str]
    taints: tuple[Taint, ...]
    allocatable: Amounts
    cordoned: bool = False
    ready: bool = True


class Bar(enum.IntEnum):
    """The kinds of reason for which a Pod may not be put on a node, in the order in which people hear of them."""

    TAINTED = 0
    UNMATCHED = 1
    CORDONED = 2
    NOT_READY = 3


def node(body: Mapping[str, Any]) -> Node:
    """A node as the API server has it. Total: what is missing counts as none."""
    spec, status = body.get("spec") or {}, body.get("status") or {}
    conditions = {item.get("type"): item.get("status") for item in status.get("conditions") or []}
    taints = (
        Taint(item.get("key") or "", item.get("value") or "", item.get("effect") or "")
        for item in spec.get("taints") or []
    )
    return Node(
        name=body["metadata"]["name"],
        labels=dict(body["metadata"].get("labels") or {}),
        taints=tuple(taint for taint in taints if taint.effect in ("NoSchedule", "NoExecute")),
        allocatable=quantities.amounts(status.get("allocatable")),
        cordoned=bool(spec.get("unschedulable")),
        ready=conditions.get("Ready") == "True",
    )


def bar(place: Node, wanted: Placement) -> tuple[Bar, str] | None:
    """Why a Pod may not be put on the node, whatever is free there; None if it may."""
    if not place.ready:
        return Bar.NOT_READY, ""
    if place.cordoned and not _tolerated(Taint(CORDON, "", "NoSchedule"), wanted.tolerations):
        return Bar.CORDONED, ""
    for key, value in wanted.selector:
        if place.labels.get(key) != value:
            return Bar.UNMATCHED, f"{key}={value}"
    if wanted.terms is not None and not any(_holds(place, term) for term in wanted.terms):
        return Bar.UNMATCHED, AFFINITY
    for taint in place.taints:
        if taint.key != CORDON and not _tolerated(taint, wanted.tolerations):
            return (Bar.NOT_READY, "") if taint.key in NOT_READY else (Bar.TAINTED, str(taint))
    return None


def _tolerated(taint: Taint, tolerations: tuple[Toleration, ...]) -> bool:
    return any(
        item.effect in ("", taint.effect)
        and (item.key == taint.key or (not item.key and item.operator == "Exists"))
        and (item.operator == "Exists" or item.value == taint.value)
        for item in tolerations
    )


def _holds(place: Node, term: tuple[Requirement, ...]) -> bool:
    """A term without expressions matches nothing, as Kubernetes has it."""
    return bool(term) and all(_matches(place, requirement) for requirement in term)


def _matches(place: Node, wanted: Requirement) -> bool:
    fields = {"metadata.name": place.name}
    found = (fields if wanted.field else place.labels).get(wanted.key)
    match wanted.operator:
        case "In":
            return found in wanted.values
        case "NotIn":
            return found not in wanted.values
        case "Exists":
            return found is not None
        case "DoesNotExist":
            return found is None
        case "Gt" | "Lt":
            return _compares(found, wanted)
        case _:
            return False


def _compares(found: str | None, wanted: Requirement) -> bool:
    try:
        left, right = int(found or ""), int(wanted.values[0])
    except (ValueError, IndexError):
        return False
    return left > right if wanted.operator == "Gt" else left < right


def describe(bars: Mapping[tuple[Bar, str], int], more: str = "") -> Iterator[str]:
    """How many nodes are out of the question, and why: one phrase for each reason. `more` stands before "node"."""
    for (kind, what), count in sorted(bars.items(), key=lambda item: (item[0][0], -item[1], item[0][1])):
        one = count == 1
        some = f"{count} {more}node{'' if one else 's'}"
        match kind:
            case Bar.TAINTED:
                yield f"{some} {'is' if one else 'are'} tainted {what}"
            case Bar.UNMATCHED if what == AFFINITY:
                yield f"{some} {'does' if one else 'do'} not match {what}"
            case Bar.UNMATCHED:
                yield f"{some} {'lacks' if one else 'lack'} the label {what}"
            case Bar.CORDONED:
                yield f"{some} {'is' if one else 'are'} cordoned"
            case Bar.NOT_READY:
                yield f"{some} {'is' if one else 'are'} not ready"
