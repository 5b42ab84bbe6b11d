"""What becomes of jobs whose search dies or stalls: they go on, and say how."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.metadata
import os
import signal
from collections.abc import AsyncIterator

import pydantic
import pytest
import pytest_asyncio

from tests.unit.search.builders import ask, real, space
from tuning_operator.api.trial import Origin
from tuning_operator.search import randomly, sampler, suggest, worker
from tuning_operator.search.request import Request, Suggestion
from tuning_operator.tuner import proposing


class Deadly:
    """An algorithm that ends its process, as one does that is killed for its memory."""

    settings: type[pydantic.BaseModel] = randomly.Settings
    finite = False
    needs: tuple[str, ...] = ()

    def propose(self, request: Request) -> Suggestion:
        """Does not return."""
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


class Stalled(Deadly):
    """An algorithm that never answers."""

    def propose(self, request: Request) -> Suggestion:
        """Does not return."""
        signal.pause()
        raise AssertionError


def _named(
    found: list[importlib.metadata.EntryPoint], group: str = "", name: str | None = None
) -> list[importlib.metadata.EntryPoint]:
    return [one for one in found if name in (None, one.name)]


def with_plug_ins(batch: list[Request]) -> tuple[Suggestion, ...]:
    """`propose` in a process that knows the two."""
    found = [importlib.metadata.EntryPoint(name, f"{__name__}:{name}", sampler.GROUP) for name in ("Deadly", "Stalled")]
    known = functools.partial(_named, found)
    setattr(importlib.metadata, "entry_points", known)  # noqa: B010  mypy refuses to assign another function
    return proposing.propose(batch)


@pytest_asyncio.fixture
async def search() -> AsyncIterator[worker.Worker]:
    made = worker.Worker()
    with contextlib.closing(made):
        yield made


@pytest.mark.parametrize(
    ("algorithm", "why"),
    [
        ("Deadly", "the search's process has ended; was it killed for its memory?"),
        ("Stalled", "the search's process has not answered within 8 seconds"),
    ],
)
async def test_a_search_that_dies_or_stalls_is_replaced_by_random_suggestions_that_say_so(
    search: worker.Worker, monkeypatch: pytest.MonkeyPatch, algorithm: str, why: str
) -> None:
    monkeypatch.setattr(proposing, "propose", with_plug_ins)
    monkeypatch.setattr(proposing, "PATIENCE_SECONDS", 7.6 if algorithm == "Stalled" else 30.0)
    monkeypatch.setattr(proposing, "PATIENCE_EACH_SECONDS", 0.2)
    await search.run(suggest.suggest, ask(space(real("a"))))  # the process is up
    first = ask(space(real("a")), algorithm)
    found = await proposing.ask(search, [first, dataclasses.replace(first, number=1)])
    assert [(one.origin, one.algorithm, one.why) for one in found] == [(Origin.RANDOM, "random", why)] * 2
    assert found[0].configuration != found[1].configuration
