"""The few API calls that the operator makes, as plain JSON.

Plain JSON, because a user's pod template may hold fields that are newer than the typed models of the client library,
which would refuse them. The library still does what is hard: configuration, certificates, tokens, connections.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import yaml
from kubernetes.aio import client, config

from tuning_operator import __version__
from tuning_operator.kube import gate, metrics

Object = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
TIMEOUT_SECONDS = 30.0
WATCH_SECONDS = 300
SILENCE_SECONDS = 150.0
"""A watch on which nothing came for so long, not even a bookmark, may be a connection that is dead."""
PAGE = 500


class ApiError(Exception):
    """The API server refused a call; `status` is the HTTP code, `reason` Kubernetes' word for it."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        self.status = status
        self.reason = reason
        self.message = message
        super().__init__(f"{status} {reason}: {message}")


class Unconfigured(Exception):
    """Nothing tells how to reach an API server, or what tells it cannot be read."""


class Conflict(ApiError):
    """The object was changed in the meantime, or exists already (409)."""


class NotFound(ApiError):
    """There is no such object (404)."""


class Refused(ApiError):
    """The object may not exist as it is, or not now: forbidden, invalid or malformed (400, 403, 422)."""

    @property
    def circumstance(self) -> str:
        """What is in the way although the object may be sound, in one word; empty if the object itself is refused."""
        return next((word for part, word in CIRCUMSTANCES.items() if part in self.message), "")


CIRCUMSTANCES: Mapping[str, str] = {
    "exceeded quota": "QuotaExceeded",
    "cannot create resource": "OperatorNotAllowed",
    "error looking up service account": "ServiceAccountMissing",
    "No API token found for service account": "ServiceAccountMissing",
    "it is being terminated": "NamespaceTerminating",
    "does not support dry run": "DryRunNotSupported",
}
"""Parts of the API server's messages that tell a refusal which others can lift without touching the object.

From Kubernetes' plugin/pkg/admission/{resourcequota,serviceaccount}, its RBAC authorizer, and
apiserver/pkg/admission/plugin/{namespace/lifecycle,webhook/errors}.
"""


class Failing(ApiError):
    """The API server, or a webhook that it has to ask, does not do its work (500)."""


_ERRORS: Mapping[int, type[ApiError]] = {
    **dict.fromkeys((400, 403, 422), Refused),
    404: NotFound,
    409: Conflict,
    500: Failing,
}


UNREADABLE = (config.ConfigException, yaml.YAMLError, OSError, ValueError, LookupError, TypeError, AttributeError)
"""What the library raises for a kubeconfig that is missing, no YAML, of a wrong shape, or with broken certificates."""


@dataclasses.dataclass(frozen=True, slots=True)
class Credentials:
    """What it takes to connect to the API server, for kopf's own connections."""

    server: str
    ca_path: str | None
    insecure: bool
    certificate_path: str | None
    private_key_path: str | None
    token: str | None


class Api:
    """A connection to the API server. Create it with `connect`."""

    def __init__(self, transport: client.ApiClient, *, in_cluster: bool, guard: gate.Gate | None = None) -> None:
        self._transport = transport
        self.in_cluster = in_cluster
        self._guard = guard

    def behind(self, guard: gate.Gate) -> Api:
        """The same connection; all that is not a mere reading has to pass the gate, or raises gate.NotLeading."""
        return Api(self._transport, in_cluster=self.in_cluster, guard=guard)

    def passage(self) -> float:
        """How long a write that is sent now may take, in seconds. Raises gate.NotLeading."""
        return min(TIMEOUT_SECONDS, self._guard.passage()) if self._guard else TIMEOUT_SECONDS

    @classmethod
    async def connect(cls) -> Api:
        """Connects with the Pod's service account inside a cluster, with the kubeconfig outside.

        Raises Unconfigured when there is neither.
        """
        configuration = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=configuration)
            in_cluster = True
        except config.ConfigException:
            in_cluster = False
        try:
            if not in_cluster:
                await config.load_kube_config(client_configuration=configuration)
            transport = client.ApiClient(configuration)
        except UNREADABLE as error:
            mend = "set KUBECONFIG to a kubeconfig that kubectl accepts, or run inside a cluster"
            raise Unconfigured(f"no API server is configured: {' '.join(str(error).split())}; {mend}") from error
        transport.user_agent = f"tuning-operator/{__version__}"
        return cls(transport, in_cluster=in_cluster)

    async def credentials(self) -> Credentials:
        """How to connect; tokens are fresh."""
        known = self._transport.configuration
        bearer = (await known.auth_settings()).get("BearerToken", {}).get("value") or ""
        return Credentials(
            server=known.host,
            ca_path=known.ssl_ca_cert,
            insecure=not known.verify_ssl,
            certificate_path=known.cert_file,
            private_key_path=known.key_file,
            token=bearer.partition(" ")[2] or None,
        )

    @property
    def tls(self) -> ssl.SSLContext:
        """How the API server proves itself, and we to it, for streams of their own."""
        context: ssl.SSLContext = self._transport.rest_client.ssl_context
        return context

    async def address(self, path: str, query: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """URL and headers of a GET, with a fresh token, for streams of their own."""
        _, url, headers, _, _ = await self._transport.param_serialize(
            "GET",
            path,
            query_params=list(query.items()),
            header_params={"Accept": "*/*"},
            auth_settings=["BearerToken"],
        )
        return url, headers

    async def close(self) -> None:
        """Closes the connections."""
        await self._transport.close()

    async def get(self, path: str, **query: str) -> Object:
        """GET of one object. Raises NotFound."""
        return await self._call("GET", path, query)

    async def create(self, path: str, body: Object, *, dry_run: bool = False) -> Object:
        """POST into a collection. Unknown fields are errors where the server can tell (1.25 and newer)."""
        query = {"fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
        return await self._call("POST", path, query, body)

    async def replace_status(self, path: str, version: str, status: Object) -> Object:
        """Replaces the status of the object if it is still at `version`. Raises Conflict when it is not."""
        patch = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
            {"op": "add", "path": "/status", "value": status},
        ]
        return await self._call("PATCH", f"{path}/status", {}, patch, JSON_PATCH)

    async def merge(self, path: str, change: Object) -> Object:
        """Merges `change` into an object."""
        return await self._call("PATCH", path, {}, change, MERGE_PATCH)

    async def delete(self, path: str, uid: str) -> Object:
        """DELETE of exactly the object with this uid."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        return await self._call("DELETE", path, {}, body)

    async def post(self, path: str, headers: Mapping[str, str]) -> None:
        """POST without a body, for the proxy to a Pod."""
        await self._call("POST", path, {}, headers=headers)

    async def stream(self, path: str, **query: str) -> AsyncIterator[bytes]:
        """GET of something that is no JSON, such as a log, in pieces as they come; without a limit in time."""
        # The library reads an answer as a whole only when it is asked to.
        header = {"Accept": "*/*"}
        method, url, sent, _, _ = await self._transport.param_serialize(
            "GET", path, query_params=list(query.items()), header_params=header, auth_settings=["BearerToken"]
        )
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT_SECONDS)
        try:
            response = await self._transport.call_api(method, url, sent, None, _request_timeout=timeout)
            if response.status >= 400:
                decode(response.status, await response.read())
            async for piece in response.response.content.iter_any():
                yield piece
        except aiohttp.ClientError as error:
            raise ConnectionError(str(error) or type(error).__name__) from error

    async def pages(self, path: str, selector: str = "", fields: str = "") -> AsyncIterator[tuple[list[Object], int]]:
        """A collection page by page, each with the version at which the listing was taken."""
        query = {"limit": str(PAGE)} | ({"labelSelector": selector} if selector else {})
        query |= {"fieldSelector": fields} if fields else {}
        while True:
            page = await self._call("GET", path, query)
            metadata = page.get("metadata") or {}
            yield page.get("items") or [], int(metadata["resourceVersion"])
            if not metadata.get("continue"):
                return
            query["continue"] = metadata["continue"]

    async def watch(self, path: str, version: str, fields: str = "") -> AsyncIterator[Object]:
        """The events of a collection after `version`, until the server ends the watch or falls silent."""
        query = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"}
        query |= {"timeoutSeconds": str(WATCH_SECONDS)} | ({"fieldSelector": fields} if fields else {})
        method, url, sent, _, _ = await self._transport.param_serialize(
            "GET",
            path,
            query_params=list(query.items()),
            header_params={"Accept": "application/json"},
            auth_settings=["BearerToken"],
        )
        try:
            patience = WATCH_SECONDS + TIMEOUT_SECONDS
            response = (await self._transport.call_api(method, url, sent, _request_timeout=patience)).response
            async with response:
                if response.status >= 400:
                    decode(response.status, await response.read())
                while line := await asyncio.wait_for(response.content.readline(), SILENCE_SECONDS):
                    yield json.loads(line)
        except TimeoutError:
            return
        except (aiohttp.ClientError, ValueError) as error:
            raise ConnectionError(str(error) or type(error).__name__) from error

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Any = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Object:
        # The body goes past the library's serializer, which is made for its own models and turns "" into null.
        method, url, sent, _, _ = await self._transport.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params={"Accept": "application/json", "Content-Type": content_type, **(headers or {})},
            auth_settings=["BearerToken"],
        )
        patience = TIMEOUT_SECONDS if method == "GET" else self.passage()
        code, began = "none", time.perf_counter()
        try:
            response = await self._transport.call_api(method, url, sent, body, _request_timeout=patience)
            code = str(response.status)
            data = await response.read()
        except aiohttp.ClientError as error:
            raise ConnectionError(str(error) or type(error).__name__) from error
        finally:
            verb, resource = metrics.call(method, path)
            metrics.REQUESTS.labels(verb, resource, code).inc()
            metrics.REQUEST_SECONDS.labels(verb).observe(time.perf_counter() - began)
        return decode(response.status, data)


def decode(status: int, data: bytes) -> Object:
    """The API server's answer. Raises ApiError when it is a refusal."""
    try:
        answer = json.loads(data) if data else {}
    except ValueError:
        answer = {}
    if not isinstance(answer, dict):
        answer = {}
    if status < 400:
        return answer
    message = str(answer.get("message") or data[:500].decode(errors="replace"))
    raise _ERRORS.get(status, ApiError)(status, str(answer.get("reason") or "Error"), message)
