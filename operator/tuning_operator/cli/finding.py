"""Where the job is that somebody names: a manifest that was run here, a folder, a file from kubectl, or the cluster."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuning_operator.api import errors
from tuning_operator.cli import manifests
from tuning_operator.local import folder, reading
from tuning_operator.report import objects, view, weights

STATE = ".tuning"


class Lost(Exception):
    """The job cannot be found or read; the message says why and what to do."""


def look(name: str, *, namespace: str = "", state: Path | None = None) -> view.View:
    """The job as it is now, with the importance of its parameters. Raises Lost.

    `name` is the file of a manifest that was run here, the folder of such a job, a file that ``kubectl get tj,tt -o yaml``
    has written (or ``-``), or the name of a job: of one that was run here, or else of one on the cluster.
    """
    seen = _found(name, namespace, state)
    job = view.of(seen.snapshot, namespace=seen.namespace, created=seen.created)
    if job.importance:
        return job
    shares, note = weights.importance(job)
    return view.of(
        seen.snapshot, namespace=seen.namespace, created=seen.created, importance=shares, importance_note=note
    )


def _found(name: str, namespace: str, state: Path | None) -> objects.Found:
    path = Path(name)
    if name == manifests.STANDARD_INPUT or (not namespace and _is_file(path)):
        return _file(name, state)
    here = path if (path / "job.json").is_file() else (state or Path(STATE)) / name
    if not namespace and (here / "job.json").is_file():
        return _local(here)
    if "/" in name and not namespace:
        namespace, _, name = name.partition("/")
    if "/" in name or path.suffix in (".yaml", ".yml", ".json"):
        raise Lost(f"{name}: there is no such file; name a manifest that was run here, or a job")
    return asyncio.run(_cluster(name, namespace))


def _file(source: str, state: Path | None) -> objects.Found:
    try:
        documents = manifests.read(source)
    except errors.SpecError as error:
        raise Lost("\n".join(manifests.lines(source, error.problems))) from None
    jobs, trials = objects.jobs(documents)
    if len(jobs) != 1:
        mend = "write kubectl get tuningjob/NAME tuningtrials -o yaml into it" if not jobs else "leave one"
        raise Lost(f"{manifests.label(source)}: there are {len(jobs)} TuningJobs in it; {mend}")
    if "uid" in (jobs[0].get("metadata") or {}):
        return _checked(source, jobs[0], trials)
    name = str((jobs[0].get("metadata") or {}).get("name", ""))
    home = (state or manifests.folder(source) / STATE) / name
    if not (home / "job.json").is_file():
        raise Lost(
            f"{manifests.label(source)}: {name} was not run here yet (nothing in {home}); tuningctl run {source}"
        )
    return _local(home)


def _checked(source: str, owner: Mapping[str, Any], trials: list[Mapping[str, Any]]) -> objects.Found:
    try:
        return objects.found(owner, trials, _now())
    except objects.Unreadable as error:
        raise Lost(f"{manifests.label(source)}: not understood: {error}") from None


def _local(path: Path) -> objects.Found:
    try:
        return objects.Found(reading.snapshot(folder.Folder(path.absolute()), _now()))
    except folder.FolderError as error:
        raise Lost(str(error)) from None


async def _cluster(name: str, namespace: str) -> objects.Found:
    from tuning_operator.kube import client, names

    try:
        api = await client.Api.connect()
    except client.Unconfigured as error:
        raise Lost(f"{name} was not run here (there is no {STATE}/{name}), and {error}") from None
    try:
        namespace = namespace or _namespace()
        owner = await api.get(names.jobs_path(namespace, name))
        trials = [
            one
            async for page, _ in api.pages(
                names.trials_path(namespace), f"{names.JOB_UID_LABEL}={owner['metadata']['uid']}"
            )
            for one in page
        ]
        return objects.found(owner, trials, _now())
    except client.NotFound:
        raise Lost(
            f"there is no TuningJob {name} in namespace {namespace}; name another one with --namespace"
        ) from None
    except client.ApiError as error:
        raise Lost(f"the API server refused: {error.message}") from None
    except (OSError, TimeoutError) as error:
        raise Lost(f"the API server does not answer: {error}; is KUBECONFIG right?") from None
    except objects.Unreadable as error:
        raise Lost(f"{name}: not understood: {error}") from None
    finally:
        await api.close()


def _namespace() -> str:
    """The namespace of the kubeconfig's context."""
    from kubernetes.aio import config

    try:
        _, active = config.list_kube_config_contexts()  # type: ignore[no-untyped-call]
        return str(active["context"].get("namespace") or "default")
    except (config.ConfigException, OSError, KeyError, TypeError):
        return "default"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
