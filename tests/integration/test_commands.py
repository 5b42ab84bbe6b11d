"""`tuningctl` against a real API server and the real operator: what it changes takes effect, and every refusal has a word."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import pathlib
import sys

import pytest
import yaml

from tests import builders
from tests.integration import client, process
from tests.integration.kubelet import Kubelet
from tests.integration.test_process import kubeconfig_of, without_rights


@dataclasses.dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


class Shell:
    """A person at a terminal, with a kubeconfig."""

    def __init__(self, kubeconfig: pathlib.Path, namespace: str, folder: pathlib.Path) -> None:
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
        self._namespace = namespace
        self._folder = folder

    async def run(self, *words: str, code: int = 0) -> Said:
        """Runs `tuningctl` in the namespace; fails when it ends with another exit status."""
        made = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tuning_operator.cli.main", *words, "-n", self._namespace),
            env=self._environment,
            cwd=self._folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(made.communicate(), 60)
        said = Said(made.returncode or 0, out.decode(), err.decode())
        assert said.code == code, f"{words}: {said}"
        assert "Traceback" not in said.err
        return said

    def write(self, name: str, manifest: client.Object) -> str:
        """A manifest in the folder."""
        (self._folder / name).write_text(yaml.safe_dump(manifest))
        return name


@pytest.fixture
def shell(kubeconfig: pathlib.Path, namespace: str, tmp_path: pathlib.Path) -> Shell:
    return Shell(kubeconfig, namespace, tmp_path)


async def test_life_of_a_job(
    shell: Shell, operator: process.Operator, kubelet: Kubelet, cluster: client.Client, namespace: str
) -> None:
    operator.start()
    await operator.ready()
    path = shell.write("job.yaml", builders.job("life", trials=2, placement=kubelet.placement))
    assert "would be created" in (await shell.run("create", path, "--dry-run")).out
    created = await shell.run("create", path, "--wait", "--timeout", "50s")
    assert created.out.splitlines()[-1].startswith("best: accuracy=")
    assert (await shell.run("create", path, code=2)).err.startswith("there is a TuningJob life already; choose another")

    best = json.loads((await shell.run("best", "life", "-o", "json")).out)
    assert best["name"].startswith("life-")
    assert "life  Complete  2/2" in (await shell.run("list")).out
    described = (await shell.run("describe", "life")).out
    assert "MaxTrialsReached" in described
    assert "Started" in described, "its Events"

    refused = await shell.run("extend", "life", "--max-trials", "2", code=2)
    assert "would not go on: all 2 trials are finished; give it more with --trials" in refused.err
    extended = await shell.run("extend", "life", "--trials", "2", "--wait", "--timeout", "50s")
    assert "extended: limits.maxTrials is 4" in extended.out
    rows = json.loads((await shell.run("trials", "life", "-o", "json", "--sort", "best")).out)
    assert [row["phase"] for row in rows] == ["Succeeded"] * 4
    assert "Reopened" in (await shell.run("describe", "life")).out

    again = await shell.run("rerun", "life", "--times", "2", "--wait", "--timeout", "50s")
    assert again.out.startswith(f"tuningjob life-rerun-{rows[0]['trial']} created")
    trials = await cluster.list("TuningTrial", namespace)
    seeds = [item["spec"]["parameters"]["seed"] for item in trials if "rerun" in item["spec"]["job"]["name"]]
    assert sorted(seeds) == [0, 1]


async def test_job_is_suspended_stopped_and_goes_on(
    shell: Shell, operator: process.Operator, kubelet: Kubelet, cluster: client.Client, namespace: str
) -> None:
    operator.start()
    await operator.ready()
    await shell.run(
        "create", shell.write("job.yaml", builders.job("held", trials=3, suspend=True, placement=kubelet.placement))
    )
    assert "nothing to suspend" not in (await shell.run("suspend", "held", "--wait", "--timeout", "20s")).err
    await shell.run("stop", "held", "--wait", "--timeout", "20s")
    failed = await shell.run("watch", "held", code=1)
    assert failed.out.startswith("failed: spec.stop is true")
    assert "no trial of held has succeeded yet" in (await shell.run("best", "held", code=1)).err
    assert "finished (Failed)" in (await shell.run("suspend", "held", code=2)).err
    resumed = await shell.run("resume", "held", "--wait", "--timeout", "50s")
    assert resumed.out.splitlines()[-1].startswith("best: ")
    assert "neither suspended nor stopped" in (await shell.run("resume", "held", code=2)).err
    job = await cluster.find("TuningJob", namespace, "held")
    assert job is not None
    assert (job["status"]["phase"], job["status"]["progress"]) == ("Complete", "3/3")


async def test_converted_experiment_runs_to_the_end(
    shell: Shell, operator: process.Operator, kubelet: Kubelet, tmp_path: pathlib.Path
) -> None:
    from tests.unit.katib import experiments

    operator.start()
    await operator.ready()
    document = experiments.experiment("moved", maxTrialCount=3, objective={"goal": None})
    document["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"] |= kubelet.placement
    converted = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tuning_operator.cli.main", "convert", shell.write("experiment.yaml", document)),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await converted.communicate()
    (tmp_path / "job.yaml").write_bytes(out)
    done = await shell.run("create", "job.yaml", "--wait", "--timeout", "50s")
    assert done.out.splitlines()[-2] == "complete: all 3 trials are finished"


async def test_every_refusal_has_a_word(
    shell: Shell, crds: None, cluster: client.Client, namespace: str, kubeconfig: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    absent = await shell.run("best", "nobody", code=3)
    assert absent.err == (
        f"there is no TuningJob nobody in namespace {namespace}; "
        "choose another namespace with -n, or look with tuningctl list -A\n"
    )
    assert "there is no context nowhere" in (await shell.run("list", "--context", "nowhere", code=3)).err
    assert "there are no TuningJobs here" in (await shell.run("list")).err
    stranger = Shell(await without_rights(cluster, namespace, kubeconfig, tmp_path), namespace, tmp_path)
    assert "you may not list TuningJobs" in (await stranger.run("list", code=5)).err
    nobody = Shell(kubeconfig_of(tmp_path, {"server": "http://127.0.0.1:9"}, {}), namespace, tmp_path)
    assert "the cluster does not answer" in (await nobody.run("list", code=4)).err
    await cluster.create(builders.job("young"), namespace)
    assert "no trial of young has succeeded yet" in (await shell.run("best", "young", code=1)).err
    assert "not done within 1s" in (await shell.run("watch", "young", "--timeout", "1s", code=6)).err
