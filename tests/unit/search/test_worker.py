"""The search's process: what is called there, what comes back, and that it never outlives its purpose."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import psutil
import pytest
import pytest_asyncio

from tuning_operator.search import worker


class Stubborn(Exception):
    """An error that cannot be pickled."""

    def __init__(self) -> None:
        super().__init__("as it is")
        self.held = lambda: None


def fail(error: type[Exception]) -> None:
    """Raises."""
    raise error


def stall() -> None:
    """Never answers."""
    signal.pause()


def imports(module: str) -> set[str]:
    """All modules that are there once this one is imported."""
    importlib.import_module(module)
    return set(sys.modules)


@pytest_asyncio.fixture
async def search() -> AsyncIterator[worker.Worker]:
    made = worker.Worker()
    with contextlib.closing(made):
        yield made


async def test_calls_are_answered_in_one_other_process_with_one_thread(search: worker.Worker) -> None:
    first, second = await asyncio.gather(search.run(os.getpid), search.run(os.getpid))
    assert first == second != os.getpid()
    assert [child.pid for child in psutil.Process().children()] == [first]
    assert await search.run(os.getenv, "OMP_NUM_THREADS") == "1"
    assert await search.run(os.getpgrp) == first, "a Ctrl-C would reach it"


async def test_the_process_imports_the_model_without_luggage(search: worker.Worker) -> None:
    await search.warm("no.such.module", "tuning_operator.search.surrogate")
    found = await search.run(imports, "tuning_operator.search.surrogate")
    assert "sklearn.gaussian_process" in found
    assert not found & {"sklearn.ensemble", "numpy.f2py.f2py2e"}


async def test_an_error_comes_back_with_where_it_was_raised(search: worker.Worker) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        await search.run(fail, ZeroDivisionError)
    assert "in fail" in raised.value.__notes__[0]


async def test_an_error_that_cannot_be_sent_comes_back_as_text(search: worker.Worker) -> None:
    with pytest.raises(RuntimeError, match="Stubborn: as it is"):
        await search.run(fail, Stubborn)


async def test_a_process_that_died_fails_its_call_and_is_replaced(search: worker.Worker) -> None:
    first = await search.run(os.getpid)
    with pytest.raises(worker.Died):
        await search.run(os._exit, 1)
    assert await search.run(os.getpid) not in (first, os.getpid())


async def test_a_cancelled_call_leaves_its_answer_to_nobody(search: worker.Worker) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(search.run(os.getpid), 0)
    assert await search.run(abs, -3) == 3


async def test_closing_ends_a_call_under_way(search: worker.Worker) -> None:
    process = psutil.Process(await search.run(os.getpid))
    call = asyncio.create_task(search.run(stall))
    await asyncio.sleep(0)
    search.close()
    with pytest.raises((worker.Died, asyncio.CancelledError)):
        await call
    assert not process.is_running()


def test_the_process_does_not_outlive_a_killed_parent() -> None:
    program = """
import asyncio, os, signal
from tuning_operator.search import worker

async def main():
    search = worker.Worker()
    print(await search.run(os.getpid), flush=True)
    asyncio.create_task(search.run(signal.pause))
    await asyncio.sleep(3600)

asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        process = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        gone, _ = psutil.wait_procs([process], timeout=10)
    assert gone
