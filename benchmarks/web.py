"""What the web page costs the process that serves it: memory, time for a page, and how long the event loop is held up.

    .venv/bin/python -m benchmarks.web          # half a minute, no cluster

One job of 100 trials and one of 5,000, from the test's own source: what an operator's store adds is no part of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import sys
import time
from collections.abc import AsyncIterator

import psutil
from aiohttp import test_utils

import tuning_operator.kube.operator  # The operator without the page, which the figures are compared with.

SIZES = (100, 5000)
LOOKS = 5
TICK_SECONDS = 0.005


def resident() -> float:
    """Memory of this process in MiB."""
    gc.collect()
    return psutil.Process().memory_info().rss / 2**20


@contextlib.asynccontextmanager
async def watched() -> AsyncIterator[list[float]]:
    """How late the event loop came to its work, in seconds."""
    late: list[float] = []

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(TICK_SECONDS)
            late.append(time.perf_counter() - before - TICK_SECONDS)

    task = asyncio.create_task(watch())
    try:
        yield late
    finally:
        task.cancel()


async def measure() -> dict[str, object]:
    """All figures."""
    operator = resident()
    from tests.unit.report import builders
    from tests.unit.web import sources

    from tuning_operator.kube import serving
    from tuning_operator.web import server

    assert serving
    figures: dict[str, object] = {"import_mib": round(resident() - operator, 1)}
    for size in SIZES:
        made = sources.Made(study=builders.study(size, lanes=min(100, size // 10)))
        before = resident()
        pages = server.Server(made, lambda: builders.at(600))
        times = []
        async with test_utils.TestClient(test_utils.TestServer(pages.application())) as client, watched() as late:
            for _ in range(LOOKS):
                begun = time.perf_counter()
                async with client.get("/jobs/team-a/study") as answer:
                    data = await answer.read()
                times.append(time.perf_counter() - begun)
        figures[f"trials_{size}"] = {
            "first_look_s": round(times[0], 3),
            "next_look_s": round(min(times[1:]), 3),
            "page_mib": round(len(data) / 2**20, 2),
            "memory_mib": round(resident() - before, 1),
            "loop_late_ms_max": round(max(late) * 1000, 1),
        }
        sys.stderr.write(f"{size} trials: {figures[f'trials_{size}']}\n")
    return figures


def main() -> None:
    """Measure, and print the figures as one JSON object."""
    assert tuning_operator.kube.operator
    print(json.dumps(asyncio.run(measure())))


if __name__ == "__main__":
    main()
