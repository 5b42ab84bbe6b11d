"""Whose turn it is: fair shares, priority, quotas, fallback, and nobody waits for ever."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from tests.unit.scheduling.builders import GPU, NOW, allocate, demand, need, node, quota, world
from tuning_operator.scheduling import pods, quotas, sharing


def granted(verdicts: dict[str, sharing.Verdict]) -> dict[str, int]:
    return {key: len(verdict.grants) for key, verdict in verdicts.items()}


def ago(**time: Any) -> datetime.datetime:
    return NOW - datetime.timedelta(**time)


def holding(wanted: pods.Need, runs: int) -> dict[str, Any]:
    return {"runs": runs, "holds": {name: value * runs for name, value in wanted.requests}}


ONE = need(cpu=1)


@pytest.mark.parametrize(
    ("demands", "expected"),
    [
        pytest.param([demand("a", 8), demand("b", 8)], {"a": 4, "b": 4}, id="equal shares"),
        pytest.param([demand("a", 2), demand("b", 8)], {"a": 2, "b": 6}, id="what one does not want is the other's"),
        pytest.param([demand("a", 8, weight=3.0), demand("b", 8)], {"a": 6, "b": 2}, id="by weight"),
        pytest.param([demand("a", 8, **holding(ONE, 6)), demand("b", 8)], {"a": 1, "b": 7}, id="less to whoever has"),
        pytest.param(
            [demand("a", 8), demand("b", 8, need(cpu=1, spec={"priority": 10}))], {"a": 0, "b": 8}, id="priority"
        ),
        pytest.param([demand("a", 8, base=2), demand("b", 8, base=6)], {"a": 2, "b": 6}, id="what is due comes first"),
        pytest.param(
            [demand("a", 8, namespace="x"), demand("b", 8, namespace="x"), demand("c", 8, namespace="y")],
            {"a": 2, "b": 2, "c": 4},
            id="namespaces share first",
        ),
    ],
)
def test_room_is_shared(demands: list[sharing.Demand], expected: dict[str, int]) -> None:
    assert granted(allocate(world(node("a", cpu=8)), *demands)) == expected


def test_namespaces_have_the_weights_that_the_administrator_gave_them() -> None:
    policy = sharing.Policy(weights={"x": 3.0})
    demands = [demand("a", 8, namespace="x"), demand("b", 8, namespace="y")]
    assert granted(allocate(world(node("a", cpu=8)), *demands, policy=policy)) == {"a": 6, "b": 2}


def test_the_dominant_resource_counts() -> None:
    # The example of the paper: 9 processors and 18 GiB; A's trials take <1, 4 GiB>, B's <3, 1 GiB>: 3 and 2 fit.
    known = world(node("a", cpu=9, memory="18Gi"))
    demands = [demand("a", 9, need(cpu=1, memory="4Gi")), demand("b", 9, need(cpu=3, memory="1Gi"))]
    assert granted(allocate(known, *demands)) == {"a": 3, "b": 2}


def test_the_first_profile_that_fits_is_taken() -> None:
    known = world(node("a", gpu=1), node("b", cpu=2))
    (verdict,) = allocate(known, demand("job", 4, need(gpu=1, cpu=4), need(cpu=2))).values()
    assert [(grant.profile, grant.node) for grant in verdict.grants] == [
        ("p0", "a"),
        ("p1", "b"),
        ("p1", "a"),
        ("p1", "a"),
    ]


def test_a_profile_is_waited_for_before_the_next_one_is_taken() -> None:
    shapes = (
        sharing.Shape("gpu", need(gpu=1)),
        sharing.Shape("cpu", need(cpu=1), after=datetime.timedelta(minutes=5)),
    )
    known = world(node("a"))
    early = allocate(known, demand("job", 1, shapes=shapes, since=ago(minutes=4)))["job"]
    assert early.grants == ()
    assert early.wake == ago(minutes=-1)
    assert early.shortage is not None
    assert early.shortage.message == (
        f"gpu: needs 1 {GPU}; no node that is open to it has any; cpu: only after 0:05:00 of waiting"
    )
    assert not early.shortage.forever
    late = allocate(known, demand("job", 1, shapes=shapes, since=ago(minutes=5)))["job"]
    assert [grant.profile for grant in late.grants] == ["cpu"]


def test_a_quota_that_is_used_up_is_named() -> None:
    limits = {"team": [quota(requests_cpu=4, used={"requests_cpu": 3})]}
    verdict = allocate(world(node("a")), demand("job", 3, ONE), limits=limits)["job"]
    assert len(verdict.grants) == 1
    assert verdict.shortage is not None
    assert verdict.shortage.reason == "QuotaExceeded"
    assert verdict.shortage.message == "needs of the quota compute: 1 requests.cpu, 0 of 4 left"
    assert not verdict.shortage.forever


def test_a_quota_that_is_too_small_for_one_trial_is_told_from_one_that_is_used_up() -> None:
    limits = {"team": [quota(requests_gpu=0)]}
    verdict = allocate(world(node("a", gpu=8)), demand("job", 1, need(gpu=1)), limits=limits)["job"]
    assert verdict.shortage is not None
    assert (verdict.shortage.reason, verdict.shortage.forever) == ("QuotaTooSmall", True)


def test_quotas_of_other_namespaces_and_other_scopes_do_not_count() -> None:
    body = {"metadata": {"name": "q"}, "spec": {"scopes": ["Terminating"]}, "status": {"hard": {"pods": "0"}}}
    limits = {"other": [quota(pods=0)], "team": [quotas.quota(body)]}
    assert granted(allocate(world(node("a")), demand("job", 2), limits=limits)) == {"job": 2}
    ending = need(cpu=1, spec={"activeDeadlineSeconds": 60})
    assert granted(allocate(world(node("a")), demand("job", 2, ending), limits=limits)) == {"job": 0}


def test_two_jobs_do_not_spend_the_same_quota() -> None:
    limits = {"team": [quota(pods=3)]}
    verdicts = allocate(world(node("a")), demand("a", 4), demand("b", 4), limits=limits)
    assert sum(granted(verdicts).values()) == 3


def test_a_big_trial_that_has_waited_long_has_a_node_kept_free_for_it() -> None:
    known = world(node("a", cpu=8), node("b", cpu=8))
    known.set_pod("x", "a", need(cpu=4).requests)
    known.set_pod("y", "b", need(cpu=6).requests)
    big, small = demand("big", 1, need(cpu=8), since=ago(minutes=11)), demand("small", 99)
    verdicts = allocate(known, big, small)
    # Node a has more room already, so it is kept; only b is left to others.
    assert {grant.node for grant in verdicts["small"].grants} == {"b"}
    assert len(verdicts["small"].grants) == 2
    patient = allocate(known, demand("big", 1, need(cpu=8), since=ago(minutes=9)), small)
    assert len(patient["small"].grants) == 6


def test_a_job_that_wants_nothing_is_told_nothing() -> None:
    assert allocate(world(), demand("job", 0)) == {"job": sharing.Verdict()}


def test_a_round_may_be_short_and_says_of_nobody_that_there_is_no_room() -> None:
    known = world(node("a", cpu=8))
    verdicts = sharing.allocate(known.room(), known.total, {}, [demand("a", 8), demand("b", 8)], NOW, most=3)
    assert sorted(len(verdict.grants) for verdict in verdicts.values()) == [1, 2]
    assert all(verdict.shortage is None for verdict in verdicts.values())
