"""What the fake kubelet lets happen to a Pod, fate by fate; test_shapes.py compares it with a real kubelet."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from tests import builders
from tests.integration import audit, client, fates
from tests.integration.fates import Fate
from tests.integration.kubelet import Kubelet, Lockstep
from tuning_trial import summary

Object = dict[str, Any]
Start = Callable[..., Any]


def state(pod: Object, container: str = "trial") -> tuple[str, Object]:
    """The kind of a container's state, and its details."""
    for status in pod["status"].get("containerStatuses", []):
        if status["name"] == container:
            ((kind, details),) = status["state"].items()
            return kind, details
    return "absent", {}


def conditions(pod: Object) -> dict[str, Object]:
    return {item["type"]: item for item in pod["status"].get("conditions", [])}


def trial_ended(pod: Object) -> bool:
    return state(pod)[0] == "terminated"


def finished(pod: Object) -> bool:
    return pod["status"]["phase"] in ("Succeeded", "Failed")


async def finish(pod: Object, token: str = "secret") -> int:
    """What the operator does once the trial's container has ended."""
    address = f"http://{pod['status']['podIP']}:9464/finish"
    async with aiohttp.ClientSession() as session:
        answer = await session.post(address, headers={"X-Tuning-Token": token}, timeout=aiohttp.ClientTimeout(1))
        return answer.status


@pytest.fixture
def start(cluster: client.Client, kubelet: Kubelet, namespace: str) -> Start:
    """Creates a trial's Pod on the fake node."""

    async def create(name: str = "p", **pod: Any) -> None:
        await cluster.create(builders.trial_pod(name, placement=kubelet.placement, **pod), namespace)

    return create


@pytest.fixture
def until(cluster: client.Client, namespace: str) -> Callable[..., Any]:
    """The Pod as soon as something holds."""

    async def wait(holds: Callable[[Object], bool], name: str = "p") -> Object:
        return await cluster.until("Pod", namespace, name, holds)

    return wait


@pytest.mark.parametrize(
    ("fate", "end"),
    [
        pytest.param(Fate.SUCCEEDED, (0, "Completed", "Succeeded"), id="succeeded"),
        pytest.param(Fate.FAILED, (3, "Error", "Failed"), id="failed"),
        pytest.param(Fate.OOM_KILLED, (137, "OOMKilled", "Failed"), id="oom"),
    ],
)
async def test_sidecar_outlives_the_trial_until_it_is_told(
    kubelet: Kubelet, start: Start, until: Start, fate: Fate, end: tuple[int, str, str]
) -> None:
    kubelet.script = fates.always(fate, exit_code=3)
    await start()
    pod = await until(trial_ended)
    assert (pod["status"]["phase"], state(pod, fates.SIDECAR)[0]) == ("Running", "running")
    assert await finish(pod, "guessed") == 403
    assert await finish(pod) == 200
    pod = await until(finished)
    ended = state(pod)[1]
    assert (ended["exitCode"], ended["reason"], pod["status"]["phase"]) == end
    observed = summary.Summary.from_message(state(pod, fates.SIDECAR)[1]["message"])
    assert observed.metrics["accuracy"].last == fates.bowl({"x": 0.5})
    with pytest.raises(aiohttp.ClientConnectionError):
        await finish(pod)


async def test_pod_without_sidecar_ends_with_its_trial(start: Start, until: Start) -> None:
    await start(sidecar=False)
    assert (await until(finished))["status"]["phase"] == "Succeeded"


async def test_trial_without_metrics_leaves_an_empty_summary(kubelet: Kubelet, start: Start, until: Start) -> None:
    kubelet.script = fates.always(Fate.NO_METRICS)
    await start()
    await finish(await until(trial_ended))
    message = state(await until(finished), fates.SIDECAR)[1]["message"]
    assert summary.Summary.from_message(message).rows == 0


async def test_dead_sidecar_leaves_no_message_and_fails_the_pod(kubelet: Kubelet, start: Start, until: Start) -> None:
    kubelet.script = fates.always(Fate.SIDECAR_DEAD)
    await start()
    pod = await until(finished)
    assert pod["status"]["phase"] == "Failed"
    assert state(pod)[1]["exitCode"] == 0
    assert state(pod, fates.SIDECAR)[1]["exitCode"] == 137
    assert "message" not in state(pod, fates.SIDECAR)[1]


async def test_mute_sidecar_answers_nobody(kubelet: Kubelet, start: Start, until: Start) -> None:
    kubelet.script = fates.always(Fate.SIDECAR_MUTE)
    await start()
    with pytest.raises(TimeoutError):
        await finish(await until(trial_ended))
    assert state(await until(trial_ended), fates.SIDECAR)[0] == "running"


@pytest.mark.parametrize(
    ("fate", "reasons"),
    [
        pytest.param(Fate.IMAGE_PULL, ["ErrImagePull", "ImagePullBackOff"], id="image-pull"),
        pytest.param(Fate.INVALID_IMAGE, ["InvalidImageName"], id="invalid-image"),
        pytest.param(Fate.CONFIG_ERROR, ["CreateContainerConfigError"], id="config-error"),
    ],
)
async def test_trial_that_cannot_start_waits_beside_a_running_sidecar(
    kubelet: Kubelet, start: Start, until: Start, fate: Fate, reasons: list[str]
) -> None:
    kubelet.script = fates.always(fate, starting=0.2)
    await start()
    for reason in reasons:
        pod = await until(lambda pod, reason=reason: state(pod)[1].get("reason") == reason)
        assert pod["status"]["phase"] == "Pending"
        assert state(pod, fates.SIDECAR)[0] == "running"


async def test_evicted_pod_has_lost_its_status(kubelet: Kubelet, start: Start, until: Start) -> None:
    kubelet.script = fates.always(Fate.EVICTED)
    await start()
    status = (await until(finished))["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "Evicted")
    assert status.keys() == {"phase", "reason", "message", "startTime"}


async def test_newer_kubelets_keep_the_status_of_an_evicted_pod(kubelet: Kubelet, start: Start, until: Start) -> None:
    kubelet.script = fates.always(Fate.EVICTED_WITH_STATUS)
    await start()
    pod = await until(finished)
    assert pod["status"]["reason"] == "Evicted"
    assert state(pod)[1]["exitCode"] == 137
    assert conditions(pod)["DisruptionTarget"]["reason"] == "TerminationByKubelet"


@pytest.mark.parametrize("fate", [Fate.PREEMPTED, Fate.DELETED])
async def test_disrupted_pod_goes_away(
    cluster: client.Client, kubelet: Kubelet, start: Start, namespace: str, fate: Fate
) -> None:
    kubelet.script = fates.always(fate)
    seen = await history(cluster, namespace, start)
    last = seen[-1]
    assert last["metadata"]["deletionTimestamp"]
    assert state(last)[1]["exitCode"] == 143
    assert summary.Summary.from_message(state(last, fates.SIDECAR)[1]["message"]).rows == 3
    assert any("DisruptionTarget" in conditions(pod) for pod in seen) == (fate is Fate.PREEMPTED)


async def test_pod_on_a_lost_node_stays_until_the_node_is_back(
    cluster: client.Client, kubelet: Kubelet, start: Start, until: Start, namespace: str
) -> None:
    kubelet.script = fates.always(Fate.NODE_LOST)
    await start()
    await until(lambda pod: "deletionTimestamp" in pod["metadata"])
    await asyncio.sleep(0.3)  # nothing may happen now, and nothing announces that
    pod = await until(lambda _: True)
    assert (pod["status"]["reason"], state(pod)[0]) == ("NodeLost", "running")
    kubelet.release("p")
    await cluster.gone("Pod", namespace, "p")


async def test_held_pod_runs_until_it_is_released(kubelet: Kubelet, start: Start, until: Start) -> None:
    kubelet.script = fates.always(Fate.HELD)
    await start()
    await kubelet.runs("p")
    pod = await until(lambda pod: conditions(pod)["Ready"]["status"] == "True")
    assert pod["status"]["phase"] == "Running"
    kubelet.release("p")
    await finish(await until(trial_ended))
    assert (await until(finished))["status"]["phase"] == "Succeeded"


async def test_user_may_delete_a_running_pod(
    cluster: client.Client, kubelet: Kubelet, start: Start, namespace: str
) -> None:
    kubelet.script = fates.always(Fate.HELD)
    await start(terminationGracePeriodSeconds=30)
    await kubelet.runs("p")
    await cluster.delete("Pod", namespace, "p")
    await cluster.gone("Pod", namespace, "p", seconds=10)


async def test_stubborn_trial_is_killed_when_its_grace_ends(
    cluster: client.Client, kubelet: Kubelet, start: Start, namespace: str
) -> None:
    kubelet.script = fates.always(Fate.STUBBORN)

    async def begin() -> None:
        await start(terminationGracePeriodSeconds=1)
        await kubelet.runs("p")
        await cluster.delete("Pod", namespace, "p")

    seen = await history(cluster, namespace, begin)
    assert state(seen[-1])[1]["exitCode"] == 137
    doomed = [pod for pod in seen if pod["metadata"].get("deletionGracePeriodSeconds") == 1]
    assert state(doomed[0])[0] == "running"


async def test_pod_that_nothing_can_hold_is_named_unschedulable(start: Start, until: Start) -> None:
    await start(nodeSelector={"no-node": "has-this"})
    pod = await until(lambda pod: "PodScheduled" in conditions(pod))
    assert conditions(pod)["PodScheduled"]["reason"] == "Unschedulable"


async def test_script_sees_what_the_trial_sees(kubelet: Kubelet, start: Start, until: Start) -> None:
    kubelet.script = fates.first(Fate.FAILED)
    await start("p1", number=4, attempt=1, parameters={"x": 0.25, "kernel": "rbf"}, sidecar=False)
    await start("p2", number=4, attempt=2, parameters={"x": 0.25, "kernel": "rbf"}, sidecar=False)
    assert (await until(finished, "p1"))["status"]["phase"] == "Failed"
    assert (await until(finished, "p2"))["status"]["phase"] == "Succeeded"
    first = next(attempt for attempt in kubelet.attempts if attempt.pod == "p1")
    assert (first.number, first.attempt, first.trial) == (4, 1, "job-4")
    assert first.parameters == {"x": 0.25, "kernel": "rbf"}
    assert first.environment["HP_kernel"] == "rbf"


async def test_pod_without_the_promised_environment_is_a_problem(
    cluster: client.Client, kubelet: Kubelet, namespace: str
) -> None:
    pod = builders.trial_pod("p", placement=kubelet.placement)
    pod["spec"]["containers"][0]["env"] = []
    await cluster.create(pod, namespace)
    await cluster.until("Pod", namespace, "p", lambda _: bool(kubelet.problems))
    assert "TUNING_JOB" in kubelet.problems[0]
    kubelet.problems.clear()


async def test_lockstep_ends_trials_in_order(kubelet: Kubelet, start: Start, until: Start) -> None:
    kubelet.lockstep = Lockstep(parallel=2, trials=3)
    await start("p1", number=1, sidecar=False)
    await start("p2", number=2, sidecar=False)
    await kubelet.runs("p1")
    await asyncio.sleep(0.3)  # nothing may happen now, and nothing announces that
    assert not finished(await until(lambda _: True, "p1"))
    await start("p0", number=0, sidecar=False)
    ends = [int((await until(finished, name))["metadata"]["resourceVersion"]) for name in ("p0", "p1", "p2")]
    assert ends == sorted(ends)


async def test_kubelet_outlives_an_unreliable_server(
    cluster: client.Client, proxy: audit.Proxy, namespace: str
) -> None:
    faults = itertools.cycle([audit.Fault.DROP_BEFORE, audit.Fault.DROP_AFTER, None])
    async with await client.Client.connect(proxy.kubeconfig_path) as api, Kubelet(api, f"{namespace}-node") as kubelet:
        proxy.on_call = lambda call: next(faults) if "pods" in call.path else None
        await cluster.create(builders.trial_pod("p", placement=kubelet.placement, sidecar=False), namespace)
        await cluster.until("Pod", namespace, "p", finished)
        assert sum(call.fault is not None for call in proxy.calls) > 4
        assert not kubelet.problems
        proxy.on_call = None


@pytest.mark.parametrize(
    ("number", "seen", "ended", "allowed"),
    [
        pytest.param(0, {0, 1}, set(), True, id="first"),
        pytest.param(1, {0, 1, 2}, set(), False, id="earlier trial runs"),
        pytest.param(1, {0, 1, 2}, {0}, True, id="earlier trial ended"),
        pytest.param(1, {0, 1}, {0}, False, id="not refilled"),
        pytest.param(9, set(range(10)), set(range(9)), True, id="last needs no refill"),
    ],
)
def test_order_of_lockstep(number: int, seen: set[int], ended: set[int], allowed: bool) -> None:
    assert Lockstep(parallel=2, trials=10).may_end(number, seen, ended) is allowed


@pytest.mark.parametrize(("seconds", "rows"), [(0, 0), (0.09, 0), (0.1, 1), (0.25, 2), (0.3, 3), (99, 3)], ids=str)
def test_observations_come_at_equal_intervals(seconds: float, rows: int) -> None:
    course = fates.Course(observations=({"a": 1.0}, {"a": 2.0}, {"a": 3.0}), running=0.3)
    assert len(course.reported(seconds)) == rows


async def history(cluster: client.Client, namespace: str, begin: Callable[[], Any]) -> list[Object]:
    """All states of the namespace's only Pod, until it is gone."""
    pods = client.path("Pod", namespace)
    version = (await cluster.call("GET", pods))["metadata"]["resourceVersion"]
    await begin()
    seen: list[Object] = []
    async with asyncio.timeout(20):
        async for event in cluster.watch(pods, {"resourceVersion": version}):
            seen.append(event["object"])
            if event["type"] == "DELETED":
                break
    return seen
