"""What the operator makes of every fate that a trial's Pod can meet.

One operator, one namespace, one job for each fate, all at the same time; each test looks at its own job.
"""

from __future__ import annotations

import asyncio
import dataclasses
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests import builders
from tests.integration import audit, client, fates, process
from tests.integration.fates import Fate
from tests.integration.kubelet import Kubelet

Object = dict[str, Any]

TRIALS = 2


@dataclasses.dataclass(frozen=True)
class Case:
    """A script, and what becomes of the job's first trial under it."""

    name: str
    script: fates.Script
    phase: str
    """The phase that the trial comes to."""
    reason: str = ""
    """The trial's reason, then."""
    attempts: tuple[tuple[str, str], ...] = ()
    """Phase and reason of each of its attempts."""
    job: str = "Complete"
    """The phase that the job comes to."""
    message: str = ""
    """A part of the trial's message."""
    spec: Object = dataclasses.field(default_factory=dict)
    """Fields of the job's spec."""


def lost(fate: Fate, reason: str) -> Case:
    """A fate that is not the trial's fault: it is started again, and nothing counts as failed."""
    # A Pod that is gone before the operator looks leaves no reason behind; on a busy machine looking takes a while.
    return Case(fate, fates.first(fate, leaving=2), "Succeeded", attempts=(("Lost", reason), ("Succeeded", "")))


def failed(fate: Fate, reason: str, message: str, attempt: str = "Failed") -> Case:
    """A fate that is the trial's own doing: its result is that it failed."""
    attempts = ((attempt, reason if attempt == "Failed" else ""),)
    return Case(fate, fates.always(fate, exit_code=3), "Failed", reason, attempts, "Failed", message)


def waits(fate: Fate, reason: str, message: str) -> Case:
    """A fate in which the trial waits, and says for what."""
    return Case(fate, fates.always(fate), "Pending", reason, (("Waiting", reason),), "Pending", message)


def reason(status: Object) -> str:
    """The reason in a status. Of the two that a kubelet gives in turn for one missing image, the first seen stays."""
    said = str(status.get("reason", ""))
    return "ImagePullBackOff" if said == "ErrImagePull" else said


CASES = [
    Case("succeeded", fates.succeed, "Succeeded", attempts=(("Succeeded", ""),)),
    failed(Fate.FAILED, "NonZeroExit", "exit code 3"),
    failed(Fate.OOM_KILLED, "OOMKilled", "memory"),
    failed(Fate.NO_METRICS, "ObjectiveNotReported", "accuracy was never reported", attempt="Succeeded"),
    failed(Fate.INVALID_IMAGE, "InvalidImageName", builders.IMAGE),
    lost(Fate.SIDECAR_DEAD, "SidecarLost"),
    lost(Fate.EVICTED, "Evicted"),
    lost(Fate.EVICTED_WITH_STATUS, "Evicted"),
    lost(Fate.PREEMPTED, "PreemptionByScheduler"),
    lost(Fate.DELETED, "PodDeleted"),
    waits(Fate.IMAGE_PULL, "ImagePullBackOff", builders.IMAGE),
    waits(Fate.CONFIG_ERROR, "CreateContainerConfigError", "settings"),
    Case(
        "too-many-losses",
        fates.always(Fate.EVICTED),
        "Failed",
        "Evicted",
        (("Lost", "Evicted"), ("Lost", "Evicted")),
        "Failed",
        "trial.retries (1)",
        spec={"trial": {"retries": 1}},
    ),
    Case(
        "too-long",
        fates.always(Fate.STUBBORN),
        "Failed",
        "DeadlineExceeded",
        (("Failed", "DeadlineExceeded"),),
        "Failed",
        "trial.maxDuration (1s)",
        spec={"trial": {"maxDuration": "1s"}},
    ),
]


@dataclasses.dataclass(frozen=True)
class Ground:
    """Where the jobs of all cases run."""

    api: client.Client
    namespace: str
    kubelet: Kubelet
    scripts: dict[str, fates.Script]

    async def submit(self, case: Case, trials: int = TRIALS) -> None:
        """Applies the case's job."""
        job = builders.job(case.name, trials=trials, placement=self.kubelet.placement)
        spec = {"limits": {"maxFailedTrials": 0}, **case.spec}
        await self.api.create(builders.merged(job, {"spec": spec}), self.namespace)

    def of(self, job: str) -> list[fates.Attempt]:
        """The Pods of a job so far."""
        return [attempt for attempt in self.kubelet.attempts if attempt.job == job]

    async def job(self, case: Case) -> Object:
        """The job, when its phase is as expected."""
        return await self.api.until(
            "TuningJob",
            self.namespace,
            case.name,
            lambda job: job.get("status", {}).get("phase") == case.job,
        )

    async def trial(self, case: Case) -> Object:
        """The status of the job's first trial, when its phase and reason are as expected."""
        await self.job(case)
        labels = f"tuning-operator.dev/job={case.name},tuning-operator.dev/trial-number=0"
        async with asyncio.timeout(30):
            while not (trials := await self.api.list("TuningTrial", self.namespace, labels=labels)):
                await asyncio.sleep(0.05)

        def is_expected(trial: Object) -> bool:
            status = trial.get("status", {})
            return (status.get("phase"), reason(status)) == (case.phase, case.reason)

        name = trials[0]["metadata"]["name"]
        found: Object = (await self.api.until("TuningTrial", self.namespace, name, is_expected))["status"]
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ground(
    crds: None,
    cluster: client.Client,
    kubeconfig: pathlib.Path,
    _kubelet: Kubelet,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Ground]:
    scripts = {case.name: case.script for case in CASES}
    _kubelet.reset()
    _kubelet.script = lambda attempt: scripts[attempt.job](attempt)
    log = tmp_path_factory.mktemp("fates") / "operator.log"
    async with cluster.namespace() as namespace, audit.Proxy(kubeconfig) as proxy:
        operator = process.Operator(namespace, proxy.kubeconfig_path, log)
        operator.start()
        try:
            await operator.ready()
            ground = Ground(cluster, namespace, _kubelet, scripts)
            for case in CASES:
                await ground.submit(case)
            yield ground
            assert not _kubelet.problems, _kubelet.problems
        finally:
            operator.kill()
            await _kubelet.clear(namespace)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_trial_is_recorded_as_what_befell_it(ground: Ground, case: Case) -> None:
    status = await ground.trial(case)
    assert tuple((item["phase"], reason(item)) for item in status["attempts"]) == case.attempts
    assert case.message in status.get("message", "")


async def test_job_of_lost_attempts_has_no_failures(ground: Ground) -> None:
    for case in (case for case in CASES if len(case.attempts) == 2 and case.job == "Complete"):
        counts = (await ground.job(case))["status"]["trials"]
        assert (counts["succeeded"], counts.get("failed", 0)) == (TRIALS, 0), case.name


async def test_failed_job_names_the_reason_of_its_last_trial(ground: Ground) -> None:
    (case,) = (case for case in CASES if case.name == Fate.OOM_KILLED)
    status = (await ground.job(case))["status"]
    assert "OOMKilled" in status["message"]
    assert "limits.maxFailedTrials (0)" in status["message"]


async def test_trial_that_ran_too_long_leaves_no_pod(ground: Ground) -> None:
    """Although it ignores SIGTERM: its grace period ends it."""
    (case,) = (case for case in CASES if case.name == "too-long")
    await ground.trial(case)
    for attempt in ground.of(case.name):
        await ground.api.gone("Pod", ground.namespace, attempt.pod)


@pytest.mark.parametrize("how", ["deleted by a user", "on a node that is lost"])
async def test_running_trial_is_started_again_when_its_pod_is_gone_and_not_before(ground: Ground, how: str) -> None:
    fate = Fate.HELD if how == "deleted by a user" else Fate.NODE_LOST
    name = f"again-{fate}"
    ground.scripts[name] = fates.first(fate, leaving=0.5)
    await ground.submit(Case(name, fates.succeed, "Succeeded"), trials=1)
    first = await ground.kubelet.arrival(lambda attempt: attempt.job == name)
    await ground.kubelet.runs(first.pod)
    if fate is Fate.HELD:
        await ground.api.delete("Pod", ground.namespace, first.pod)
    await ground.api.until("Pod", ground.namespace, first.pod, lambda pod: "deletionTimestamp" in pod["metadata"])
    assert ground.of(name) == [first]
    if fate is Fate.NODE_LOST:
        await asyncio.sleep(2)  # nothing may happen now, and nothing announces that
        assert ground.of(name) == [first]
        ground.kubelet.release(first.pod)
    await ground.job(Case(name, fates.succeed, "Succeeded"))
    assert [attempt.attempt for attempt in ground.of(name)] == [1, 2]
    assert len({tuple(sorted(attempt.parameters.items())) for attempt in ground.of(name)}) == 1
