"""`tune`: a function of Python's becomes a job, here or on a cluster."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from tuning_operator.api import manifest as manifests
from tuning_operator.cli import locating
from tuning_operator.local import folder
from tuning_operator.sdk import background, building, portal, shipping, spaces
from tuning_operator.sdk.handles import Job

PROGRAM = "trial.py"
CODE = "/tuning-code"
LARGEST = 700_000
"""Bytes of code and data; Kubernetes takes a mebibyte in all, and data that is no text grows by a third."""


def tune(
    function: Callable[..., float | Mapping[str, float] | None],
    parameters: Any,
    objective: str = "objective",
    *,
    goal: Literal["maximize", "minimize"] = "maximize",
    trials: int | None = 20,
    parallel: int = 1,
    where: Literal["local", "cluster"] = "local",
    image: str = "",
    requirements: Sequence[str] = (),
    resources: Mapping[str, Any] | None = None,
    name: str = "",
    namespace: str = "",
    context: str = "",
    state: str | Path = locating.STATE,
    wait: bool = True,
    progress: bool = True,
    **settings: Any,
) -> Job:
    """Tunes a function: each trial calls it with a configuration, in a process or a Pod of its own.

    The function returns the objective, or several metrics by name, or reports them itself with `tuning_trial` and
    returns None. Its source is what runs, with the imports, helpers and constants that it uses. `parameters` is as for
    `space`; `settings` are further arguments of `manifest`, such as target, duration, algorithm, seed, stopping.

    On a cluster the source goes into a ConfigMap of the job's own; `image` says where it runs, and `requirements` what
    pip installs there first. On this machine it runs with this Python; a job of the same `name` goes on where it was
    left. Raises SpaceError, ShippingError, SpecError and, when it waits, what `Job.wait` raises.
    """
    space = parameters if isinstance(parameters, spaces.Space) else spaces.space(parameters)
    if where == "cluster" and not image:
        raise ValueError("image: on a cluster a trial needs an image with Python; write one such as python:3.13-slim")
    name = name or f"{named(function)}-{uuid.uuid4().hex[:6]}"
    program = shipping.program(function, space, objective, requirements if where == "cluster" else ())
    template = pod(name, image, resources) if where == "cluster" else process(state, name)
    document = building.manifest(
        name,
        space,
        template,
        objective=objective,
        goal=goal,
        trials=trials,
        parallel=min(parallel, trials) if trials else parallel,
        namespace=namespace,
        **settings,
    )
    files = {PROGRAM: program.encode()}
    job = (
        submit(document, files, space, namespace, context)
        if where == "cluster"
        else begin(document, files, space, state)
    )
    return job.wait(progress=progress) if wait else job


async def tune_async(function: Callable[..., Any], parameters: Any, objective: str = "objective", **fields: Any) -> Job:
    """`tune` for coroutines; the arguments are the same. With ``wait=False`` it returns once the job has begun."""
    wait = fields.pop("wait", True)
    job = await asyncio.to_thread(tune, function, parameters, objective, **{**fields, "wait": False})
    return await job.wait_async() if wait else job


def named(function: Callable[..., Any]) -> str:
    """The beginning of a job's name."""
    return re.sub(r"[^a-z0-9]+", "-", getattr(function, "__name__", "job").lower()).strip("-") or "job"


def process(state: str | Path, name: str) -> dict[str, Any]:
    """The template of a trial on this machine."""
    program = Path(state).absolute() / name / PROGRAM
    container = {"name": "trial", "image": "local", "command": ["python3", str(program)]}
    return {"spec": {"containers": [container]}}


def pod(name: str, image: str, resources: Mapping[str, Any] | None) -> dict[str, Any]:
    """The template of a trial on a cluster, with the job's files mounted at `CODE`."""
    container = {
        "name": "trial",
        "image": image,
        "command": ["python3", f"{CODE}/{PROGRAM}"],
        "volumeMounts": [{"name": "tuning-code", "mountPath": CODE, "readOnly": True}],
        **({"resources": dict(resources)} if resources else {}),
    }
    volume = {"name": "tuning-code", "configMap": {"name": _code(name)}}
    return {"spec": {"containers": [container], "volumes": [volume]}}


def _code(name: str) -> str:
    return f"{name}-code"


def begin(
    document: dict[str, Any], files: Mapping[str, bytes], space: spaces.Space, state: str | Path = locating.STATE
) -> Job:
    """Starts a job on this machine; `files` are put into its folder, where a trial finds its program."""
    place = Path(state).absolute() / document["metadata"]["name"]
    home = folder.Folder(place)
    home.lock()
    try:
        for name, data in files.items():
            (place / name).write_bytes(data)
        running = background.Background(manifests.parse(document), home, Path.cwd(), None)
    except BaseException:
        home.unlock()
        raise
    return Job(locating.Where(str(place)), space, running)


def submit(
    document: dict[str, Any], files: Mapping[str, bytes], space: spaces.Space, namespace: str = "", context: str = ""
) -> Job:
    """Creates a job on a cluster; `files` go into a ConfigMap of its own, which trials find at `CODE`."""
    size = sum(map(len, files.values()))
    if size > LARGEST:
        mend = "read it in the trial from a volume or the network, or run it with where='local'"
        raise ValueError(f"code and data have {size:,} bytes, and a ConfigMap holds {LARGEST:,}; {mend}")
    return Job(portal.run(_created(document, files, namespace, context)), space)


async def _created(
    document: Mapping[str, Any], files: Mapping[str, bytes], namespace: str, context: str
) -> locating.Where:
    """Creates the files and the job. Without the job the files do not stay."""
    from tuning_operator.cluster import access

    name = document["metadata"]["name"]
    async with access.connect(context, namespace) as cluster:
        code = await cluster.create_config_map(_code(name), files)
        try:
            job = await cluster.create({**document, "metadata": {"name": name, "namespace": cluster.namespace}})
        except BaseException:
            await cluster.remove_config_map(code)
            raise
        await cluster.hand_over(code, job)
        return locating.Where(name, cluster.namespace, context)
