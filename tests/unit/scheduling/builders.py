"""Nodes, Pods and demands for tests of the scheduler: each builder makes something sound, the test says what matters."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from tuning_operator.scheduling import cluster, nodes, pods, quotas, sharing

NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
GPU = "nvidia.com/gpu"


def amounts(**given: Any) -> dict[str, Any]:
    """Quantities by resource; ``gpu`` stands for `GPU`."""
    return {GPU if name == "gpu" else name: str(value) for name, value in given.items()}


def node(
    name: str = "a",
    *,
    labels: dict[str, str] | None = None,
    taints: Sequence[str] = (),
    ready: bool = True,
    cordoned: bool = False,
    **allocatable: Any,
) -> dict[str, Any]:
    """A node's body. A taint is written ``key=value:effect``."""
    given = {"cpu": 8, "memory": "32Gi", "pods": 110, **allocatable}
    split = [taint.replace("=", ":").split(":") for taint in taints]
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": {
            "taints": [{"key": key, "value": value, "effect": effect} for key, value, effect in split],
            **({"unschedulable": True} if cordoned else {}),
        },
        "status": {
            "allocatable": amounts(**given),
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def container(kind: str = "requests", **given: Any) -> dict[str, Any]:
    """A container that asks for so much."""
    return {"resources": {kind: amounts(**given)}}


def need(*, spec: dict[str, Any] | None = None, **given: Any) -> pods.Need:
    """The need of a Pod with one container; `spec` are further fields of its spec."""
    return pods.need({"spec": {"containers": [container(**given)], **(spec or {})}})


def tolerating(*keys: str) -> dict[str, Any]:
    """Fields of a Pod's spec that accept these taints."""
    return {"tolerations": [{"key": key, "operator": "Exists"} for key in keys]}


def world(*bodies: dict[str, Any]) -> cluster.Cluster:
    """A cluster of these nodes."""
    made = cluster.Cluster()
    for body in bodies:
        made.set_node(nodes.node(body))
    return made


def quota(name: str = "compute", used: dict[str, Any] | None = None, **hard: Any) -> quotas.Quota:
    """A quota; ``requests_cpu`` stands for ``requests.cpu``."""

    def named(given: dict[str, Any]) -> dict[str, str]:
        return {
            key.replace("requests_gpu", f"requests.{GPU}").replace("_", "."): str(value) for key, value in given.items()
        }

    return quotas.quota({"metadata": {"name": name}, "status": {"hard": named(hard), "used": named(used or {})}})


def demand(key: str = "job", wants: int = 1, *needs: pods.Need, **fields: Any) -> sharing.Demand:
    """A demand for trials of one shape, or of several that are named p0, p1 and so on."""
    shapes = tuple(sharing.Shape(f"p{index}", one) for index, one in enumerate(needs or (need(cpu=1),)))
    return sharing.Demand(**{"key": key, "namespace": "team", "shapes": shapes, "wants": wants, **fields})


def allocate(
    known: cluster.Cluster,
    *demands: sharing.Demand,
    limits: dict[str, list[quotas.Quota]] | None = None,
    policy: sharing.Policy = sharing.EQUAL,
    now: datetime.datetime = NOW,
) -> dict[str, sharing.Verdict]:
    """The verdicts of one round, by key."""
    verdicts = sharing.allocate(known.room(), known.total, limits or {}, demands, now, policy)
    return {str(key): verdict for key, verdict in verdicts.items()}
