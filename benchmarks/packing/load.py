"""The cluster and the jobs of the benchmark, all from one seed."""

from __future__ import annotations

import dataclasses
import random

from tuning_operator.scheduling import cluster, nodes, pods, quantities

GPU = "nvidia.com/gpu"


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """A job: when it comes, how long each of its trials takes, how many run at once, and what each needs."""

    name: str
    namespace: str
    arrives: float
    seconds: tuple[float, ...]
    parallel: int
    need: pods.Need


def machines(count: int = 200, gpus: int = 400) -> cluster.Cluster:
    """A mixed cluster: nodes with 8 GPUs, nodes with 4, and nodes without, which are small and large."""
    made = cluster.Cluster()
    large, small = gpus * 3 // 5 // 8, gpus * 2 // 5 // 4
    for index in range(count):
        given = 8 if index < large else 4 if index < large + small else 0
        cpu = {8: 96, 4: 48}.get(given, 32 if index % 2 else 64)
        amounts = {"cpu": str(cpu), "memory": f"{cpu * 4}Gi", "pods": "110", GPU: str(given)}
        made.set_node(nodes.Node(f"node-{index:04}", {}, (), quantities.amounts(amounts)))
    return made


def jobs(count: int = 50, trials: int = 2000, seed: int = 7) -> tuple[Job, ...]:
    """Jobs of all kinds that come within ten minutes: most want one GPU, some whole nodes of them, some none.

    A trial takes the shorter the more GPUs it has, which is why it has them. Lengths vary within a job by a factor of
    about two up and down, and nobody who decides knows them.
    """
    chance = random.Random(seed)
    made = []
    for index in range(count):
        gpu = chance.choice((0, 0, 1, 1, 1, 1, 2, 2, 4, 4, 8))
        cpu = gpu * 8 if gpu else chance.choice((2, 4, 8))
        median = chance.choice((300.0, 900.0, 1800.0)) / max(1, gpu)
        lengths = tuple(median * chance.lognormvariate(0.0, 0.25) for _ in range(trials // count))
        parallel = chance.choice((16, 24, 40))
        arrives = 0.0 if index < count // 2 else chance.uniform(0.0, 600.0)
        made.append(Job(f"job-{index}", f"team-{index % 6}", arrives, lengths, parallel, need(gpu, cpu)))
    return tuple(made)


def need(gpu: int, cpu: int) -> pods.Need:
    """What a trial takes, with its sidecar."""
    asked = {"cpu": str(cpu), "memory": f"{cpu * 3}Gi"} | ({GPU: str(gpu)} if gpu else {})
    sidecar = {"requests": {"cpu": "10m", "memory": "48Mi"}}
    return pods.need({"spec": {"containers": [{"resources": {"requests": asked}}, {"resources": sidecar}]}})
