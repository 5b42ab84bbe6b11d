"""When what happened to each trial, on one clock: this machine's, read as the news arrives.

The API server's own times have a resolution of one second. So an object counts as there when a watch that has nothing
to do with the operator tells of it, and a call as made when it reaches the proxy. A watch tells late rather than
early, of beginnings and of ends alike.
"""

from __future__ import annotations

import asyncio
import datetime
import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tests.integration import audit, client, fates

FINISHED = frozenset({"Succeeded", "Failed", "Stopped"})
KINDS = ("TuningJob", "TuningTrial", "Pod")


class Stage(enum.StrEnum):
    """What happens to a job or to a trial."""

    SUBMITTED = "submitted"
    """The job is about to be sent to the API server."""
    COMPLETE = "complete"
    """The job's status says so."""

    CREATING = "creating"
    """The call that creates the trial has come."""
    CREATED = "created"
    """The trial exists."""
    STARTING = "starting"
    """The call that creates its Pod has come."""
    STARTED = "started"
    """Its Pod exists."""
    PROCESS_ENDED = "process-ended"
    """The Pod's status says that the trial's container has ended."""
    ENDED = "ended"
    """The Pod's status says that all its containers have, so the result is there."""
    RECORDING = "recording"
    """The call that records the trial's end has come."""
    RECORDED = "recorded"
    """The trial's status says so."""


Moments = Mapping[tuple[Stage, str], datetime.datetime]
"""When a stage of the named job or trial was first seen."""


class Timeline:
    """Watches the objects of one namespace."""

    def __init__(self, api: client.Client, namespace: str) -> None:
        self.moments: dict[tuple[Stage, str], datetime.datetime] = {}
        self.trials: dict[str, str] = {}
        """The job of each trial."""
        self._api = api
        self._namespace = namespace
        self._news = asyncio.Condition()

    async def watch(self) -> None:
        """Watches until cancelled. Raises what the API server refuses, as nothing may be missed."""
        async with asyncio.TaskGroup() as tasks:
            for kind in KINDS:
                tasks.create_task(self._watch(kind))

    async def submit(self, manifest: Mapping[str, Any]) -> None:
        """Creates a job."""
        self.moments[Stage.SUBMITTED, manifest["metadata"]["name"]] = now()
        await self._api.create(dict(manifest), self._namespace)

    async def reached(self, stage: Stage, name: str) -> None:
        """Returns when the job or trial has come to that stage."""
        async with self._news:
            await self._news.wait_for(lambda: (stage, name) in self.moments)

    async def _watch(self, kind: str) -> None:
        collection = client.path(kind, self._namespace)
        listing = await self._api.call("GET", collection)
        query = {"resourceVersion": listing["metadata"]["resourceVersion"]}
        async for event in self._api.watch(collection, query):
            moment = now()
            if kind == "TuningTrial":
                self.trials[event["object"]["metadata"]["name"]] = event["object"]["spec"]["job"]["name"]
            async with self._news:
                for key in stages(kind, event["object"]):
                    self.moments.setdefault(key, moment)
                self._news.notify_all()
        raise RuntimeError(f"the API server ended the watch of {collection}")


def stages(kind: str, body: Mapping[str, Any]) -> Iterator[tuple[Stage, str]]:
    """The stages that an object has come to."""
    name, status = body["metadata"]["name"], body.get("status") or {}
    match kind:
        case "TuningJob" if status.get("phase") in ("Complete", "Failed"):
            yield Stage.COMPLETE, name
        case "TuningTrial":
            yield Stage.CREATED, name
            if status.get("phase") in FINISHED:
                yield Stage.RECORDED, name
        case "Pod":
            trial = body["metadata"]["ownerReferences"][0]["name"]
            yield Stage.STARTED, trial
            ended = {item["name"]: "terminated" in item["state"] for item in status.get("containerStatuses") or []}
            if ended.get(fates.trial_container(body)["name"]):
                yield Stage.PROCESS_ENDED, trial
            if ended and all(ended.values()):
                yield Stage.ENDED, trial


def calls(made: Iterable[audit.Call]) -> dict[tuple[Stage, str], datetime.datetime]:
    """When the operator's calls came."""
    moments: dict[tuple[Stage, str], datetime.datetime] = {}
    for call in made:
        if call.writes and (key := _stage(call)) is not None:
            moments.setdefault(key, call.time)
    return moments


def _stage(call: audit.Call) -> tuple[Stage, str] | None:
    if "dryRun" in call.query:
        return None
    match call.verb, call.path.rsplit("/", 3), call.object():
        case "create", [*_, "pods"], {"metadata": {"ownerReferences": [{"name": trial}]}}:
            return Stage.STARTING, trial
        case "create", [*_, "tuningtrials"], {"metadata": {"name": trial}}:
            return Stage.CREATING, trial
        case "patch", [_, "tuningtrials", trial, "status"], [*_, {"path": "/status", "value": {"phase": phase}}]:
            return (Stage.RECORDING, trial) if phase in FINISHED else None
        case _:
            return None


def now() -> datetime.datetime:
    """The time of all moments."""
    return datetime.datetime.now(datetime.UTC)
