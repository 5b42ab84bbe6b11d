"""The page's addresses, without a browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import TypeAlias

import aiohttp
import pytest
from aiohttp import test_utils, web

from tests.unit.report import builders
from tests.unit.web import sources
from tuning_operator.stopping import curve
from tuning_operator.web import query, server

Browser: TypeAlias = "test_utils.TestClient[web.Request, web.Application]"
JOB = "/jobs/team-a/study"
HOSTILE = "<img src=x onerror=alert(1)>"


class Clock:
    """Seconds that a test lets pass."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def made() -> sources.Made:
    found = sources.Made(study=builders.study(230))
    found.logs[3] = f"epoch 1 {HOSTILE}"
    return found


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def browser(made: sources.Made, clock: Clock) -> AsyncIterator[Browser]:
    pages = server.Server(made, lambda: builders.at(600), ticks=clock, hosts=["tuning.example"])
    async with test_utils.TestClient(test_utils.TestServer(pages.application())) as client:
        yield client


async def text(browser: Browser, path: str, status: int = 200, **headers: str) -> str:
    async with browser.get(path, headers=headers) as answer:
        assert answer.status == status, await answer.text()
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        return await answer.text()


def numbers(page: str) -> list[int]:
    """The trials of the page's table, in its order."""
    return [int(number) for number in re.findall(r"trials/(\d+)\"", page)]


@pytest.mark.parametrize(
    ("path", "shows"),
    [
        ("/", [f'href="{JOB}"', "Running", "accuracy 0."]),
        (JOB, ["Optimisation history", "Learning curves", "Timeline", "Best configuration", "What it took"]),
        (f"{JOB}/trials/3", ["Trial 3", "Configuration", "epoch 1 &lt;img", "Attempts", "best trial"]),
        (f"{JOB}/compare?t=3&t=5", ["trial 3", "trial 5", "differs", "Learning curves"]),
        ("/assets/style.css", [".curve", ".chip", "prefers-color-scheme"]),
        ("/assets/page.js", ["aria-sort", "If-None-Match"]),
    ],
)
async def test_a_page_shows_what_it_is_for(browser: Browser, path: str, shows: list[str]) -> None:
    page = await text(browser, path)
    assert [words for words in shows if words not in page] == []
    assert HOSTILE not in page


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/jobs/team-a/nobody", 404, "There is no job team-a/nobody"),
        ("/jobs/team-b/study", 404, "There is no job team-b/study"),
        (f"{JOB}/trials/999", 404, "There is no trial 999"),
        (f"{JOB}/trials/{HOSTILE}", 404, "There is no trial"),
        (f"{JOB}/compare", 400, "Choose trials"),
        (f"{JOB}/compare?t=x", 404, "There is no trial x"),
        ("/assets/../server.py", 404, ""),
        ("/nothing", 404, ""),
    ],
)
async def test_what_is_not_there_is_told(browser: Browser, path: str, status: int, told: str) -> None:
    page = await text(browser, path, status)
    assert told in page
    assert HOSTILE not in page


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 403),
        ("evil.example:80", 403),
        ("tuning.example", 200),
        ("localhost:8081", 200),
        ("[::1]:8081", 200),
    ],
)
async def test_only_its_own_names_are_answered(browser: Browser, host: str, status: int) -> None:
    """Else a web page that lets its own name lead to this machine could read here with a visitor's browser."""
    await text(browser, "/", status, Host=host)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_nothing_can_be_changed(browser: Browser, method: str) -> None:
    async with browser.request(method, JOB) as answer:
        assert answer.status == 405


async def test_one_who_has_the_page_already_gets_nothing(browser: Browser, made: sources.Made, clock: Clock) -> None:
    async with browser.get(JOB) as answer:
        tag = answer.headers["ETag"]
    async with browser.get(JOB, headers={"If-None-Match": tag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
    made.put("study", builders.study(231))
    clock.now += 60
    async with browser.get(JOB, headers={"If-None-Match": tag}) as answer:
        assert answer.status == 200


async def test_a_job_that_changes_all_the_time_is_not_drawn_all_the_time(
    browser: Browser,
    made: sources.Made,
    clock: Clock,
) -> None:
    before = await text(browser, JOB)
    made.put("study", builders.study(240))
    assert await text(browser, JOB) == before
    clock.now += server.PAUSE_SECONDS + 0.1
    assert await text(browser, JOB) != before


async def test_few_drawings_are_kept(made: sources.Made) -> None:
    for number in range(9):
        made.put(f"job-{number}", builders.study(3))
    pages = server.Server(made, lambda: builders.at(600))
    async with test_utils.TestClient(test_utils.TestServer(pages.application())) as client:
        for number in range(9):
            await text(client, f"/jobs/team-a/job-{number}")
    assert len(pages._drawn) == server.MOST_DRAWN


async def test_a_failure_is_a_page_without_its_innards(made: sources.Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a secret")

    monkeypatch.setattr(made, "jobs", fail)
    pages = server.Server(made, lambda: builders.at(0))
    async with test_utils.TestClient(test_utils.TestServer(pages.application())) as client:
        assert "a secret" not in await text(client, "/", 500)


async def test_a_running_trial_shows_what_it_has_reported_until_now(browser: Browser, made: sources.Made) -> None:
    made.live[229] = {"loss": curve.Curve.of(0.3, 0.2, 0.1)}
    assert "loss by step" in await text(browser, f"{JOB}/trials/229")
    made.asked.clear()
    await text(browser, f"{JOB}/trials/0")
    assert "curves" not in made.asked, "a trial that has ended is not asked"


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("", list(range(229, 129, -1))),
        ("?sort=trial", list(range(100))),
        ("?sort=trial&page=3", list(range(200, 230))),
        ("?sort=trial&page=99", list(range(200, 230))),
        ("?sort=trial&page=nonsense", list(range(100))),
        ("?sort=nonsense", list(range(100))),
    ],
)
async def test_the_address_says_which_trials_are_shown(browser: Browser, address: str, wanted: list[int]) -> None:
    assert numbers(await text(browser, f"{JOB}{address}")) == wanted


@pytest.mark.parametrize(
    "column", ["m.accuracy", "p.lr", "p.optimizer", "p.momentum", "ran", "phase", "profile", "reason"]
)
@pytest.mark.parametrize("down", [False, True], ids=["up", "down"])
def test_trials_are_sorted_and_those_without_a_value_come_last(column: str, down: bool) -> None:
    job = builders.seen(builders.study(90))
    shown = query.select(job, query.Query(sort=f"-{column}" if down else column))
    keys = [query._value(job, row, column) for row in shown.rows]
    present = [key for key in keys if key is not None]
    assert keys == present + [None] * (90 - len(present))
    assert present == sorted(present, reverse=down)


def test_a_filter_shows_one_phase() -> None:
    job = builders.seen(builders.study(90))
    shown = query.select(job, query.Query(phase="Stopped"))
    assert {row.phase for row in shown.rows} == {"Stopped"}
    assert shown.total == job.status.trials.stopped


@pytest.mark.parametrize(
    ("asked", "link"),
    [
        (query.Query(), "?"),
        (query.Query(page=2).link(phase="Failed"), "?phase=Failed&page=2"),
        (query.Query(sort="p.lr").by("p.lr"), "?sort=-p.lr"),
    ],
    ids=["the-usual", "what-differs", "the-other-way"],
)
def test_an_address_holds_only_what_is_not_the_usual(asked: query.Query | str, link: str) -> None:
    assert (asked if isinstance(asked, str) else asked.link()) == link


async def test_it_listens_to_this_machine_alone(made: sources.Made) -> None:
    runner, port = await server.Server(made, lambda: builders.at(0)).serve(0)
    try:
        assert [address[0] for address in runner.addresses] == ["127.0.0.1"]
        async with aiohttp.ClientSession() as session, session.get(f"http://localhost:{port}/") as answer:
            assert answer.status == 200
    finally:
        await runner.cleanup()
