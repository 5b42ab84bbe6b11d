"""Commands that change something on the cluster: create, suspend, resume, extend, stop, rerun."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

from tuning_operator.api.errors import Problem, SpecError
from tuning_operator.api.job import JobPhase
from tuning_operator.cli import extending, locating, manifests, rerunning, tables, trials, watching
from tuning_operator.cli.status import Failure, Status
from tuning_operator.cluster import access
from tuning_operator.report import objects
from tuning_operator.tuner import admission


@dataclasses.dataclass(frozen=True, slots=True)
class Patience:
    """Whether to wait for what was begun, and for how long."""

    wait: bool = False
    timeout: str = ""


async def create(sources: list[str], namespace: str, context: str, name: str, dry_run: bool, patience: Patience) -> int:
    """`tuningctl create`."""
    wanted = [document for source in sources for document in _admitted(source)]
    if name and len(wanted) > 1:
        raise Failure(Status.REFUSED, f"--name is for one job, and these are {len(wanted)}")
    status: int = Status.DONE
    made: list[tuple[access.Cluster, str]] = []
    for document in wanted:
        metadata = document["metadata"]
        async with access.connect(context, namespace or str(metadata.get("namespace") or "")) as cluster:
            body = {
                **document,
                "metadata": {**metadata, "name": name or metadata["name"], "namespace": cluster.namespace},
            }
            await _create(cluster, body, dry_run)
            made.append((cluster, body["metadata"]["name"]))
            if patience.wait and not dry_run:
                found = await watching.follow(locating.Remote(*made[-1]), patience.timeout, sys.stdout)
                status = max(status, found)
    return status


def _admitted(source: str) -> list[dict[str, Any]]:
    documents: list[dict[str, Any]] = []
    for document in manifests.read(source):
        try:
            admission.admit(document)
        except SpecError as error:
            place = manifests.label(source)
            raise SpecError(
                Problem(f"{place}: {problem.field}", problem.message, problem.mend) for problem in error.problems
            ) from None
        documents.append(document)
    return documents


async def _create(cluster: access.Cluster, body: Mapping[str, Any], dry_run: bool) -> None:
    await cluster.create(body, dry_run=dry_run)
    name = body["metadata"]["name"]
    how = "would be created" if dry_run else "created"
    tables.write(f"tuningjob {name} {how} in namespace {cluster.namespace}\n")


async def suspend(where: locating.Where, patience: Patience) -> int:
    """`tuningctl suspend`."""
    async with locating.remote(where, "can be suspended") as source:
        job = (await source.look()).snapshot.job
        if job.status.phase.is_finished():
            raise Failure(Status.REFUSED, f"{job.name} is finished ({job.status.phase}); there is nothing to suspend")
        return await _change(source, {"suspend": True}, "suspended", patience, _suspended)


async def resume(where: locating.Where, patience: Patience) -> int:
    """`tuningctl resume`."""
    async with locating.remote(where, "can be resumed") as source:
        job = (await source.look()).snapshot.job
        if not (job.spec.suspend or job.spec.stop):
            state = f"{job.name} is {job.status.phase.lower()}, neither suspended nor stopped"
            mend = "; tuningctl extend gives it more" if job.status.phase.is_finished() else ""
            raise Failure(Status.REFUSED, state + mend)
        return await _change(source, {"suspend": False, "stop": False}, "resumed", patience)


async def stop(where: locating.Where, patience: Patience) -> int:
    """`tuningctl stop`."""
    async with locating.remote(where, "can be stopped") as source:
        job = (await source.look()).snapshot.job
        if job.status.phase.is_finished():
            tables.write(f"tuningjob {job.name} is finished already ({job.status.phase})\n")
            return Status.DONE
        return await _change(source, {"stop": True, "suspend": False}, "stopped", patience, _ended)


async def extend(where: locating.Where, wish: extending.Wish, patience: Patience) -> int:
    """`tuningctl extend`."""
    async with locating.remote(where, "can be extended") as source:
        snapshot = (await source.look()).snapshot
        limits = extending.limits(snapshot, wish)
        told = ", ".join(f"limits.{name} is {value}" for name, value in limits.items())
        change = {"limits": limits, **({"stop": False} if snapshot.job.spec.stop else {})}
        return await _change(source, change, f"extended: {told}", patience)


async def rerun(where: locating.Where, number: str, times: int, name: str, show: bool, patience: Patience) -> int:
    """`tuningctl rerun`."""
    async with locating.source(where) as source:
        found = await source.look()
        item = trials.named(found.snapshot, number)
        body = rerunning.manifest(found.snapshot.job, item, times, found.namespace, name)
        if show or not isinstance(source, locating.Remote):
            tables.write(tables.document(body, "yaml"))
            return Status.DONE
        await _create(source.cluster, body, dry_run=False)
        if not patience.wait:
            return Status.DONE
        again = locating.Remote(source.cluster, body["metadata"]["name"])
        return await watching.follow(again, patience.timeout, sys.stdout)


async def _change(
    source: locating.Remote,
    change: Mapping[str, Any],
    word: str,
    patience: Patience,
    done: Any = None,
) -> int:
    """Changes the job's spec. Waits, if asked to, until `done`, or else until the job has ended."""
    await source.cluster.change(source.body, change)
    tables.write(f"tuningjob {source.name} {word}\n")
    if not patience.wait:
        return Status.DONE
    if done is None:
        return await watching.follow(source, patience.timeout, sys.stdout)
    await watching.until(source, done, patience.timeout)
    return Status.DONE


def _ended(found: objects.Found) -> bool:
    return found.snapshot.job.status.phase.is_finished()


def _suspended(found: objects.Found) -> bool:
    """Whether nothing of the job runs any more."""
    status = found.snapshot.job.status
    return status.phase is JobPhase.SUSPENDED and not status.trials.running
