"""What a kubelet writes into a Pod's status, as pure functions.

Every shape here was copied from a real kubelet (1.20, containerd) and is compared with one in the tests. The fake
stands or falls with it: an operator that is tested against invented statuses is not tested.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Waiting:
    """A container that does not run yet."""

    reason: str = "ContainerCreating"
    message: str = ""


@dataclasses.dataclass(frozen=True)
class Running:
    """A container that runs."""

    since: datetime.datetime


@dataclasses.dataclass(frozen=True)
class Terminated:
    """A container that has ended."""

    since: datetime.datetime
    until: datetime.datetime
    exit_code: int = 0
    reason: str = ""
    message: str = ""


State = Waiting | Running | Terminated


@dataclasses.dataclass(frozen=True)
class Sandbox:
    """A Pod on its node. `addressed` is set as soon as its network exists."""

    pod: Mapping[str, Any]
    ip: str
    host_ip: str
    start: datetime.datetime
    states: Mapping[str, State]
    ready_since: datetime.datetime
    """When readiness last changed."""
    addressed: bool = False

    @classmethod
    def admit(cls, pod: Mapping[str, Any], ip: str, host_ip: str, now: datetime.datetime) -> Sandbox:
        """A Pod that the kubelet has just taken in."""
        names = [container["name"] for container in pod["spec"]["containers"]]
        return cls(pod, ip, host_ip, now, {name: Waiting() for name in names}, now)

    def become(self, now: datetime.datetime, states: Mapping[str, State]) -> Sandbox:
        """The same Pod with these containers in another state."""
        after = dataclasses.replace(self, states={**self.states, **states}, addressed=True)
        return after if after.is_ready() == self.is_ready() else dataclasses.replace(after, ready_since=now)

    def is_ready(self) -> bool:
        """Whether all containers run."""
        return all(isinstance(state, Running) for state in self.states.values())

    def phase(self) -> str:
        """The Pod's phase, for restartPolicy Never."""
        states = self.states.values()
        if any(isinstance(state, Waiting) for state in states):
            return "Pending"
        if any(isinstance(state, Running) for state in states):
            return "Running"
        return (
            "Succeeded" if all(isinstance(state, Terminated) and not state.exit_code for state in states) else "Failed"
        )

    def end(self, now: datetime.datetime, name: str, exit_code: int, reason: str = "", message: str = "") -> Terminated:
        """The state of a container that ends now; its reason is Completed or Error where nothing else is said."""
        state = self.states[name]
        since = state.since if isinstance(state, Running) else now
        return Terminated(since, now, exit_code, reason or ("Error" if exit_code else "Completed"), message)


def report(sandbox: Sandbox) -> Object:
    """The status as a strategic merge patch: None for what is to vanish, conditions of others left alone."""
    status: Object = {
        "phase": sandbox.phase(),
        "hostIP": sandbox.host_ip,
        "startTime": _time(sandbox.start),
        "conditions": _conditions(sandbox),
        "containerStatuses": [
            _container(sandbox, container)
            for container in sorted(sandbox.pod["spec"]["containers"], key=lambda container: str(container["name"]))
        ],
    }
    if sandbox.addressed:
        status |= {"podIP": sandbox.ip, "podIPs": [{"ip": sandbox.ip}]}
    return status


def evicted(sandbox: Sandbox, message: str) -> Object:
    """A Pod that the kubelet has evicted, up to 1.21: nothing is left but the reason."""
    return {
        "$patch": "replace",
        "phase": "Failed",
        "reason": "Evicted",
        "message": message,
        "startTime": _time(sandbox.start),
    }


def evicted_with_status(sandbox: Sandbox, now: datetime.datetime, message: str) -> Object:
    """A Pod that the kubelet has evicted, from 1.26 on: its containers' ends and a condition stay."""
    return report(sandbox) | {
        "phase": "Failed",
        "reason": "Evicted",
        "message": message,
        "conditions": [*_conditions(sandbox), disruption(now, "TerminationByKubelet", message)],
    }


def disruption(now: datetime.datetime, reason: str, message: str) -> Object:
    """The condition that tells a disruption from a failure of the Pod's own, from 1.26 on."""
    return {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": _time(now),
    }


def unresponsive(sandbox: Sandbox, node: str, now: datetime.datetime) -> Object:
    """What the node controller writes when the node has fallen silent; the containers' states stay as last seen."""
    name = sandbox.pod["metadata"]["name"]
    lost = {"type": "Ready", "status": "False", "reason": None, "message": None, "lastTransitionTime": _time(now)}
    return {
        "reason": "NodeLost",
        "message": f"Node {node} which was running pod {name} is unresponsive",
        "conditions": [
            lost,
            disruption(now, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint"),
        ],
    }


def _conditions(sandbox: Sandbox) -> list[Object]:
    completed = sandbox.phase() == "Succeeded"
    unready = [name for name, state in sandbox.states.items() if not isinstance(state, Running)]
    reason, message = None, None
    if completed:
        reason = "PodCompleted"
    elif unready:
        reason, message = "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"
    readiness = {
        "status": "False" if unready else "True",
        "reason": reason,
        "message": message,
        "lastProbeTime": None,
        "lastTransitionTime": _time(sandbox.ready_since),
    }
    return [
        {
            "type": "Initialized",
            "status": "True",
            "reason": "PodCompleted" if completed else None,
            "lastProbeTime": None,
            "lastTransitionTime": _time(sandbox.start),
        },
        {"type": "Ready", **readiness},
        {"type": "ContainersReady", **readiness},
    ]


def _container(sandbox: Sandbox, container: Mapping[str, Any]) -> Object:
    name = container["name"]
    state = sandbox.states[name]
    created = not isinstance(state, Waiting)
    identity = _id(f"{sandbox.pod['metadata']['uid']}/{name}") if created else ""
    return {
        "name": name,
        "image": container["image"],
        "imageID": f"sha256:{_id(container['image'])}" if created else "",
        **({"containerID": f"containerd://{identity}"} if created else {}),
        "ready": isinstance(state, Running),
        "started": isinstance(state, Running),
        "restartCount": 0,
        "lastState": {},
        "state": _state(state, identity),
    }


def _state(state: State, identity: str) -> Object:
    match state:
        case Waiting(reason, message):
            return {"waiting": {"reason": reason} | ({"message": message} if message else {})}
        case Running(since):
            return {"running": {"startedAt": _time(since)}}
        case Terminated(since, until, exit_code, reason, message):
            ended = {
                "exitCode": exit_code,
                "reason": reason,
                "startedAt": _time(since),
                "finishedAt": _time(until),
                "containerID": f"containerd://{identity}",
            }
            return {"terminated": ended | ({"message": message} if message else {})}


def _id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _time(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
