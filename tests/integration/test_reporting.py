"""`tuningctl report` on a job of the cluster."""

from __future__ import annotations

import asyncio
import os
import pathlib
import sys

import pytest

from tests import builders
from tests.integration import client, process
from tests.integration.kubelet import Kubelet


async def tuningctl(kubeconfig: pathlib.Path, *arguments: str) -> tuple[int, str]:
    """Run it beside the event loop; answers its exit status and what it said."""
    command = (sys.executable, "-m", "tuning_operator.cli.main", *arguments)
    pipe, environment = asyncio.subprocess.PIPE, os.environ | {"KUBECONFIG": str(kubeconfig)}
    running = await asyncio.create_subprocess_exec(
        *command, stdout=pipe, stderr=asyncio.subprocess.STDOUT, env=environment
    )
    said, _ = await running.communicate()
    assert running.returncode is not None
    return running.returncode, said.decode()


async def test_a_job_of_the_cluster_is_reported_with_its_trials(
    operator: process.Operator, cluster: client.Client, kubelet: Kubelet, namespace: str, kubeconfig: pathlib.Path
) -> None:
    operator.start()
    await cluster.create(builders.job("job", trials=3, parallel=3, placement=kubelet.placement), namespace)
    job = await cluster.until(
        "TuningJob", namespace, "job", lambda job: job.get("status", {}).get("phase") == "Complete"
    )
    code, page = await tuningctl(kubeconfig, "report", "job", "-n", namespace, "-o", "-")
    assert code == 0, page
    assert all(f'data-t="{number}"' in page for number in range(3))
    assert f"{namespace}/" in page
    assert f"{job['status']['best']['values']['accuracy']:.5g}" in page


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["nobody"], "nobody"), (["NoName!"], "NoName!")],
    ids=["no-such-job", "no-name-of-an-object"],
)
async def test_a_job_that_is_not_there_is_told(
    crds: None, namespace: str, kubeconfig: pathlib.Path, arguments: list[str], told: str
) -> None:
    code, said = await tuningctl(kubeconfig, "report", *arguments, "-n", namespace)
    assert code == 3
    assert told in said
    assert "Traceback" not in said
