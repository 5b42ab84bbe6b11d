"""How the operator reaches a sidecar: inside the cluster at the Pod's address, outside through the API server.

The address is the one that the API server gave, and the token is the trial's uid, which only those know who may read
the trial: nobody else can end a trial's collection. What answers is believed no more than the trial itself, whose
process shares the address: answers are bounded, and checked before they are used.
"""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from tuning_operator.kube import client, names, render, store

TOKEN_HEADER = "X-Tuning-Token"
TIMEOUT_SECONDS = 10.0
WAIT_SECONDS = 20
"""How long a sidecar that has no news keeps a question."""
NEWS_TIMEOUT = aiohttp.ClientTimeout(total=WAIT_SECONDS + 10, connect=5)
PAGE_ROWS = 1000
MAX_ANSWER_BYTES = 4 * 1024 * 1024
PROXY_PAUSE_SECONDS = 1.0
PROXY_QUESTIONS = 16
"""How many sidecars are asked at the same time through the API server, which has more to do than that."""


class Access(enum.StrEnum):
    """The two ways to a sidecar."""

    DIRECT = "direct"
    PROXY = "proxy"


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One observation; `values` may hold NaN and infinities."""

    step: float | None
    values: Mapping[str, float]


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """Observations in order, and the id with which the next question goes on."""

    rows: tuple[Row, ...]
    last: int
    more: bool
    """Others wait."""


class Sidecars:
    """Speaks to the sidecars of trials."""

    def __init__(self, api: client.Api, access: Access) -> None:
        self._api = api
        self._access = access
        # No limit of the connector's own: each running trial may have a question open.
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._proxied = asyncio.Semaphore(PROXY_QUESTIONS)

    async def finish(self, namespace: str, pod: store.PodRecord, token: str) -> None:
        """Tells the sidecar that the trial's process has ended. Raises OSError or ApiError."""
        headers = {TOKEN_HEADER: token}
        match self._access:
            case Access.PROXY:
                path = f"{names.pods_path(namespace, pod.name)}:{render.PORT}/proxy/finish"
                await self._api.post(path, headers)
            case Access.DIRECT:
                await self._direct(pod.address, headers)

    async def observations(self, namespace: str, pod: store.PodRecord, after: int, metrics: tuple[str, ...]) -> Page:
        """The observations after that id; inside the cluster it waits for the first one.

        Raises OSError or ApiError when there is no answer, ValueError for one that is none.
        """
        query = {"after": str(after), "limit": str(PAGE_ROWS), "metrics": ",".join(metrics)}
        match self._access:
            case Access.PROXY:
                path = f"{names.pods_path(namespace, pod.name)}:{render.PORT}/proxy/observations"
                async with self._proxied:
                    answer = await self._api.get(path, **query)
                await asyncio.sleep(PROXY_PAUSE_SECONDS)
            case Access.DIRECT:
                answer = await self._news(_host(pod.address), {**query, "wait": str(WAIT_SECONDS)})
        return page(answer, after)

    async def _news(self, host: str, query: Mapping[str, str]) -> Any:
        url = f"http://{host}:{render.PORT}/observations"
        try:
            async with self._session.get(url, params=query, timeout=NEWS_TIMEOUT, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise OSError(f"the sidecar answered {answer.status}")
                data = bytearray()
                async for chunk in answer.content.iter_any():
                    data += chunk
                    if len(data) > MAX_ANSWER_BYTES:
                        raise OSError(f"the sidecar's answer is longer than {MAX_ANSWER_BYTES} bytes")
        except aiohttp.ClientError as error:
            raise OSError(str(error) or type(error).__name__) from error
        return json.loads(data)

    async def _direct(self, address: str, headers: dict[str, str]) -> None:
        patience = aiohttp.ClientTimeout(total=min(TIMEOUT_SECONDS, self._api.passage()))
        url = f"http://{_host(address)}:{render.PORT}/finish"
        try:
            async with self._session.post(url, headers=headers, timeout=patience) as answer:
                if answer.status >= 400:
                    raise OSError(f"the sidecar answered {answer.status}")
        except aiohttp.ClientError as error:
            raise OSError(str(error)) from error

    async def close(self) -> None:
        """Closes the connections."""
        await self._session.close()


def page(answer: Any, after: int) -> Page:
    """An answer to the question for what came after that id. Raises ValueError for anything else."""
    try:
        last = int(answer.get("last", after))
        found = answer["observations"]
        rows = tuple(Row(_step(row.get("step")), {k: float(v) for k, v in row["values"].items()}) for row in found)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"the sidecar's answer is none: {error!r}") from error
    if last < after or len(rows) > PAGE_ROWS:
        raise ValueError(f"the sidecar answers for rows up to {last} when asked for those after {after}")
    return Page(rows, last, more=answer.get("more") is True and last > after)


def _step(value: Any) -> float | None:
    return None if value is None else float(value)


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
