"""Whatever dies while a job runs, the trials are those that would have run anyway, each once.

Collected only on the cluster of tests/cluster/cluster when nobody else works on it: its components are killed.
"""

from __future__ import annotations

import asyncio
import pathlib
from collections.abc import Callable

import aiohttp
import psutil
import pytest
import pytest_asyncio

from tests.e2e import cluster
from tests.e2e.ground import REPORT, Ground, Object, container_state, eventually, label
from tests.integration.client import RefusedError

TRIALS = 5
OUTAGE_SECONDS = 3.0
"""How long a component is away: long enough for a trial to end meanwhile."""

Configurations = list[Object]


async def submit(ground: Ground, name: str) -> None:
    """A job in which every suggestion depends on all results before it."""
    search = {"algorithm": "bayesian", "seed": 7, "settings": {"n_initial_points": 2}}
    await ground.submit(ground.job(name, f"sleep 1; {REPORT}", trials=TRIALS, search=search))


async def configurations(ground: Ground, name: str) -> Configurations:
    """The configurations that a job has tried, when it is complete."""
    await ground.reaches(name, "Complete", 240)
    return [trial["spec"]["parameters"] for trial in await ground.trials(name)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def undisturbed(ground: Ground) -> Configurations:
    """What the job comes to when nothing happens."""
    await submit(ground, "undisturbed")
    return await configurations(ground, "undisturbed")


def component(name: str) -> Callable[[Ground], None]:
    """The death of one of the cluster's components. It is started again after the outage."""

    def kill(_: Ground) -> None:
        cluster.run([cluster.SCRIPT, "kill", name])

    kill.__name__ = name
    return kill


def operator_process(ground: Ground) -> None:
    """kill -9 of the operator in its container, its worker processes included."""
    pod = operator(ground)
    inside = [process for process in psutil.process_iter() if pod["metadata"]["uid"] in cgroup(process.pid)]
    operators = [process for process in inside if "tuning-operator" in " ".join(process.cmdline())]
    assert operators, "the operator's process was not found"
    for process in operators:
        process.kill()


def operator_pod(ground: Ground) -> None:
    """The operator's Pod is deleted without any grace."""
    pod = operator(ground)
    place = ("--namespace", ground.installation.namespace)
    ground.kubectl("delete", "pod", pod["metadata"]["name"], *place, "--grace-period=0", "--force")


def operator(ground: Ground) -> Object:
    """The operator's Pod."""
    pods: list[Object] = ground.installation.objects("pods")["items"]
    (pod,) = pods
    return pod


def life(pod: Object) -> tuple[str, int]:
    """What changes when the operator is started anew."""
    return pod["metadata"]["uid"], restarts(pod)


def cgroup(pid: int) -> str:
    """The control groups of a process, whose names hold the uid of its Pod."""
    try:
        return pathlib.Path("/proc", str(pid), "cgroup").read_text().replace("_", "-")
    except OSError:
        return ""


COMPONENTS = [component(name) for name in ("apiserver", "etcd", "kubelet")]
FAULTS = [operator_process, operator_pod, *COMPONENTS]


@pytest.mark.parametrize("kill", FAULTS, ids=lambda kill: kill.__name__)
async def test_job_completes_as_if_nothing_had_died(
    ground: Ground, undisturbed: Configurations, kill: Callable[[Ground], None]
) -> None:
    name = kill.__name__.replace("_", "-")
    await submit(ground, name)

    async def is_under_way() -> bool:
        pods = await ground.pods(name)
        return len(pods) > 1 and "running" in container_state(pods[-1], "trial")

    await eventually(is_under_way, "the second trial runs")
    before = life(operator(ground))
    kill(ground)
    if kill in COMPONENTS:
        await asyncio.sleep(OUTAGE_SECONDS)
        cluster.run([cluster.SCRIPT, "start", name])
        await eventually(lambda: answers(ground), "the API server answers")
    assert await configurations(ground, name) == undisturbed
    pods = await ground.pods(name)
    assert [(label(pod, "trial-number"), label(pod, "attempt")) for pod in pods] == [
        (str(number), "1") for number in range(TRIALS)
    ]
    assert all(restarts(pod) == 0 for pod in pods)
    status = await ground.reaches(name, "Complete")
    assert status["trials"]["succeeded"] == TRIALS
    ground.installation.ready()
    assert kill in COMPONENTS or life(operator(ground)) != before


async def answers(ground: Ground) -> bool:
    """Whether the API server is ready."""
    try:
        await ground.api.call("GET", "/readyz")
    except (aiohttp.ClientError, RefusedError, TimeoutError):
        return False
    return True


def restarts(pod: Object) -> int:
    """How often containers of a Pod were started again."""
    return sum(status["restartCount"] for status in pod["status"]["containerStatuses"])
