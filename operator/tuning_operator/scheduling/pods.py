"""What a Pod asks of the cluster: how much, where, and what its namespace's quotas charge for it.

Counted as Kubernetes counts (k8s.io/component-helpers/resource, `PodRequests`): init containers run one after the other,
native sidecars beside all that come after them, a Pod's own requests stand above its containers', overhead on top.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from tuning_operator.scheduling import quantities
from tuning_operator.scheduling.quantities import Amounts

POD_LEVEL = ("cpu", "memory", "hugepages-")
"""Resources that may be asked for by the Pod as a whole."""

Pairs = tuple[tuple[str, int], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Toleration:
    """A toleration; empty fields match everything."""

    key: str
    operator: str
    value: str
    effect: str


@dataclasses.dataclass(frozen=True, slots=True)
class Requirement:
    """One expression of a node selector term. `field` tells that `key` is a field of the node and not a label."""

    key: str
    operator: str
    values: tuple[str, ...]
    field: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Placement:
    """Where a Pod may run."""

    selector: tuple[tuple[str, str], ...] = ()
    terms: tuple[tuple[Requirement, ...], ...] | None = None
    """Required node affinity: one of the terms has to hold as a whole; None where there is none."""
    tolerations: tuple[Toleration, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Need:
    """What one Pod takes, as a value that can be compared and kept."""

    requests: Pairs
    """By resource; one of `pods` is among them."""
    placement: Placement = Placement()
    charges: Pairs = ()
    """What quotas count, by their names, such as ``requests.cpu``."""
    priority: int = 0
    priority_class: str = ""
    terminating: bool = False
    """Whether it has an activeDeadlineSeconds, which scopes of quotas ask for."""


def requests(spec: Mapping[str, Any]) -> dict[str, int]:
    """What the scheduler reserves for a Pod of this spec, one of `pods` included."""
    return {**_amounts(spec, "requests"), quantities.PODS: 1}


def need(pod: Mapping[str, Any], defaults: Sequence[Mapping[str, Any]] = ()) -> Need:
    """The need of a Pod's manifest. `defaults` are the LimitRanges of its namespace, as objects."""
    spec = defaulted(pod.get("spec") or {}, defaults)
    wanted = requests(spec)
    return Need(
        requests=tuple(sorted((name, value) for name, value in wanted.items() if value > 0)),
        placement=_placement(spec),
        charges=tuple(sorted(_charges(wanted, _amounts(spec, "limits")).items())),
        priority=spec.get("priority") or 0,
        priority_class=spec.get("priorityClassName") or "",
        terminating=spec.get("activeDeadlineSeconds") is not None,
    )


def defaulted(spec: Mapping[str, Any], ranges: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The spec with the requests that the API server and the LimitRanges will add to it."""
    items = [
        item
        for limits in ranges
        for item in (limits.get("spec") or {}).get("limits") or []
        if item.get("type") == "Container"
    ]
    made = dict(spec)
    for place in ("containers", "initContainers"):
        made[place] = [_with_defaults(container, items) for container in spec.get(place) or []]
    return made


def _with_defaults(container: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    given = container.get("resources") or {}
    limits = dict(given.get("limits") or {})
    asked = {**limits, **(given.get("requests") or {})}
    for item in items:
        ceiling = item.get("default") or {}
        asked = {**ceiling, **(item.get("defaultRequest") or {}), **asked}
        limits = {**ceiling, **limits}
    return {**container, "resources": {**given, "requests": asked, "limits": limits}}


def _amounts(spec: Mapping[str, Any], kind: str) -> dict[str, int]:
    """The Pod's requests or limits over all of its containers."""

    def of(container: Mapping[str, Any]) -> Amounts:
        return quantities.amounts((container.get("resources") or {}).get(kind))

    running = quantities.total(of(container) for container in spec.get("containers") or [])
    beside: dict[str, int] = {}
    peak: dict[str, int] = {}
    for container in spec.get("initContainers") or []:
        own = of(container)
        if container.get("restartPolicy") == "Always":
            running, beside = quantities.total((running, own)), quantities.total((beside, own))
            peak = quantities.largest(peak, beside)
        else:
            peak = quantities.largest(peak, quantities.total((beside, own)))
    counted = quantities.largest(running, peak)
    whole = quantities.amounts((spec.get("resources") or {}).get(kind))
    counted |= {name: value for name, value in whole.items() if name.startswith(POD_LEVEL)}
    overhead = quantities.amounts(spec.get("overhead"))
    return quantities.total((counted, overhead)) if overhead else counted


def _placement(spec: Mapping[str, Any]) -> Placement:
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    return Placement(
        selector=tuple(sorted((spec.get("nodeSelector") or {}).items())),
        terms=None if affinity is None else tuple(map(_term, affinity.get("nodeSelectorTerms") or [])),
        tolerations=tuple(
            Toleration(
                item.get("key") or "",
                item.get("operator") or "Equal",
                item.get("value") or "",
                item.get("effect") or "",
            )
            for item in spec.get("tolerations") or []
        ),
    )


def _term(term: Mapping[str, Any]) -> tuple[Requirement, ...]:
    kinds = (("matchExpressions", False), ("matchFields", True))
    return tuple(
        Requirement(item["key"], item["operator"], tuple(item.get("values") or ()), field)
        for kind, field in kinds
        for item in term.get(kind) or []
    )


def _charges(wanted: Amounts, limits: Amounts) -> dict[str, int]:
    """What quotas count of a Pod (kubernetes.io/docs/concepts/policy/resource-quotas)."""
    charged = {"pods": 1, "count/pods": 1}
    for name, value in wanted.items():
        if name != quantities.PODS:
            charged[f"requests.{name}"] = value
        if name in ("cpu", "memory", "ephemeral-storage") or name.startswith("hugepages-"):
            charged[name] = value
    for name in ("cpu", "memory", "ephemeral-storage"):
        if name in limits:
            charged[f"limits.{name}"] = limits[name]
    return charged
