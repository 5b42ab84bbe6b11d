"""What always holds of a round, whatever the cluster and whoever wants what; compared with looking everywhere."""

from __future__ import annotations

import datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some

from tests.unit.scheduling.builders import NOW, allocate, demand, need, node, world
from tuning_operator.scheduling import cluster, nodes, pods, sharing

sizes = some.integers(0, 4)
machines = some.lists(
    some.tuples(some.integers(1, 8), sizes, some.sampled_from(["", "", "t=x:NoSchedule"])), max_size=5
)
wanted = some.builds(
    lambda cpu, gpu, tolerant: need(
        cpu=cpu, **({"gpu": gpu} if gpu else {}), spec={"tolerations": [{"operator": "Exists"}]} if tolerant else {}
    ),
    some.integers(1, 6),
    sizes,
    some.booleans(),
)
jobs = some.lists(some.tuples(some.lists(wanted, min_size=1, max_size=3), some.integers(0, 6)), min_size=1, max_size=4)


def made(machines: list[tuple[int, int, str]]) -> cluster.Cluster:
    return world(
        *(
            node(f"n{index}", cpu=cpu, gpu=gpu, taints=[taint] if taint else [])
            for index, (cpu, gpu, taint) in enumerate(machines)
        )
    )


def demands(jobs: list[tuple[list[pods.Need], int]]) -> list[sharing.Demand]:
    return [demand(f"job{index}", wants, *needs) for index, (needs, wants) in enumerate(jobs)]


def left(known: cluster.Cluster, verdicts: dict[str, sharing.Verdict]) -> dict[str, dict[str, int]]:
    """What the nodes have left after the grants, counted afresh."""
    free = {name: dict(known.free(name)) for name in known.nodes}
    for verdict in verdicts.values():
        for grant in verdict.grants:
            for name, value in grant.need.requests:
                free[grant.node][name] = free[grant.node].get(name, 0) - value
    return free


def fits_somewhere(known: cluster.Cluster, free: dict[str, dict[str, int]], one: pods.Need) -> bool:
    """Looks everywhere, in the plainest way."""
    tolerant = bool(one.placement.tolerations)
    return any(
        (tolerant or not known.nodes[name].taints) and all(room.get(key, 0) >= value for key, value in one.requests)
        for name, room in free.items()
    )


@given(machines, jobs)
def test_nothing_is_given_away_twice_and_no_room_is_left_that_somebody_could_use(
    machines: list[tuple[int, int, str]], jobs: list[tuple[list[pods.Need], int]]
) -> None:
    known, wishes = made(machines), demands(jobs)
    verdicts = allocate(known, *wishes)
    free = left(known, verdicts)
    assert all(value >= 0 for room in free.values() for value in room.values())
    for wish in wishes:
        verdict = verdicts[str(wish.key)]
        assert len(verdict.grants) <= wish.wants
        served = len(verdict.grants) == wish.wants
        assert served == (verdict.shortage is None)
        assert served or not any(fits_somewhere(known, free, shape.need) for shape in wish.shapes)


@given(machines, jobs)
def test_the_same_question_has_the_same_answer_and_leaves_no_trace(
    machines: list[tuple[int, int, str]], jobs: list[tuple[list[pods.Need], int]]
) -> None:
    known, wishes = made(machines), demands(jobs)
    assert allocate(known, *wishes) == allocate(known, *wishes) == allocate(made(machines), *wishes)


@given(some.integers(1, 4), some.integers(2, 4), some.integers(1, 24))
def test_shares_of_equal_jobs_differ_by_one_trial_at_most(size: int, count: int, cpus: int) -> None:
    known = world(node("a", cpu=cpus))
    verdicts = allocate(known, *(demand(f"job{index}", 30, need(cpu=size)) for index in range(count)))
    numbers = [len(verdict.grants) for verdict in verdicts.values()]
    assert max(numbers) - min(numbers) <= 1


steps = some.lists(
    some.one_of(
        some.tuples(some.just("add"), some.integers(0, 3), some.integers(1, 4)),
        some.tuples(some.just("drop"), some.integers(0, 9), some.just(0)),
        some.tuples(some.just("node"), some.integers(0, 3), some.integers(1, 8)),
        some.tuples(some.just("lose"), some.integers(0, 3), some.just(0)),
        some.tuples(some.just("ask"), some.just(0), some.integers(1, 6)),
    ),
    max_size=40,
)


@given(steps)
@settings(max_examples=200)
def test_a_cluster_that_was_followed_answers_as_one_that_is_new(steps: list[tuple[str, int, int]]) -> None:
    followed = world()
    bodies: dict[str, dict[str, Any]] = {}
    there: dict[str, tuple[str, pods.Pairs]] = {}
    for index, (what, which, size) in enumerate(steps):
        name = f"n{which}"
        match what:
            case "add":
                there[f"p{index % 10}"] = (name, need(cpu=size).requests)
                followed.set_pod(f"p{index % 10}", *there[f"p{index % 10}"])
            case "drop":
                there.pop(f"p{which}", None)
                followed.drop_pod(f"p{which}")
            case "node":
                bodies[name] = node(name, cpu=size)
                followed.set_node(nodes.node(bodies[name]))
            case "lose":
                bodies.pop(name, None)
                followed.drop_node(name)
            case _:
                fresh = world(*bodies.values())
                for uid, (place, requests) in there.items():
                    fresh.set_pod(uid, place, requests)
                asks = [demand("a", 3, need(cpu=size)), demand("b", 3, need(cpu=1))]
                assert allocate(followed, *asks) == allocate(fresh, *asks)
                assert {key: value for key, value in followed.total.items() if value} == dict(fresh.total)


@given(jobs, some.integers(0, 2**16))
@settings(max_examples=50, deadline=None)
def test_every_job_that_fits_anywhere_is_served_in_the_end(jobs: list[tuple[list[pods.Need], int]], seed: int) -> None:
    """One big trial against a stream of small ones that never ends: it runs within its patience and one generation."""
    known = world(node("a", cpu=8), node("b", cpu=8))
    ends: dict[str, int] = {}
    waiting_since = NOW
    for minute in range(40):
        now = NOW + datetime.timedelta(minutes=minute)
        for uid in [uid for uid, end in ends.items() if end <= minute]:
            known.drop_pod(uid)
            del ends[uid]
        small = demand("small", 99, need(cpu=1 + seed % 3), runs=len(ends))
        big = demand("big", 1, need(cpu=8), since=waiting_since)
        verdicts = allocate(known, small, big, now=now)
        if verdicts["big"].grants:
            return
        for index, grant in enumerate(verdicts["small"].grants):
            uid = f"{minute}-{index}"
            known.set_pod(uid, grant.node, grant.need.requests)
            ends[uid] = minute + 1 + (seed + index + minute) % 7
    raise AssertionError("the big trial was never served")
