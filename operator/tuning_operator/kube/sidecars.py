"""How the operator reaches a sidecar: inside the cluster at the Pod's address, outside through the API server.

The address is the one that the API server gave, and the token is the trial's uid, which only those know who may read
the trial: nobody else can end a trial's collection.
"""

from __future__ import annotations

import enum

import aiohttp

from tuning_operator.kube import client, names, render, store

TOKEN_HEADER = "X-Tuning-Token"
TIMEOUT_SECONDS = 10.0


class Access(enum.StrEnum):
    """The two ways to a sidecar."""

    DIRECT = "direct"
    PROXY = "proxy"


class Sidecars:
    """Speaks to the sidecars of trials."""

    def __init__(self, api: client.Api, access: Access) -> None:
        self._api = api
        self._access = access
        self._session = aiohttp.ClientSession()

    async def finish(self, namespace: str, pod: store.PodRecord, token: str) -> None:
        """Tells the sidecar that the trial's process has ended. Raises OSError or ApiError."""
        headers = {TOKEN_HEADER: token}
        match self._access:
            case Access.PROXY:
                path = f"{names.pods_path(namespace, pod.name)}:{render.PORT}/proxy/finish"
                await self._api.post(path, headers)
            case Access.DIRECT:
                await self._direct(pod.address, headers)

    async def _direct(self, address: str, headers: dict[str, str]) -> None:
        host = f"[{address}]" if ":" in address else address
        patience = aiohttp.ClientTimeout(total=min(TIMEOUT_SECONDS, self._api.passage()))
        url = f"http://{host}:{render.PORT}/finish"
        try:
            async with self._session.post(url, headers=headers, timeout=patience) as answer:
                if answer.status >= 400:
                    raise OSError(f"the sidecar answered {answer.status}")
        except aiohttp.ClientError as error:
            raise OSError(str(error)) from error

    async def close(self) -> None:
        """Closes the connections."""
        await self._session.close()
