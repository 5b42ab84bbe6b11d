"""A real browser, headless, on pages that a real server serves."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from playwright import sync_api

from tests.unit.report import builders
from tests.unit.web import sources
from tuning_operator.web import server

T = TypeVar("T")
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
]
NAMES = ("chromium", "chromium-browser", "google-chrome")


class Site:
    """The web page, served from a thread of its own over a source that the test changes."""

    def __init__(self, made: sources.Made) -> None:
        self.made = made
        self.address = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()
        pages = server.Server(self.made, lambda: builders.at(600))
        self._runner, port = self._wait(pages.serve(0))
        self.address = f"http://localhost:{port}"

    def stop(self) -> None:
        if self.address:
            self._wait(self._runner.cleanup())
            self.address = ""

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site(sources.Made(study=builders.study(230)))
    served.start()
    yield served
    served.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[sync_api.Browser]:
    """The system's Chromium; where there is none, Playwright's own."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: sync_api.Browser, site: Site) -> Iterator[sync_api.Page]:
    """A fresh tab, closed before the site is. The test fails for anything that the page's console complains of."""
    assert site.address
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.complaints = complaints  # type: ignore[attr-defined]
    yield tab
    context.close()
    assert not complaints
