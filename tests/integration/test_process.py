"""The operator's process: it starts, stops when it is told to, and a killed one leaves nothing running."""

from __future__ import annotations

import psutil

from tests import builders
from tests.integration import client, process
from tests.integration.kubelet import Kubelet


async def test_operator_stops_cleanly_on_sigterm(operator: process.Operator) -> None:
    operator.start()
    await operator.ready()
    assert await operator.stop() == 0
    assert not operator.runs()


async def test_killed_operator_leaves_no_process_and_the_next_one_goes_on(
    operator: process.Operator, cluster: client.Client, kubelet: Kubelet, namespace: str
) -> None:
    operator.start()
    await operator.ready()
    await cluster.create(builders.job("job", trials=4, placement=kubelet.placement), namespace)
    await kubelet.arrival(lambda attempt: attempt.number == 1)
    family = operator.family()
    operator.kill()
    psutil.wait_procs(family, timeout=5)
    assert not [member for member in family if member.is_running() and member.status() != psutil.STATUS_ZOMBIE]
    operator.start()
    job = await cluster.until(
        "TuningJob", namespace, "job", lambda job: job.get("status", {}).get("phase") == "Complete"
    )
    assert job["status"]["trials"]["succeeded"] == 4
    assert [attempt.number for attempt in kubelet.attempts] == [0, 1, 2, 3]
