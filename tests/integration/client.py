"""A small client of the API server, in plain dicts, for the tests and for the fake kubelet.

The tests must see exactly what is on the wire: the typed models of the official client would refuse or fill in fields
that are the very thing under test. Only reading the kubeconfig is left to the official client, which knows every kind.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import pathlib
import ssl
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Self

import aiohttp
from kubernetes.aio import client as official
from kubernetes.aio import config

from tests import builders

Object = dict[str, Any]

STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"

_CORE = "/api/v1"
_TUNING = "/apis/tuning-operator.dev/v1alpha1"
_ROOTS = {
    "Namespace": (_CORE, "namespaces"),
    "Node": (_CORE, "nodes"),
    "ConfigMap": (_CORE, "configmaps"),
    "Pod": (_CORE, "pods"),
    "Event": (_CORE, "events"),
    "ServiceAccount": (_CORE, "serviceaccounts"),
    "ResourceQuota": (_CORE, "resourcequotas"),
    "Lease": ("/apis/coordination.k8s.io/v1", "leases"),
    "CustomResourceDefinition": ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
    "TuningJob": (_TUNING, "tuningjobs"),
    "TuningTrial": (_TUNING, "tuningtrials"),
}


class RefusedError(Exception):
    """The API server refused a call: `status` is the HTTP code, `reason` the word for it, such as NotFound."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


def path(kind: str, namespace: str = "", name: str = "", subresource: str = "") -> str:
    """The URL path of a collection, or of one object where `name` is given."""
    root, plural = _ROOTS[kind]
    scope = f"/namespaces/{namespace}" if namespace else ""
    return "/".join(part for part in (root + scope, plural, name, subresource) if part)


class Client:
    """Calls of the API server as the user of a kubeconfig."""

    def __init__(self, server: str, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session

    @classmethod
    async def connect(cls, kubeconfig: pathlib.Path, agent: str = "tuning-tests") -> Self:
        """A client for the current context of `kubeconfig`; `agent` is its User-Agent, by which audits tell it apart."""
        settings = official.Configuration()
        await config.load_kube_config(config_file=str(kubeconfig), client_configuration=settings)  # type: ignore[no-untyped-call]
        headers = {"User-Agent": agent, "Accept-Encoding": "identity"}
        if token := settings.api_key.get("BearerToken"):
            headers["Authorization"] = token
        connector = aiohttp.TCPConnector(limit=0, ssl=_tls(settings))
        timeout = aiohttp.ClientTimeout(total=None, connect=10)
        session = aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout, auto_decompress=False)
        return cls(settings.host.rstrip("/"), session)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def call(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        """One call and its answer. Raises RefusedError for anything but 2xx, aiohttp.ClientError without an answer."""
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type} if data is not None else {}
        deadline = aiohttp.ClientTimeout(total=30)
        async with self.session.request(
            method, self.server + path, data=data, params=query, headers=headers, timeout=deadline
        ) as response:
            text = await response.text()
            if response.ok:
                return _decode(text)
            problem = _decode(text)
            raise RefusedError(response.status, problem.get("reason", ""), problem.get("message", text))

    async def get(self, kind: str, namespace: str, name: str) -> Object:
        """One object."""
        return await self.call("GET", path(kind, namespace, name))

    async def find(self, kind: str, namespace: str, name: str) -> Object | None:
        """One object, or None where there is none."""
        try:
            return await self.get(kind, namespace, name)
        except RefusedError as refusal:
            if refusal.status == 404:
                return None
            raise

    async def list(self, kind: str, namespace: str = "", labels: str = "", fields: str = "") -> list[Object]:
        """All objects of a kind, by label and field selector."""
        query = {name: value for name, value in (("labelSelector", labels), ("fieldSelector", fields)) if value}
        items: list[Object] = (await self.call("GET", path(kind, namespace), query=query))["items"]
        return items

    async def create(self, manifest: Object, namespace: str = "") -> Object:
        """Creates what the manifest says."""
        return await self.call("POST", path(manifest["kind"], namespace), manifest)

    async def patch(
        self, kind: str, namespace: str, name: str, change: Object, *, subresource: str = "", strategic: bool = False
    ) -> Object:
        """A merge patch; `strategic` for the merge that knows the lists of built-in kinds."""
        content_type = STRATEGIC if strategic else MERGE
        return await self.call("PATCH", path(kind, namespace, name, subresource), change, content_type=content_type)

    async def delete(
        self, kind: str, namespace: str, name: str, *, grace: int | None = None, uid: str | None = None
    ) -> None:
        """Deletes an object, and is content when it is gone already. `grace` in seconds; `uid` guards a namesake."""
        options: Object = {"gracePeriodSeconds": grace} if grace is not None else {}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        try:
            await self.call("DELETE", path(kind, namespace, name), options)
        except RefusedError as refusal:
            if refusal.status != 404 and not (uid is not None and refusal.status == 409):
                raise

    async def watch(self, collection: str, query: Mapping[str, str]) -> AsyncIterator[Object]:
        """Events from the version in `query` on, until the server closes the stream.

        Raises RefusedError when the version is too old, aiohttp.ClientError when the connection breaks.
        """
        async with self.session.get(self.server + collection, params={**query, "watch": "1"}) as response:
            if not response.ok:
                raise RefusedError(response.status, "", await response.text())
            pending = b""
            async for chunk in response.content.iter_any():
                *lines, pending = (pending + chunk).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        status = event["object"]
                        raise RefusedError(status["code"], status.get("reason", ""), status.get("message", ""))
                    yield event

    async def until(
        self, kind: str, namespace: str, name: str, holds: Callable[[Object], bool], seconds: float = 30
    ) -> Object:
        """The object as soon as `holds` says yes. Fails with its last state after `seconds`."""
        last: Object | None = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    last = await self.find(kind, namespace, name)
                    if last is not None and holds(last):
                        return last
                    await asyncio.sleep(0.05)
        except TimeoutError:
            shown = json.dumps((last or {}).get("status"), indent=1)
            raise AssertionError(f"{kind} {name} did not come to it within {seconds} s; last status: {shown}") from None

    async def gone(self, kind: str, namespace: str, name: str, seconds: float = 30) -> None:
        """Returns when there is no such object; fails after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    if await self.find(kind, namespace, name) is None:
                        return
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{kind} {name} is still there after {seconds} s") from None

    @contextlib.asynccontextmanager
    async def namespace(self) -> AsyncIterator[str]:
        """The name of a fresh namespace that admits Pods; it is deleted at the end without waiting."""
        name = f"it-{uuid.uuid4().hex[:8]}"
        await self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        try:
            await self._admits_pods(name)
            yield name
        finally:
            await self.delete("Namespace", "", name)

    async def _admits_pods(self, namespace: str) -> None:
        """Returns when the namespace's service account exists, and before 1.24 its token too."""
        pod = builders.trial_pod()
        for patience in range(100):
            try:
                await self.call("POST", path("Pod", namespace), pod, query={"dryRun": "All"})
            except RefusedError as refusal:
                if refusal.status not in (403, 500) or patience == 99:
                    raise
                await asyncio.sleep(0.05)
            else:
                return


def _tls(settings: official.Configuration) -> ssl.SSLContext | bool:
    if not settings.host.startswith("https"):
        return False
    context = ssl.create_default_context(cafile=settings.ssl_ca_cert or None)
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    if not settings.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _decode(text: str) -> Object:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
