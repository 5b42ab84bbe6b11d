"""Jobs with a past: finished trials and finished jobs, written as the operator would have left them."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Coroutine, Iterable
from typing import Any

from tests import builders
from tests.integration import client

from tuning_operator.kube import names
from tuning_operator.tuner import basis

AT_ONCE = 24
BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


async def job(api: client.Client, namespace: str, manifest: client.Object, trials: int) -> None:
    """Creates a suspended job, and its first `trials` trials with their results."""
    manifest["spec"]["suspend"] = True
    owner = await api.create(manifest, namespace)
    await _together(_trial(api, namespace, owner, number) for number in range(trials))


async def _trial(api: client.Client, namespace: str, owner: client.Object, number: int) -> None:
    metadata = owner["metadata"]
    name = names.trial(metadata["name"], metadata["uid"], number)
    reference = {"apiVersion": owner["apiVersion"], "kind": "TuningJob", "name": metadata["name"]}
    known = basis.encode(range(number))
    body = {
        "apiVersion": owner["apiVersion"],
        "kind": "TuningTrial",
        "metadata": {
            "name": name,
            "labels": {names.JOB_LABEL: metadata["name"], names.JOB_UID_LABEL: metadata["uid"]},
            "ownerReferences": [{**reference, "uid": metadata["uid"], "controller": True}],
        },
        "spec": {
            "job": {"name": metadata["name"], "uid": metadata["uid"]},
            "number": number,
            "parameters": {"x": (number * 0.618) % 1},
            "origin": "random",
            **({"basedOn": known} if known else {}),
        },
    }
    moment = (BEGIN + datetime.timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%SZ")
    value = 0.5 + (number % 97) / 1000
    status = {
        "phase": "Succeeded",
        "values": {"accuracy": value},
        "metrics": [{"metric": "accuracy", "count": 1, "last": value, "min": value, "max": value, "mean": value}],
        "attempts": [{"number": 1, "phase": "Succeeded", "startTime": moment, "completionTime": moment, "exitCode": 0}],
        "startTime": moment,
        "completionTime": moment,
    }
    await api.create(body, namespace)
    await api.patch("TuningTrial", namespace, name, {"status": status}, subresource="status")


async def finished(api: client.Client, namespace: str, count: int, placement: client.Object) -> None:
    """Creates jobs that are complete."""
    await _together(_finished(api, namespace, index, placement) for index in range(count))


async def _finished(api: client.Client, namespace: str, index: int, placement: client.Object) -> None:
    name, moment = f"idle-{index}", BEGIN.strftime("%Y-%m-%dT%H:%M:%SZ")
    await api.create(builders.job(name, algorithm="random", trials=1, placement=placement), namespace)
    done = {
        "type": "Complete",
        "status": "True",
        "reason": "MaxTrialsReached",
        "message": "all 1 trials are finished",
        "lastTransitionTime": moment,
        "observedGeneration": 1,
    }
    status = {"phase": "Complete", "conditions": [done], "observedGeneration": 1, "completionTime": moment}
    await api.patch("TuningJob", namespace, name, {"status": status}, subresource="status")


async def _together(calls: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All calls, a few at once."""
    waiting = iter(calls)

    async def work() -> None:
        for call in waiting:
            await call

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())
