"""A kubelet without containers: it gives every Pod of its node the fate that the test's script names.

Everything else is real: the API server, the scheduler that binds the Pods, the garbage collector. So the operator
under test meets real conflicts, real watches and real deletions, and a job of twenty trials takes seconds.

In classic mode a sidecar runs on after its trial until it is told to finish; the fake answers for it on the Pod's own
loopback address. The API server's pod proxy refuses loopback addresses, so `audit.Proxy` stands in for it.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import aiohttp

from tests.integration import client, fates, life, node

RETRY_SECONDS = 0.1


@dataclasses.dataclass(frozen=True)
class Lockstep:
    """A strict order, in which what a search knows at each suggestion never depends on timing.

    Trials end in the order of their numbers, and each only when the job has refilled: when the Pods of the `parallel`
    trials after it exist (or all `trials` do).
    """

    parallel: int
    trials: int

    def may_end(self, number: int, seen: set[int], ended: set[int]) -> bool:
        """Whether the trial may end now, given the numbers of trials that have a Pod and that have ended."""
        return ended.issuperset(range(number)) and seen.issuperset(range(min(self.trials, number + self.parallel)))


class Kubelet:
    """Runs the Pods of one fake node. `script` and `lockstep` may be changed at any time, for Pods to come.

    `attempts` lists all Pods of trials since the last reset, in the order in which they came; `problems` what a real
    kubelet or a real trial would have stumbled over.
    """

    def __init__(self, api: client.Client, name: str) -> None:
        self.api = api
        self.node = node.Node(api, name)
        self.attempts: list[fates.Attempt] = []
        self.problems: list[str] = []
        self._lives: dict[str, life.Life] = {}
        self._refused: set[str] = set()
        self._addresses = _addresses()
        self._changed = asyncio.Event()
        self.reset()

    def reset(self) -> None:
        """Back to the usual script, no order, and no memory of attempts: a test begins."""
        self.script: fates.Script = fates.succeed
        self.lockstep: Lockstep | None = None
        self.attempts.clear()
        self.problems.clear()
        self._ended: dict[str, set[int]] = collections.defaultdict(set)
        self._tell()

    async def __aenter__(self) -> Self:
        await self.node.__aenter__()
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *exit_: Any) -> None:
        self._watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watching
        for running in list(self._lives.values()):
            await running.close()
        await self._remove_all()
        await self.node.__aexit__(*exit_)

    @property
    def placement(self) -> client.Object:
        """What a Pod's spec needs to come to this node, and no other."""
        return {
            "nodeSelector": {node.LABEL: self.node.name},
            "tolerations": [{"key": node.LABEL, "operator": "Exists", "effect": "NoSchedule"}],
        }

    def release(self, pod: str) -> None:
        """Lets a Pod that is held succeed, and a lost node's Pod be confirmed dead. Raises KeyError for others."""
        self._life(pod).release()

    def finish(self, pod: str) -> None:
        """Ends the Pod's sidecar as soon as its trial has ended, as the operator would. Raises KeyError for others."""
        self._life(pod).finish()

    def log(self, pod: str) -> bytes | None:
        """What the Pod's trial has printed so far, as a kubelet tells it; None when it is gone."""
        return next((alive.log() for alive in self._lives.values() if alive.name == pod), None)

    async def runs(self, pod: str, seconds: float = 20) -> None:
        """Returns when the Pod's containers run; fails after `seconds`."""
        async with asyncio.timeout(seconds):
            while not any(alive.name == pod for alive in self._lives.values()):
                await self._change()
            await self._life(pod).runs.wait()

    async def arrival(self, expected: Callable[[fates.Attempt], bool], seconds: float = 20) -> fates.Attempt:
        """The first attempt so far, or to come, that is as `expected`; fails after `seconds`."""
        async with asyncio.timeout(seconds):
            while True:
                if found := next(filter(expected, self.attempts), None):
                    return found
                await self._change()

    async def clear(self, namespace: str) -> None:
        """Removes all Pods of the namespace at once, as after `kubectl delete --force`."""
        for pod in await self.api.list("Pod", namespace, fields=f"spec.nodeName={self.node.name}"):
            await self.api.delete("Pod", namespace, pod["metadata"]["name"], grace=0)

    async def may_end(self, attempt: fates.Attempt) -> None:
        """Returns when the order lets this attempt's trial end."""
        while self.lockstep is not None:
            seen = {other.number for other in self.attempts if other.job_uid == attempt.job_uid}
            if self.lockstep.may_end(attempt.number, seen, self._ended[attempt.job_uid]):
                return
            await self._change()

    def ended(self, attempt: fates.Attempt) -> None:
        """The attempt has ended, and its trial with it."""
        self._ended[attempt.job_uid].add(attempt.number)
        self._tell()

    def _life(self, pod: str) -> life.Life:
        for alive in self._lives.values():
            if alive.name == pod:
                return alive
        raise KeyError(f"no Pod {pod} runs on {self.node.name}")

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _change(self) -> None:
        await self._changed.wait()

    async def _watch(self) -> None:
        mine = {"fieldSelector": f"spec.nodeName={self.node.name}"}
        pods = client.path("Pod")
        while True:
            # Any interruption, a stopped API server too, means: list again and go on from there.
            with contextlib.suppress(client.RefusedError, aiohttp.ClientError, TimeoutError):
                listing = await self.api.call("GET", pods, query=mine)
                await self._reconcile(listing["items"])
                version = listing["metadata"]["resourceVersion"]
                async for event in self.api.watch(pods, {**mine, "resourceVersion": version}):
                    await self._see(event["object"], gone=event["type"] == "DELETED")
            await asyncio.sleep(RETRY_SECONDS)

    async def _reconcile(self, pods: list[client.Object]) -> None:
        present = {pod["metadata"]["uid"] for pod in pods}
        for uid in self._lives.keys() - present:
            await self._bury(uid)
        for pod in pods:
            await self._see(pod, gone=False)

    async def _see(self, pod: client.Object, *, gone: bool) -> None:
        uid = pod["metadata"]["uid"]
        if gone:
            await self._bury(uid)
        elif uid in self._lives:
            self._lives[uid].update(pod)
        elif uid not in self._refused and pod["status"]["phase"] == "Pending":
            self._admit(pod)
        self._tell()

    async def _bury(self, uid: str) -> None:
        if alive := self._lives.pop(uid, None):
            await alive.close()

    def _admit(self, pod: Mapping[str, Any]) -> None:
        try:
            attempt = fates.attempt(pod)
            course = self.script(attempt)
        except Exception as error:
            self._refused.add(pod["metadata"]["uid"])
            self.problems.append(f"Pod {pod['metadata']['name']} cannot be run as a trial: {error!r}")
            return
        self.attempts.append(attempt)
        self._lives[attempt.uid] = life.Life(self, pod, attempt, course, next(self._addresses))

    async def _remove_all(self) -> None:
        for pod in await self.api.list("Pod", fields=f"spec.nodeName={self.node.name}"):
            await self.api.delete("Pod", pod["metadata"]["namespace"], pod["metadata"]["name"], grace=0)


def _addresses() -> Iterator[str]:
    """Loopback addresses, of a network of this process: several test runs may share a machine."""
    network = 1 + os.getpid() % 250
    return (f"127.{network}.{third}.{fourth}" for third, fourth in itertools.product(range(1, 255), range(1, 255)))
