"""One connection of a person's to one cluster, and what can go wrong with it, in words that a person can act on."""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

from kubernetes.aio import client as library
from kubernetes.aio import config

from tuning_operator.cluster.trouble import Kind, Trouble
from tuning_operator.kube import client, names

Object = dict[str, Any]

IN_CLUSTER = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Cluster:
    """Jobs and trials of one namespace (or, where a call says so, of all)."""

    def __init__(self, api: client.Api, namespace: str, context: str) -> None:
        self._api = api
        self.namespace = namespace
        self.context = context

    async def job(self, name: str) -> Object:
        """A TuningJob."""
        with self._told(f"TuningJob {name}", "get"):
            return await self._api.get(names.jobs_path(self.namespace, name))

    async def jobs(self, *, everywhere: bool = False) -> list[Object]:
        """All TuningJobs, by namespace and name."""
        with self._told("TuningJobs", "list"):
            return await self._listed(names.jobs_path("" if everywhere else self.namespace))

    async def trials(self, uid: str) -> list[Object]:
        """The TuningTrials of the job with this uid."""
        with self._told("TuningTrials", "list"):
            return await self._listed(names.trials_path(self.namespace), f"{names.JOB_UID_LABEL}={uid}")

    async def events(self, uid: str) -> list[Object]:
        """The Events about an object, oldest first; none where they may not be read."""
        try:
            with self._told("Events", "list"):
                path = f"{names.events_path(self.namespace)}"
                found = await self._api.get(path, fieldSelector=f"involvedObject.uid={uid}")
        except Trouble as trouble:
            if trouble.kind is Kind.FORBIDDEN:
                return []
            raise
        items: list[Object] = found.get("items") or []
        return sorted(items, key=lambda item: str(item.get("lastTimestamp") or item.get("eventTime") or ""))

    async def create(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> Object:
        """Makes a TuningJob."""
        name = manifest["metadata"]["name"]
        with self._told(f"TuningJob {name}", "create"):
            try:
                return await self._api.create(names.jobs_path(self.namespace), dict(manifest), dry_run=dry_run)
            except client.Conflict:
                mend = f"choose another name with --name, or delete it: kubectl delete -n {self.namespace} tj/{name}"
                raise Trouble(Kind.REFUSED, f"there is a TuningJob {name} already; {mend}") from None

    async def create_config_map(self, name: str, files: Mapping[str, bytes]) -> Object:
        """Makes a ConfigMap that cannot be changed; what is text stays readable in it."""
        text, binary = {}, {}
        for key, data in files.items():
            try:
                text[key] = data.decode("utf-8")
            except UnicodeDecodeError:
                binary[key] = base64.b64encode(data).decode("ascii")
        body: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "immutable": True}
        body |= {key: value for key, value in (("data", text), ("binaryData", binary)) if value}
        with self._told(f"ConfigMap {name}", "create"):
            try:
                return await self._api.create(names.config_maps_path(self.namespace), body)
            except client.Conflict:
                mend = "choose another name for the job"
                raise Trouble(Kind.REFUSED, f"there is a ConfigMap {name} already; {mend}") from None

    async def hand_over(self, config_map: Object, job: Object) -> None:
        """Makes a ConfigMap the job's own: it goes with the job."""
        name, owner = config_map["metadata"]["name"], job["metadata"]
        reference = {"apiVersion": job["apiVersion"], "kind": job["kind"], "name": owner["name"], "uid": owner["uid"]}
        with self._told(f"ConfigMap {name}", "patch"):
            change = {"metadata": {"ownerReferences": [reference]}}
            await self._api.merge(names.config_maps_path(self.namespace, name), change)

    async def remove_config_map(self, config_map: Object) -> None:
        """Deletes a ConfigMap that nobody owns."""
        name = config_map["metadata"]["name"]
        with self._told(f"ConfigMap {name}", "delete"):
            await self._api.delete(names.config_maps_path(self.namespace, name), config_map["metadata"]["uid"])

    async def change(self, job: Object, spec: Mapping[str, Any]) -> Object:
        """Changes fields of a job's spec, if it is still as it was read."""
        metadata = job["metadata"]
        body = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "spec": dict(spec)}
        with self._told(f"TuningJob {metadata['name']}", "patch"):
            try:
                return await self._api.merge(names.jobs_path(self.namespace, metadata["name"]), body)
            except client.Conflict:
                raise Trouble(Kind.REFUSED, "somebody else has just changed the job; try again") from None

    async def pod(self, name: str) -> Object | None:
        """A Pod; None where it is gone."""
        with self._told(f"Pod {name}", "get"):
            try:
                return await self._api.get(names.pods_path(self.namespace, name))
            except client.NotFound:
                return None

    async def log(
        self, pod: str, container: str, *, follow: bool = False, tail: int | None = None
    ) -> AsyncIterator[bytes]:
        """A container's log, piece by piece."""
        query = {"container": container} | ({"follow": "true"} if follow else {})
        if tail is not None:
            query["tailLines"] = str(tail)
        with self._told(f"Pod {pod}", "get"):
            async for piece in self._api.stream(f"{names.pods_path(self.namespace, pod)}/log", **query):
                yield piece

    async def _listed(self, path: str, selector: str = "") -> list[Object]:
        return [item async for page, _ in self._api.pages(path, selector) for item in page]

    @contextlib.contextmanager
    def _told(self, what: str, verb: str) -> Iterator[None]:
        """Puts the API server's errors into words."""
        where = f"namespace {self.namespace}"
        try:
            yield
        except client.NotFound as error:
            if "page not found" in error.message or not error.reason:
                mend = "install the operator there, or choose another cluster with --context"
                raise Trouble(Kind.ABSENT, f"this cluster does not know TuningJobs; {mend}") from None
            message = f"there is no {what} in {where}; choose another namespace with -n, or look with tuningctl list -A"
            raise Trouble(Kind.ABSENT, message) from None
        except client.Refused as error:
            if error.status == 403:
                message = f"you may not {verb} {what} in {where}: {error.message}; ask for a role that allows it"
                raise Trouble(Kind.FORBIDDEN, message) from None
            raise Trouble(Kind.REFUSED, f"the cluster refuses {what}: {error.message}") from None
        except client.ApiError as error:
            if error.status == 401:
                message = "the cluster does not accept your credentials; log in again, or choose another --context"
                raise Trouble(Kind.FORBIDDEN, message) from None
            raise Trouble(Kind.UNREACHABLE, f"the cluster cannot answer now: {error}; try again") from None
        except (OSError, TimeoutError) as error:
            why = str(error) or "it takes too long"
            mend = "is it up, and is the right --context chosen?"
            raise Trouble(Kind.UNREACHABLE, f"the cluster does not answer: {why}; {mend}") from None


@contextlib.asynccontextmanager
async def connect(context: str = "", namespace: str = "") -> AsyncIterator[Cluster]:
    """Connects as kubectl does: with the kubeconfig, or inside a Pod with its service account. Raises Trouble."""
    configuration = library.Configuration()
    # A person who waits wants to know soon.
    configuration.retries = None
    try:
        if not context and not _kubeconfig() and IN_CLUSTER.exists():
            config.load_incluster_config(client_configuration=configuration)
            home = IN_CLUSTER.read_text("utf-8").strip()
        elif not _kubeconfig():
            raise Trouble(Kind.UNREACHABLE, "no cluster is configured: set KUBECONFIG, or write ~/.kube/config")
        else:
            home, context = _chosen(context)
            await config.load_kube_config(context=context or None, client_configuration=configuration)
        transport = library.ApiClient(configuration)
    except client.UNREADABLE as error:
        reason = " ".join(str(error).split())
        mend = "set KUBECONFIG to a kubeconfig that kubectl accepts"
        raise Trouble(Kind.UNREACHABLE, f"no cluster is configured: {reason}; {mend}") from None
    api = client.Api(transport, in_cluster=False)
    try:
        yield Cluster(api, namespace or home or "default", context)
    finally:
        await api.close()


def _kubeconfig() -> bool:
    named = os.environ.get("KUBECONFIG", "") or "~/.kube/config"
    return any(Path(path).expanduser().is_file() for path in named.split(os.pathsep) if path)


def contexts() -> list[str]:
    """The names of the contexts in the kubeconfig."""
    return [str(item["name"]) for item in config.list_kube_config_contexts()[0]]


def _chosen(context: str) -> tuple[str, str]:
    """The namespace of the context, and its name; the current context where none is named."""
    contexts, active = config.list_kube_config_contexts()
    chosen = active
    if context:
        by_name = {item["name"]: item for item in contexts}
        if context not in by_name:
            known = ", ".join(sorted(by_name)) or "none"
            raise Trouble(Kind.ABSENT, f"there is no context {context} in the kubeconfig; there are: {known}")
        chosen = by_name[context]
    return str((chosen.get("context") or {}).get("namespace") or ""), str(chosen["name"])
