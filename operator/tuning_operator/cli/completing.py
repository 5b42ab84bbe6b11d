"""What a shell offers for completion: names of jobs and contexts. Quick, and silent about whatever goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from pathlib import Path

SECONDS = 2.0
"""How long a cluster may take to answer; a person is waiting for the tab key."""


def jobs(incomplete: str) -> list[str]:
    """Jobs of this machine and of the current context's namespace."""
    names = {path.parent.name for path in Path(".tuning").glob("*/job.json")}
    with contextlib.suppress(Exception):
        names.update(asyncio.run(asyncio.wait_for(_jobs(), SECONDS)))
    return _beginning(names, incomplete)


def contexts(incomplete: str) -> list[str]:
    """Contexts of the kubeconfig."""
    with contextlib.suppress(Exception):
        from tuning_operator.cluster import access

        return _beginning(access.contexts(), incomplete)
    return []


async def _jobs() -> list[str]:
    from tuning_operator.cluster import access

    async with access.connect() as cluster:
        return [str(item["metadata"]["name"]) for item in await cluster.jobs()]


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
