"""The faults of a campaign: what may break, and how each is brought about and mended."""

from __future__ import annotations

import asyncio
import enum
import os
import pathlib
import random
import signal
import subprocess

from tests.integration import audit, zygote

SCRIPT = pathlib.Path(__file__).parents[2] / "tests" / "cluster" / "cluster"
SLOW_SECONDS = 2.0
PAUSE_SECONDS = (0.5, 3.0)
OUTAGE_SECONDS = 2.0


class Fault(enum.StrEnum):
    """What breaks."""

    KILL_OPERATOR = "operator killed"
    PAUSE_OPERATOR = "operator paused"
    SECOND_OPERATOR = "second operator at once"
    DROP_BEFORE = "call lost on its way"
    DROP_AFTER = "answer lost on its way"
    CONFLICT = "409"
    BUSY = "429"
    BROKEN = "500"
    SLOW = "call takes 2 s"
    CUT = "watches cut"
    APISERVER = "apiserver killed"
    ETCD = "etcd killed"
    CONTROLLERS = "controller manager killed"
    SCHEDULER = "scheduler killed"

    @property
    def component(self) -> str:
        """The cluster's component that is killed; empty for other faults."""
        return COMPONENTS.get(self, "")


COMPONENTS = {Fault.APISERVER: "apiserver", Fault.ETCD: "etcd", Fault.CONTROLLERS: "kcm", Fault.SCHEDULER: "scheduler"}
CALLS = {
    Fault.DROP_BEFORE: audit.Fault.DROP_BEFORE,
    Fault.DROP_AFTER: audit.Fault.DROP_AFTER,
    Fault.CONFLICT: audit.Fault.CONFLICT,
    Fault.BUSY: audit.Fault.BUSY,
    Fault.BROKEN: audit.Fault.BROKEN,
}
WEIGHTS = {
    Fault.KILL_OPERATOR: 6,
    Fault.PAUSE_OPERATOR: 2,
    Fault.SECOND_OPERATOR: 1,
    **dict.fromkeys(CALLS, 5),
    Fault.SLOW: 3,
    Fault.CUT: 3,
    **dict.fromkeys(COMPONENTS, 1),
}


class Troublemaker:
    """Brings faults about, and counts those that were met."""

    def __init__(self, proxy: audit.Proxy, operators: zygote.Zygote, dice: random.Random, *, components: bool) -> None:
        self._proxy = proxy
        self._operators = operators
        self._dice = dice
        self._kinds = [fault for fault in Fault if components or not fault.component]
        self._waiting: list[Fault] = []
        self.met: list[Fault] = []
        proxy.on_call = self._call

    async def next(self) -> None:
        """One fault; what is broken for a while is whole again on return."""
        (fault,) = self._dice.choices(self._kinds, [WEIGHTS[kind] for kind in self._kinds])
        if fault in CALLS or fault is Fault.SLOW:
            self._waiting.append(fault)
            return
        self.met.append(fault)
        match fault:
            case Fault.KILL_OPERATOR:
                self._operators.kill()
                await self._operators.fork()
            case Fault.SECOND_OPERATOR:
                await self._operators.fork()
            case Fault.PAUSE_OPERATOR:
                for pid in self._operators.pids:
                    os.kill(pid, signal.SIGSTOP)
                await asyncio.sleep(self._dice.uniform(*PAUSE_SECONDS))
                for pid in self._operators.pids:
                    os.kill(pid, signal.SIGCONT)
            case Fault.CUT:
                self._proxy.cut()
            case _:
                await asyncio.to_thread(_cluster, "kill", fault.component)
                await asyncio.sleep(OUTAGE_SECONDS)
                await asyncio.to_thread(_cluster, "start", fault.component)

    def rest(self) -> None:
        """Nothing breaks any more."""
        self._waiting.clear()

    async def _call(self, call: audit.Call) -> audit.Fault | None:
        """The proxy asks this before each call: the next fault that waits for one meets it."""
        if not self._waiting or call.verb == "watch":
            return None
        if self._waiting[0] in (Fault.DROP_AFTER, Fault.CONFLICT) and not call.writes:
            return None
        fault = self._waiting.pop(0)
        self.met.append(fault)
        if fault is Fault.SLOW:
            await asyncio.sleep(SLOW_SECONDS)
            return None
        return CALLS[fault]


def _cluster(*command: str) -> None:
    subprocess.run([SCRIPT, *command], check=True, capture_output=True, stdin=subprocess.DEVNULL)
