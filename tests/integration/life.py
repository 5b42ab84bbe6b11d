"""One Pod from its admission to its end: carries out a fate, and writes what a kubelet would write on the way."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import aiohttp

from tests.integration import client, endpoint, fates, node, status
from tests.integration.fates import Fate

RETRY_SECONDS = 0.1
EVICTION = "The node was low on resource: memory. "
PREEMPTION = "default-scheduler: preempting to accommodate a higher priority pod"


class Host(Protocol):
    """What a Pod's life needs of its kubelet."""

    api: client.Client
    node: node.Node
    problems: list[str]

    async def may_end(self, attempt: fates.Attempt) -> None:
        """Returns when the attempt's trial may end."""

    def ended(self, attempt: fates.Attempt) -> None:
        """Hears that the attempt's trial has ended."""


class Life:
    """The life of one Pod; it begins at once, and ends with the Pod."""

    def __init__(
        self, host: Host, pod: Mapping[str, Any], attempt: fates.Attempt, course: fates.Course, ip: str
    ) -> None:
        self.name = attempt.pod
        self.runs = asyncio.Event()
        """Set when the containers run."""
        self._host = host
        self._pod = pod
        self._attempt = attempt
        self._namespace: str = pod["metadata"]["namespace"]
        self._course = course
        self._sandbox = status.Sandbox.admit(pod, ip, node.ADDRESS, _now())
        self._trial: str = fates.trial_container(pod)["name"]
        self._has_sidecar = fates.SIDECAR in self._sandbox.states
        self._endpoint: endpoint.Endpoint | None = None
        self._released = asyncio.Event()
        self._deleted = asyncio.Event()
        self.update(pod)
        self._task = asyncio.create_task(self._live())

    def update(self, pod: Mapping[str, Any]) -> None:
        """The Pod as the API server has it now."""
        self._pod = pod
        if "deletionTimestamp" in pod["metadata"]:
            self._deleted.set()

    def release(self) -> None:
        """Lets a held Pod go on."""
        self._released.set()

    def finish(self) -> None:
        """Tells the sidecar that the trial has ended, as the operator does over HTTP."""
        if self._endpoint:
            self._endpoint.finished.set()

    def log(self) -> bytes:
        """What the trial has printed so far: its observations, each with the kubelet's time stamp before it."""
        if not self.runs.is_set():
            return b""
        elapsed = asyncio.get_running_loop().time() - self._began
        rows = [{"step": step, **row} for step, row in enumerate(self._course.reported(elapsed), 1)]
        return b"".join(b"2026-01-01T00:00:%02d.5Z %s\n" % (row["step"], json.dumps(row).encode()) for row in rows)

    async def close(self) -> None:
        """The Pod is gone from the API server, or the test is over: nothing more is written."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self._hush()
        if self._course.fate.is_final():
            self._host.ended(self._attempt)

    async def _live(self) -> None:
        try:
            story = asyncio.create_task(self._story())
            deleted = asyncio.create_task(self._deleted.wait())
            try:
                await asyncio.wait({story, deleted}, return_when=asyncio.FIRST_COMPLETED)
                if story.done():
                    story.result()
                    await deleted
            finally:
                story.cancel()
                deleted.cancel()
                await asyncio.gather(story, deleted, return_exceptions=True)
            await self._terminate()
        except Exception as error:
            self._host.problems.append(f"Pod {self.name}: {error!r}")

    async def _story(self) -> None:
        await self._write(status.report(self._sandbox))
        await asyncio.sleep(self._course.starting)
        match self._course.fate:
            case Fate.CREATING:
                self._host.ended(self._attempt)
            case Fate.IMAGE_PULL | Fate.INVALID_IMAGE | Fate.CONFIG_ERROR:
                await self._wait_for_ever()
            case _:
                await self._start()
                await self._run()

    async def _wait_for_ever(self) -> None:
        for obstacle in _obstacles(self._course.fate, fates.trial_container(self._pod)["image"]):
            # The sidecar's image is fine: it runs beside a trial that never starts.
            sidecar = {fates.SIDECAR: status.Running(_now())} if self._has_sidecar else {}
            await self._become({self._trial: obstacle, **sidecar})
            await asyncio.sleep(self._course.starting)
        self._host.ended(self._attempt)

    async def _start(self) -> None:
        if self._has_sidecar:
            self._endpoint = endpoint.Endpoint(self._pod, self._sandbox.ip, mute=self._course.fate is Fate.SIDECAR_MUTE)
            await self._endpoint.start()
        self._began = asyncio.get_running_loop().time()
        await self._become({name: status.Running(_now()) for name in self._sandbox.states})
        self.runs.set()

    async def _run(self) -> None:
        fate = self._course.fate
        if fate is Fate.SIDECAR_DEAD:
            await self._hush()
            await self._become({fates.SIDECAR: self._sandbox.end(_now(), fates.SIDECAR, 137)})
        await asyncio.sleep(self._course.running)
        if fate in (Fate.HELD, Fate.STUBBORN):
            await self._released.wait()
        await self._host.may_end(self._attempt)
        match fate:
            case Fate.EVICTED | Fate.EVICTED_WITH_STATUS:
                await self._evict()
            case Fate.PREEMPTED:
                doom = status.disruption(_now(), "PreemptionByScheduler", PREEMPTION)
                await self._write({"conditions": [doom]})
                await self._delete()
            case Fate.DELETED:
                await self._delete()
            case Fate.NODE_LOST:
                await self._write(status.unresponsive(self._sandbox, self._host.node.name, _now()))
                await self._delete()
            case _:
                await self._end()

    async def _end(self) -> None:
        await self._become({self._trial: self._trial_end()})
        if self._endpoint:
            if self._course.fate is Fate.SIDECAR_MUTE:
                self._host.ended(self._attempt)
            await self._endpoint.finished.wait()
            await self._hush()
            await self._become({fates.SIDECAR: self._flush(self._course.observations)})
        self._host.ended(self._attempt)

    def _trial_end(self) -> status.Terminated:
        match self._course.fate:
            case Fate.FAILED:
                return self._sandbox.end(_now(), self._trial, self._course.exit_code)
            case Fate.OOM_KILLED:
                return self._sandbox.end(_now(), self._trial, 137, "OOMKilled")
            case _:
                return self._sandbox.end(_now(), self._trial, 0)

    def _flush(self, observations: tuple[Mapping[str, float], ...]) -> status.Terminated:
        reported = () if self._course.fate is Fate.NO_METRICS else observations
        return self._sandbox.end(_now(), fates.SIDECAR, 0, message=fates.message(reported))

    async def _evict(self) -> None:
        await self._hush()
        if self._course.fate is Fate.EVICTED:
            await self._write(status.evicted(self._sandbox, EVICTION))
            return
        killed = {name: self._sandbox.end(_now(), name, 137) for name in self._sandbox.states}
        self._sandbox = self._sandbox.become(_now(), killed)
        await self._write(status.evicted_with_status(self._sandbox, _now(), EVICTION))

    async def _terminate(self) -> None:
        """What follows a deletion: SIGTERM, SIGKILL when the grace period is over, and the object removed."""
        if self._course.fate is Fate.NODE_LOST:
            await self._released.wait()
        running = [name for name, state in self._sandbox.states.items() if isinstance(state, status.Running)]
        code = 143
        if self._course.fate is Fate.STUBBORN and self._trial in running:
            await asyncio.sleep(self._pod["metadata"].get("deletionGracePeriodSeconds", 0))
            code = 137
        ends = {name: self._sandbox.end(_now(), name, code) for name in running}
        if fates.SIDECAR in running and self._course.fate is not Fate.SIDECAR_MUTE:
            elapsed = asyncio.get_running_loop().time() - self._began if self.runs.is_set() else 0.0
            ends[fates.SIDECAR] = self._flush(self._course.reported(elapsed))
        await self._hush()
        if ends:
            await self._become(ends)
            await asyncio.sleep(self._course.leaving)
        await self._delete(grace=0)

    async def _hush(self) -> None:
        if self._endpoint:
            await self._endpoint.stop()
            self._endpoint = None

    async def _become(self, states: Mapping[str, status.State]) -> None:
        self._sandbox = self._sandbox.become(_now(), states)
        await self._write(status.report(self._sandbox))

    async def _write(self, change: client.Object) -> None:
        body = {"metadata": {"uid": self._attempt.uid}, "status": change}
        await self._insist(
            lambda: self._host.api.patch("Pod", self._namespace, self.name, body, subresource="status", strategic=True)
        )

    async def _delete(self, grace: int | None = None) -> None:
        uid = self._attempt.uid
        await self._insist(lambda: self._host.api.delete("Pod", self._namespace, self.name, grace=grace, uid=uid))

    async def _insist(self, call: Callable[[], Awaitable[object]]) -> None:
        """Repeats a call until the API server has carried it out, or the Pod is gone: a kubelet outlives outages."""
        while True:
            try:
                await call()
            except client.RefusedError as refusal:
                if refusal.status == 404 or (refusal.status == 409 and await self._is_gone()):
                    return
                if refusal.status not in (409, 429) and refusal.status < 500:
                    raise
            except (aiohttp.ClientError, TimeoutError):
                pass
            else:
                return
            await asyncio.sleep(RETRY_SECONDS)

    async def _is_gone(self) -> bool:
        pod = await self._host.api.find("Pod", self._namespace, self.name)
        return pod is None or pod["metadata"]["uid"] != self._attempt.uid


def _obstacles(fate: Fate, image: str) -> list[status.Waiting]:
    """What a container that cannot start waits for, as it shows one after the other."""
    match fate:
        case Fate.IMAGE_PULL:
            failure = f'rpc error: code = NotFound desc = failed to pull and unpack image "{image}": not found'
            return [
                status.Waiting("ErrImagePull", failure),
                status.Waiting("ImagePullBackOff", f'Back-off pulling image "{image}"'),
            ]
        case Fate.INVALID_IMAGE:
            refusal = f'couldn\'t parse image reference "{image}": invalid reference format'
            return [status.Waiting("InvalidImageName", f'Failed to apply default image tag "{image}": {refusal}')]
        case _:
            return [status.Waiting("CreateContainerConfigError", 'configmap "settings" not found')]


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
