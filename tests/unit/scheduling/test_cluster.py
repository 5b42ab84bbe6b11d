"""Where a Pod fits, where it fits best, and in people's words why it fits nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.scheduling.builders import need, node, tolerating, world
from tuning_operator.scheduling import cluster, nodes, pods


def affinity(*terms: list[dict[str, Any]], fields: bool = False) -> dict[str, Any]:
    kind = "matchFields" if fields else "matchExpressions"
    required = {"nodeSelectorTerms": [{kind: term} for term in terms]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


ZONE = {"labels": {"zone": "b", "size": "4"}}


@pytest.mark.parametrize(
    ("spec", "place", "open_"),
    [
        pytest.param({}, {}, True, id="nothing in the way"),
        pytest.param({}, {"ready": False}, False, id="not ready"),
        pytest.param({}, {"cordoned": True}, False, id="cordoned"),
        pytest.param(tolerating(nodes.CORDON), {"cordoned": True}, True, id="cordon tolerated"),
        pytest.param({"nodeSelector": {"zone": "b"}}, ZONE, True, id="selected"),
        pytest.param({"nodeSelector": {"zone": "c"}}, ZONE, False, id="not selected"),
        pytest.param({}, {"taints": ["team=b:NoSchedule"]}, False, id="tainted"),
        pytest.param({}, {"taints": ["team=b:PreferNoSchedule"]}, True, id="a taint that only prefers"),
        pytest.param(tolerating("team"), {"taints": ["team=b:NoSchedule"]}, True, id="taint tolerated"),
        pytest.param(
            {"tolerations": [{"key": "team", "value": "c"}]}, {"taints": ["team=b:NoSchedule"]}, False, id="other value"
        ),
        pytest.param(
            {"tolerations": [{"key": "team", "value": "b"}]}, {"taints": ["team=b:NoSchedule"]}, True, id="same value"
        ),
        pytest.param(
            {"tolerations": [{"operator": "Exists"}]}, {"taints": ["team=b:NoExecute"]}, True, id="all tolerated"
        ),
        pytest.param(
            {"tolerations": [{"key": "team", "operator": "Exists", "effect": "NoSchedule"}]},
            {"taints": ["team=b:NoExecute"]},
            False,
            id="other effect",
        ),
        pytest.param(affinity([expression("zone", "In", "a", "b")]), ZONE, True, id="In"),
        pytest.param(affinity([expression("zone", "NotIn", "b")]), ZONE, False, id="NotIn"),
        pytest.param(affinity([expression("rack", "NotIn", "b")]), ZONE, True, id="NotIn without the label"),
        pytest.param(affinity([expression("zone", "Exists")]), ZONE, True, id="Exists"),
        pytest.param(affinity([expression("zone", "DoesNotExist")]), ZONE, False, id="DoesNotExist"),
        pytest.param(affinity([expression("size", "Gt", "3")]), ZONE, True, id="Gt"),
        pytest.param(affinity([expression("size", "Lt", "4")]), ZONE, False, id="Lt"),
        pytest.param(affinity([expression("zone", "Gt", "3")]), ZONE, False, id="Gt of no number"),
        pytest.param(
            affinity([expression("zone", "In", "x")], [expression("size", "In", "4")]), ZONE, True, id="one term of two"
        ),
        pytest.param(
            affinity([expression("zone", "In", "b"), expression("size", "In", "5")]), ZONE, False, id="half a term"
        ),
        pytest.param(affinity([expression("metadata.name", "In", "a")], fields=True), {}, True, id="by name"),
        pytest.param(affinity([]), ZONE, False, id="an empty term matches nothing"),
    ],
)
def test_nodes_are_open_as_the_default_scheduler_has_it(
    spec: dict[str, Any], place: dict[str, Any], open_: bool
) -> None:
    assert (world(node("a", **place)).room().find(need(spec=spec, cpu=1)) == "a") is open_


def test_the_best_node_is_the_one_on_which_least_is_left() -> None:
    known = world(node("large", cpu=16), node("small", cpu=4), node("middle", cpu=8))
    room = known.room()
    assert [room.place(need(cpu=3)) for _ in range(4)] == ["small", "middle", "middle", "large"]


def test_devices_that_a_pod_does_not_want_are_left_to_those_who_do() -> None:
    room = world(node("gpus", gpu=4, cpu=4), node("plain", cpu=64, memory="256Gi")).room()
    assert room.place(need(cpu=2)) == "plain"
    assert room.place(need(cpu=2, gpu=1)) == "gpus"


def test_what_a_round_gives_away_is_there_again_in_the_next() -> None:
    known = world(node("a", cpu=2))
    wanted = need(cpu=2)
    for _ in range(3):
        room = known.room()
        assert [room.place(wanted), room.place(wanted)] == ["a", None]


def test_pods_take_room_until_they_are_gone() -> None:
    known = world(node("a", cpu=2))
    wanted = need(cpu=2)
    known.set_pod("uid", "a", wanted.requests)
    known.set_pod("uid", "a", wanted.requests)
    assert known.room().find(wanted) is None
    known.drop_pod("uid")
    known.drop_pod("uid")
    assert known.room().find(wanted) == "a"


def test_pods_may_be_seen_before_their_node() -> None:
    known = world()
    wanted = need(cpu=2)
    known.set_pod("uid", "a", wanted.requests)
    known.set_node(nodes.node(node("a", cpu=3)))
    assert known.room().find(wanted) is None
    assert known.room().find(need(cpu=1)) == "a"


def test_nodes_that_change_are_looked_at_again() -> None:
    known = world(node("a", cpu=2))
    wanted = need(cpu=2)
    assert known.room().find(wanted) == "a"
    known.set_node(nodes.node(node("a", cpu=2, cordoned=True)))
    assert known.room().find(wanted) is None
    known.set_node(nodes.node(node("a", cpu=1)))
    assert known.room().find(wanted) is None
    known.set_node(nodes.node(node("a", cpu=4)))
    assert known.room().find(wanted) == "a"
    known.drop_node("a")
    assert known.room().find(wanted) is None
    assert known.total == dict.fromkeys(known.total, 0)


def test_as_many_pods_as_a_node_takes() -> None:
    room = world(node("a", pods=2)).room()
    assert [room.place(need()) for _ in range(3)] == ["a", "a", None]


GPUS = [node("a", gpu=4), node("b", gpu=4)]


def full(known: cluster.Cluster, name: str, **given: Any) -> None:
    known.set_pod(
        f"on-{name}", name, pods.need({"spec": {"containers": [{"resources": {"requests": given}}]}}).requests
    )


def shortage(
    *bodies: dict[str, Any], wanted: pods.Need, taken: dict[str, dict[str, Any]] | None = None
) -> cluster.Shortage:
    known = world(*bodies)
    for name, given in (taken or {}).items():
        full(known, name, **given)
    assert known.room().find(wanted) is None
    return known.room().shortage(wanted)


def test_a_shortage_is_told_as_people_would_tell_it() -> None:
    others = [node(name, gpu=8, taints=["gpu-team=b:NoSchedule"]) for name in "cde"]
    full_up = {name: {"nvidia.com/gpu": "4"} for name in "ab"}
    told = shortage(*GPUS, *others, wanted=need(gpu=1), taken=full_up)
    assert told == cluster.Shortage(
        "NodesFull",
        "needs 1 nvidia.com/gpu; 0 of 8 free on 2 nodes; 3 more nodes are tainted gpu-team=b",
    )


@pytest.mark.parametrize(
    ("bodies", "wanted", "message", "forever"),
    [
        pytest.param([], need(cpu=1), "needs 1 cpu; no node that could take it is open to it", True, id="no nodes"),
        pytest.param(
            [node("a")], need(gpu=1), "needs 1 nvidia.com/gpu; no node that is open to it has any", True, id="no device"
        ),
        pytest.param(
            [node("a", gpu=2), node("b", gpu=4)],
            need(gpu=8),
            "needs 8 nvidia.com/gpu; no node that is open to it has more than 4",
            True,
            id="too large for any",
        ),
        pytest.param(
            [node("a", gpu=2, cordoned=True)],
            need(gpu=1),
            "needs 1 nvidia.com/gpu; no node that could take it is open to it; 1 node is cordoned",
            False,
            id="cordoned",
        ),
        pytest.param(
            [node("a", ready=False), node("b", ready=False)],
            need(cpu=1),
            "needs 1 cpu; no node that could take it is open to it; 2 nodes are not ready",
            False,
            id="not ready",
        ),
        pytest.param(
            [node("a"), node("b", labels={"zone": "b"}, taints=["t=x:NoSchedule"])],
            need(spec={"nodeSelector": {"zone": "b"}}, cpu=1),
            "needs 1 cpu; no node that could take it is open to it; 1 node is tainted t=x; "
            "1 node lacks the label zone=b",
            True,
            id="label and taint",
        ),
        pytest.param(
            [node("a", cpu=1, memory="64Gi"), node("b", cpu=64, memory="1Gi")],
            need(cpu=4, memory="4Gi"),
            "needs 4 cpu and 4Gi memory on one node; none has all of it free at once",
            True,
            id="never together",
        ),
    ],
)
def test_what_can_never_be_is_told_from_what_is_only_full(
    bodies: list[dict[str, Any]], wanted: pods.Need, message: str, forever: bool
) -> None:
    told = shortage(*bodies, wanted=wanted)
    assert (told.message, told.forever) == (message, forever)
    assert told.reason == ("FitsNoNode" if forever else "NodesFull")


def test_room_in_small_pieces_is_told_from_no_room() -> None:
    told = shortage(*GPUS, wanted=need(gpu=3), taken={name: {"nvidia.com/gpu": "2"} for name in "ab"})
    assert told.message == "needs 3 nvidia.com/gpu; 4 of 8 free on 2 nodes, at most 2 on one"
