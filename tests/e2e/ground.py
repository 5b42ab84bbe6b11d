"""What tests do with a namespace on the cluster: put jobs into it, and look at what becomes of them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

from tests import builders
from tests.e2e.cluster import Tool
from tests.e2e.installation import Installation
from tests.integration.client import Client

Object = dict[str, Any]

IMAGE = "tuning-example-digits-svm"
"""What trials run in when the test does not care: it has sh, Python and tuning_trial."""
SECONDS = 120.0
"""How long anything may take; old kubelets clear up a deleted Pod once a minute only."""
REPORT = 'echo "{\\"accuracy\\": $HP_x}" >> "$TUNING_METRICS_FILE"'
"""A whole trial, as a line for the shell."""


@dataclasses.dataclass(frozen=True)
class Ground:
    """A namespace that the installed operator serves. `image` is what trials run in."""

    api: Client
    kubectl: Tool
    installation: Installation
    namespace: str
    image: str

    def job(self, name: str, script: str = REPORT, **fields: Any) -> Object:
        """The manifest of a job whose trials run a shell script; `fields` are those of `builders.job`, and
        `container` fields of the trial's container.
        """
        container = {"command": ["sh", "-c", script], "image": self.image, **fields.pop("container", {})}
        spec = {"parameters": [builders.real("x")], "limits": {"maxFailedTrials": 0}, **fields}
        manifest = builders.job(name, **spec)
        manifest["spec"]["template"]["spec"]["containers"][0] |= container
        return manifest

    async def submit(self, manifest: Object) -> None:
        """Creates a job."""
        await self.api.create(manifest, self.namespace)

    async def change(self, name: str, **spec: Any) -> None:
        """Changes fields of a job's spec."""
        await self.api.patch("TuningJob", self.namespace, name, {"spec": spec})

    async def until(self, name: str, holds: Callable[[Object], bool], seconds: float = SECONDS) -> Object:
        """A job's status as soon as `holds` says yes to it."""
        job = await self.api.until(
            "TuningJob", self.namespace, name, lambda job: holds(job.get("status") or {}), seconds
        )
        status: Object = job["status"]
        return status

    async def reaches(self, name: str, phase: str, seconds: float = SECONDS) -> Object:
        """A job's status when it has come to the phase. Fails at once when it has ended in another one."""
        ends = {"Complete", "Failed", phase}
        status = await self.until(name, lambda status: status.get("phase") in ends, seconds)
        assert status["phase"] == phase, f"{name} is {status['phase']}: {status.get('message')}"
        return status

    async def trials(self, name: str) -> list[Object]:
        """A job's trials by number."""
        trials = await self.api.list("TuningTrial", self.namespace, labels=f"tuning-operator.dev/job={name}")
        return sorted(trials, key=lambda trial: int(trial["spec"]["number"]))

    async def trial(self, name: str) -> Object:
        """The status of a job's only trial."""
        (trial,) = await self.trials(name)
        status: Object = trial.get("status") or {}
        return status

    async def pods(self, name: str) -> list[Object]:
        """A job's Pods by trial number and attempt."""
        pods = await self.api.list("Pod", self.namespace, labels=f"tuning-operator.dev/job={name}")
        return sorted(pods, key=lambda pod: [int(label(pod, part)) for part in ("trial-number", "attempt")])

    async def running(self, name: str) -> Object:
        """A Pod of the job whose trial runs, as soon as there is one."""
        found: list[Object] = []

        async def look() -> bool:
            found[:] = [pod for pod in await self.pods(name) if "running" in container_state(pod, "trial")]
            return bool(found)

        await eventually(look, f"a trial of {name} runs")
        return found[0]

    async def reasons(self, name: str) -> set[str]:
        """Reasons of the Events about a job."""
        events = await self.api.list("Event", self.namespace, fields=f"involvedObject.name={name}")
        return {event["reason"] for event in events}

    async def is_empty(self, name: str) -> bool:
        """Whether nothing of a job is left."""
        job = await self.api.find("TuningJob", self.namespace, name)
        return job is None and not await self.trials(name) and not await self.pods(name)

    def evidence(self) -> str:
        """What to read when a test has failed."""
        place = ("--namespace", self.namespace)
        objects = self.kubectl("get", "tuningjobs,tuningtrials,pods", *place, "--output=wide", check=False)
        events = self.kubectl("get", "events", *place, "--sort-by=.lastTimestamp", check=False)
        last = "\n".join(events.splitlines()[-60:])
        return f"{objects}\n{last}\n\noperator:\n{self.installation.log()}"


async def eventually(holds: Callable[[], Any], what: str, seconds: float = SECONDS) -> None:
    """Returns as soon as the coroutine function `holds` answers true; fails, naming `what`, after `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            while not await holds():
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"within {seconds} s it has not come to it that {what}") from None


def label(pod: Object, name: str) -> str:
    """A label of ours on a Pod or a trial."""
    value: str = pod["metadata"]["labels"][f"tuning-operator.dev/{name}"]
    return value


def container_state(pod: Object, name: str) -> Object:
    """The state of one container of a Pod; empty where the kubelet has said nothing of it yet."""
    status = pod.get("status") or {}
    statuses = [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]
    return next((item["state"] for item in statuses if item["name"] == name), {})
