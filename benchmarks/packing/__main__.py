"""Plays the same jobs by three ways, times the decisions on a large cluster, and prints the figures."""

from __future__ import annotations

import argparse
import datetime
import json
import random
import sys
import time

from benchmarks.packing import load, play
from tuning_operator.scheduling import cluster, pods, sharing

MAKESPAN_TARGET, DECISION_TARGET_MS = 1.15, 50.0
LARGE, PODS = 5000, 50_000


def main() -> None:
    """Prints progress to stderr and one JSON object to stdout."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.packing", description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--large", type=int, default=LARGE, help="nodes of the cluster on which decisions are timed")
    options = parser.parse_args()
    jobs = load.jobs(seed=options.seed)
    bound = play.bound(jobs, load.machines())
    results: dict[str, play.Figures] = {}
    for name, decide in play.ways():
        results[name] = play.Play(load.machines(), jobs).play(decide)
        print(name, round(results[name].makespan / bound, 4), file=sys.stderr)
    decisions = decide_on_large(options.large, PODS * options.large // LARGE)
    print(json.dumps(figures(results, bound, decisions)))


def figures(results: dict[str, play.Figures], bound: float, decisions: list[float]) -> dict[str, object]:
    """All figures; `makespan` is compared with what no way to decide can beat."""
    mine, others = results["ours"], [results["blind"], results["fcfs"]]
    best = {
        "makespan": mine.makespan <= min(one.makespan for one in others),
        "gpu_use": mine.gpu_use >= max(one.gpu_use for one in others),
        "longest_wait": mine.longest_wait <= min(one.longest_wait for one in others),
    }
    ordered = sorted(decisions)
    shown = {
        name: {
            "makespan_s": round(one.makespan, 1),
            "makespan_over_bound": round(one.makespan / bound, 4),
            "gpu_use_while_work_waits": round(one.gpu_use, 4),
            "longest_wait_s": round(one.longest_wait, 1),
            "longest_pending_pod_s": round(one.longest_pending, 1),
        }
        for name, one in results.items()
    }
    ratio, p99 = mine.makespan / bound, ordered[int(len(ordered) * 0.99)]
    return {
        "jobs": 50,
        "trials": 2000,
        "bound_s": round(bound, 1),
        **shown,
        "makespan_over_bound": round(ratio, 4),
        "best_of_three": all(best.values()),
        "best": best,
        "plan_ms_median": round(ordered[len(ordered) // 2], 3),
        "plan_ms_p99": round(p99, 3),
        "met": {
            "makespan": ratio <= MAKESPAN_TARGET,
            "best_of_three": all(best.values()),
            "plan": p99 < DECISION_TARGET_MS,
        },
    }


def decide_on_large(count: int, others: int, rounds: int = 300) -> list[float]:
    """Milliseconds of processor time of each round on a cluster where a Pod has just ended and fifty jobs want what it leaves."""
    chance = random.Random(1)
    known = load.machines(count, count * 2)
    names = list(known.nodes)
    needs = [load.need(gpu, cpu) for gpu, cpu in ((0, 2), (0, 4), (0, 8), (1, 8), (2, 16), (4, 32), (8, 64))]
    small = load.need(0, 1)
    for index in range(others):
        known.set_pod(f"other-{index}", chance.choice(names), small.requests)
    wishes = [_wish(index, needs) for index in range(50)]
    running = _fill(known, wishes)
    found = []
    for _ in range(rounds):
        uid = running.pop(chance.randrange(len(running)))
        known.drop_pod(uid)
        silent = {wish.key for wish in wishes}
        began = time.process_time()
        verdicts = sharing.allocate(known.room(), known.total, {}, wishes, play.EPOCH, silent=silent)
        found.append((time.process_time() - began) * 1000)
        running += _take(known, verdicts)
    return found


def _wish(index: int, needs: list[pods.Need]) -> sharing.Demand:
    need = needs[index % len(needs)]
    since = play.EPOCH - datetime.timedelta(seconds=index)
    return sharing.Demand(
        f"job-{index}", f"team-{index % 6}", (sharing.Shape("", need),), wants=100_000, runs=1, since=since
    )


def _fill(known: cluster.Cluster, wishes: list[sharing.Demand]) -> list[str]:
    running: list[str] = []
    while True:
        found = sharing.allocate(
            known.room(), known.total, {}, wishes, play.EPOCH, most=2000, silent={w.key for w in wishes}
        )
        taken = _take(known, found)
        if not taken:
            return running
        running += taken


def _take(known: cluster.Cluster, verdicts: dict[object, sharing.Verdict]) -> list[str]:
    taken: list[str] = []
    for verdict in verdicts.values():
        for grant in verdict.grants:
            uid = f"trial-{known.version}-{len(taken)}"
            known.set_pod(uid, grant.node, grant.need.requests)
            taken.append(uid)
    return taken


if __name__ == "__main__":
    main()
