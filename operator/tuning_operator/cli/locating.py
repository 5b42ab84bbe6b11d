"""Where the job is that somebody names: on this machine, where it was run, in a file from kubectl, or on a cluster."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tuning_operator.cli import manifests
from tuning_operator.cli.status import Failure, Status
from tuning_operator.local import folder, reading
from tuning_operator.report import objects

if TYPE_CHECKING:
    from tuning_operator.cluster import access

STATE = ".tuning"


@dataclasses.dataclass(frozen=True, slots=True)
class Where:
    """What the command line says of a job.

    `name` is the manifest of a job that was run here, its folder, a file that ``kubectl get tj,tt -o yaml`` has written
    (or ``-``), or the name of a job: of one that was run here, or else of one on a cluster. A namespace (also
    NAMESPACE/NAME) or a context means the cluster.
    """

    name: str
    namespace: str = ""
    context: str = ""
    state: Path | None = None


class Source(Protocol):
    """A job that can be looked at again and again."""

    async def look(self) -> objects.Found:
        """The job as it is now. Raises trouble.Trouble or Failure."""


class Local:
    """A job that was run on this machine."""

    def __init__(self, home: folder.Folder) -> None:
        self.home = home

    async def look(self) -> objects.Found:
        """As it was last stored."""
        try:
            return objects.Found(reading.snapshot(self.home, _now()))
        except folder.FolderError as error:
            raise Failure(Status.REFUSED, str(error)) from None


class Saved:
    """A job and its trials as kubectl has written them into a file."""

    def __init__(self, place: str, body: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> None:
        self._place = place
        self._body = body
        self._trials = trials

    async def look(self) -> objects.Found:
        """As it is in the file."""
        return understood(self._body, self._trials, self._place)


class Remote:
    """A job on a cluster."""

    def __init__(self, cluster: access.Cluster, name: str) -> None:
        self.cluster = cluster
        self.name = name
        self.body: dict[str, Any] = {}
        """The TuningJob as it was last seen."""

    async def look(self) -> objects.Found:
        """The job and its trials."""
        self.body = await self.cluster.job(self.name)
        return understood(self.body, await self.cluster.trials(self.body["metadata"]["uid"]), self.name)


def understood(body: Mapping[str, Any], trials: Sequence[Mapping[str, Any]], place: str) -> objects.Found:
    """The objects as a job. Raises Failure for what is none, or was written by another version."""
    try:
        return objects.found(body, trials, _now())
    except objects.Unreadable as error:
        raise Failure(Status.REFUSED, f"{place}: not understood: {error}; was another version at work?") from None


@contextlib.asynccontextmanager
async def source(where: Where) -> AsyncIterator[Local | Saved | Remote]:
    """The job that is named. Raises Failure, SpecError and trouble.Trouble."""
    if (here := _here(where)) is not None:
        yield here
    else:
        async with _remote(where) as found:
            yield found


@contextlib.asynccontextmanager
async def remote(where: Where, change: str) -> AsyncIterator[Remote]:
    """The job on a cluster; `change` is what is to be done with it, which needs one."""
    if _here(where) is not None:
        mend = "edit the manifest and run it again: tuningctl run goes on where the job was left"
        raise Failure(Status.REFUSED, f"{where.name} is no job on a cluster, and only those {change}; {mend}")
    async with _remote(where) as found:
        yield found


@contextlib.asynccontextmanager
async def _remote(where: Where) -> AsyncIterator[Remote]:
    from tuning_operator.cluster import access

    namespace, _, name = where.name.rpartition("/")
    if "/" in namespace or Path(name).suffix in (".yaml", ".yml", ".json"):
        message = f"{where.name}: there is no such file; name a manifest that was run here, or a job"
        raise Failure(Status.ABSENT, message)
    async with access.connect(where.context, where.namespace or namespace) as cluster:
        yield Remote(cluster, name)


def _here(where: Where) -> Local | Saved | None:
    """The job in a file or on this machine; None where the cluster is meant."""
    if where.namespace or where.context:
        return None
    path = Path(where.name)
    if where.name == manifests.STANDARD_INPUT or _is_file(path):
        return _file(where)
    homes = (path, (where.state or Path(STATE)) / where.name)
    home = next((home for home in homes if _is_file(home / "job.json")), None)
    return Local(folder.Folder(home.absolute())) if home is not None else None


def _file(where: Where) -> Local | Saved:
    """What a file holds: a job from a cluster, or the manifest of one that was run here."""
    place = manifests.label(where.name)
    jobs, trials = objects.jobs(manifests.read(where.name))
    if len(jobs) != 1:
        mend = "write kubectl get tuningjob/NAME tuningtrials -o yaml into it" if not jobs else "leave one"
        raise Failure(Status.REFUSED, f"{place}: there are {len(jobs)} TuningJobs in it; {mend}")
    metadata = jobs[0].get("metadata") or {}
    if "uid" in metadata:
        return Saved(place, jobs[0], trials)
    home = (where.state or manifests.folder(where.name) / STATE) / str(metadata.get("name", ""))
    if not _is_file(home / "job.json"):
        message = f"{place}: it was not run here yet (nothing in {home}); tuningctl run {where.name}"
        raise Failure(Status.ABSENT, message)
    return Local(folder.Folder(home.absolute()))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
