"""`tuningctl web` and `tuningctl run --web`, as processes."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import builders as manifests
from tests.unit.cli.test_reporting import keep
from tests.unit.report import builders
from tuning_operator.local import folder

COMMAND = (sys.executable, "-m", "tuning_operator.cli.main")
PATIENCE = 60


class Shell:
    """Commands that run in a folder; killed at the end."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        process = subprocess.Popen((*COMMAND, *arguments), cwd=self.place, stdout=pipe, stderr=pipe, text=True)
        self.started.append(process)
        return process

    def address(self, process: subprocess.Popen[str]) -> str:
        """The address of its page, as soon as it says one."""
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://localhost:\d+", line):
                return found[0]
        raise AssertionError(process.communicate())


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = Shell(tmp_path)
    yield made
    for process in made.started:
        process.kill()
        process.communicate()


def page(address: str) -> str:
    with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
        return str(answer.read().decode())


def test_jobs_that_were_run_here_are_shown(shell: Shell) -> None:
    home = folder.Folder(shell.place / ".tuning" / "job")
    keep(home, builders.study(14))
    (home.attempt(3, 1) / "stdout.log").write_text("what it has printed")
    (shell.place / ".tuning" / "broken").mkdir()
    (shell.place / ".tuning" / "broken" / "job.json").write_text("{")
    process = shell.start("web", "--port", "0")
    address = shell.address(process)
    assert 'href="/jobs/-/job"' in page(address)
    assert "Learning curves" in page(f"{address}/jobs/-/job")
    assert "what it has printed" in page(f"{address}/jobs/-/job/trials/3")
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0


def test_a_job_is_shown_while_it_runs(shell: Shell) -> None:
    command = [
        "sh",
        "-c",
        "while [ ! -e $TUNING_JOB_DIR/go ]; do sleep 0.05; done; echo '{\"accuracy\": 0.5}' >> $TUNING_METRICS_FILE",
    ]
    manifest = manifests.job("job", trials=1, template=manifests.template(command))
    (shell.place / "job.yaml").write_text(json.dumps(manifest))
    process = shell.start("run", "job.yaml", "--web")
    shown = page(f"{shell.address(process)}/jobs/-/job")
    assert "Running" in shown or "Pending" in shown
    (shell.place / "go").touch()
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert "best: accuracy=0.5" in output


@pytest.mark.parametrize("path", ["/jobs/-/..", "/jobs/-/%2e%2e%2fother", "/jobs/-/nobody", "/jobs/team/job"])
def test_nothing_outside_of_the_folder_is_shown(shell: Shell, path: str) -> None:
    keep(folder.Folder(shell.place / "other"), builders.study(3))
    keep(folder.Folder(shell.place / ".tuning" / "job"), builders.study(3))
    address = shell.address(shell.start("web", "--port", "0"))
    with pytest.raises(urllib.error.HTTPError, match="404"):
        page(address + path)


def test_what_cannot_be_served_is_told(shell: Shell) -> None:
    process = shell.start("web", "--state", "nowhere")
    assert "nowhere is no folder" in process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 2
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        (shell.place / ".tuning").mkdir()
        process = shell.start("web", "--port", str(taken.getsockname()[1]))
        assert "--port" in process.communicate(timeout=PATIENCE)[1]
        assert process.returncode == 1
