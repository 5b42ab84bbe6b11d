"""What a sidecar that runs no code answers over HTTP: enough for the operator to end it, and not more."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.integration import fates

DEFAULT_PORT = "9464"


class Endpoint:
    """The HTTP side of one Pod's sidecar, at the Pod's own address. `mute` accepts requests and never answers."""

    def __init__(self, pod: Mapping[str, Any], ip: str, *, mute: bool) -> None:
        sidecar = next(item for item in pod["spec"]["containers"] if item["name"] == fates.SIDECAR)
        environment = {variable["name"]: variable.get("value", "") for variable in sidecar.get("env", [])}
        self.finished = asyncio.Event()
        """Set when the operator has said, with the right token, that the trial has ended."""
        self._token = environment.get("TUNING_SIDECAR_TOKEN", "")
        self._port = int(environment.get("TUNING_SIDECAR_PORT", DEFAULT_PORT))
        self._ip = ip
        self._mute = mute
        self._runner = web.ServerRunner(web.Server(self._answer, access_log=None), shutdown_timeout=0.5)

    async def start(self) -> None:
        """Listens from now on."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self._ip, self._port).start()

    async def stop(self) -> None:
        """Refuses connections from now on, as the address of a container that has ended does."""
        await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._mute:
            await asyncio.Event().wait()
        match request.method, request.path:
            case "GET", "/healthz":
                return web.Response(text="ok")
            case "POST", "/finish":
                return await self._finish(request)
            case _:
                return web.Response(status=404)

    async def _finish(self, request: web.BaseRequest) -> web.StreamResponse:
        token = request.headers.get("X-Tuning-Token", "")
        if not self._token or not hmac.compare_digest(token.encode(), self._token.encode()):
            return web.Response(status=403, text="wrong X-Tuning-Token")
        response = web.Response(text="ok")
        await response.prepare(request)
        await response.write_eof()
        # Only now: whoever waits for this closes the connection.
        self.finished.set()
        return response
