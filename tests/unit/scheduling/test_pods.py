"""A Pod's need is what the scheduler will reserve for it, and what quotas will charge."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.scheduling.builders import GPU, amounts, container
from tuning_operator.scheduling import pods

GI = 2**30


@pytest.mark.parametrize(
    ("spec", "cpu", "memory"),
    [
        pytest.param({"containers": [container(cpu=1), container(cpu=2)]}, 3000, 0, id="containers add up"),
        pytest.param(
            {"containers": [container(cpu=1, memory="1Gi")], "initContainers": [container(cpu=4), container(cpu=2)]},
            4000,
            GI,
            id="init containers run one after the other",
        ),
        pytest.param(
            {
                "containers": [container(cpu=1)],
                "initContainers": [{**container(cpu=1), "restartPolicy": "Always"}, container(cpu=3)],
            },
            4000,
            0,
            id="a native sidecar runs beside the init containers after it",
        ),
        pytest.param(
            {
                "containers": [container(cpu=2)],
                "initContainers": [container(cpu=2), {**container(cpu=1), "restartPolicy": "Always"}],
            },
            3000,
            0,
            id="a native sidecar runs beside the containers",
        ),
        pytest.param({"containers": [container("limits", cpu=2)]}, 2000, 0, id="limits stand for missing requests"),
        pytest.param(
            {"containers": [container(cpu=1)], "overhead": amounts(cpu="250m", memory="1Gi")},
            1250,
            GI,
            id="overhead is added",
        ),
        pytest.param(
            {"containers": [container(cpu=1, memory="1Gi")], "resources": {"requests": amounts(cpu=6)}},
            6000,
            GI,
            id="the Pod's own requests stand above its containers'",
        ),
    ],
)
def test_requests_are_counted_as_kubernetes_counts_them(spec: dict[str, Any], cpu: int, memory: int) -> None:
    found = dict(pods.need({"spec": spec}).requests)
    assert (found.get("cpu", 0), found.get("memory", 0), found["pods"]) == (cpu, memory, 1)


def test_limit_ranges_fill_in_what_a_container_does_not_say() -> None:
    ranges = [
        {
            "spec": {
                "limits": [
                    {"type": "Container", "default": amounts(cpu=2, memory="4Gi"), "defaultRequest": amounts(cpu=1)},
                    {"type": "Pod", "max": amounts(cpu=16)},
                ]
            }
        }
    ]
    need = pods.need({"spec": {"containers": [container(), container(cpu=3)]}}, ranges)
    assert dict(need.requests) == {"cpu": 4000, "memory": 8 * GI, "pods": 1}
    assert dict(need.charges)["limits.cpu"] == 4000


def test_quotas_charge_requests_limits_devices_and_the_pod_itself() -> None:
    need = pods.need({"spec": {"containers": [container("limits", cpu=2, memory="1Gi", gpu=1)]}})
    assert dict(need.charges) == {
        "pods": 1,
        "count/pods": 1,
        "cpu": 2000,
        "requests.cpu": 2000,
        "limits.cpu": 2000,
        "memory": GI,
        "requests.memory": GI,
        "limits.memory": GI,
        f"requests.{GPU}": 1,
    }


def test_pods_that_ask_for_the_same_have_the_same_need() -> None:
    one = {"spec": {"containers": [container(cpu=1)], "nodeSelector": {"a": "b", "c": "d"}}}
    other = {"spec": {"containers": [container(cpu="1000m")], "nodeSelector": {"c": "d", "a": "b"}}}
    assert pods.need(one) == pods.need(other)
    assert hash(pods.need(one)) == hash(pods.need(other))
