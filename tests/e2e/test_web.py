"""The web page as people reach it: through a forwarded port of the operator's Pod, with real logs and real sidecars."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import aiohttp

from tests.e2e.ground import Ground, eventually

TALKS = """
echo "it talks of $HP_x"
for step in 1 2 3; do echo "{\\"step\\": $step, \\"accuracy\\": 0.$step}" >> "$TUNING_METRICS_FILE"; done
sleep 600
"""


@contextlib.asynccontextmanager
async def forwarded(ground: Ground) -> AsyncIterator[str]:
    """The page's address on this machine, while a port is forwarded."""
    place = ("--namespace", ground.installation.namespace, f"deployment/{ground.installation.deployment}")
    pipe = asyncio.subprocess.PIPE
    forward = await asyncio.create_subprocess_exec(
        "kubectl", "port-forward", *place, ":8081", stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    try:
        assert forward.stdout is not None
        async with asyncio.timeout(30):
            line = (await forward.stdout.readline()).decode()
        port = re.search(r"127\.0\.0\.1:(\d+)", line)
        assert port is not None, line
        yield f"http://localhost:{port[1]}"
    finally:
        forward.terminate()
        await forward.wait()


async def test_a_running_trial_is_seen_with_its_curve_and_its_log(ground: Ground) -> None:
    await ground.submit(ground.job("seen", TALKS, trials=1))
    await ground.running("seen")
    async with forwarded(ground) as address, aiohttp.ClientSession() as session:

        async def shows(path: str, *words: str) -> bool:
            async with session.get(address + path) as answer:
                text = await answer.text()
            return answer.status == 200 and all(word in text for word in words)

        job = f"/jobs/{ground.namespace}/seen"
        await eventually(lambda: shows("/", f'href="{job}"', "Running"), "the job is in the list")
        await eventually(lambda: shows(job, "Running 1"), "the job has a page")
        await eventually(
            lambda: shows(f"{job}/trials/0", "it talks of", "accuracy by step"), "the trial has a log and a curve"
        )
    await ground.change("seen", suspend=True)
