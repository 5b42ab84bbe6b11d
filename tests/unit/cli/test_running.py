"""`tuningctl run` as people and scripts use it: in a pipe, on a terminal, interrupted, killed and run again."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests import builders
from tests.unit.local import bench

PATIENCE = 60.0
COMMAND = (sys.executable, "-m", "tuning_operator.cli.main")
FOREVER = "while :; do sleep 0.02; done"
SIGN = "$TUNING_JOB_DIR/hangs"
ONCE = f"if [ $TUNING_TRIAL_NUMBER = 2 ] && [ ! -e {SIGN} ]; then touch {SIGN}; {FOREVER}; fi; {bench.REPORT}"
"""Trial 2 hangs, but only once."""


class Place:
    """A folder with a manifest, and `tuningctl` running there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def write(self, manifest: builders.Manifest) -> None:
        (self.folder / "job.yaml").write_text(yaml.safe_dump(manifest))

    def start(self, *options: str) -> subprocess.Popen[str]:
        command = (*COMMAND, "run", "job.yaml", *options)
        pipe = subprocess.PIPE
        self._started.append(subprocess.Popen(command, cwd=self.folder, stdout=pipe, stderr=pipe, text=True))
        return self._started[-1]

    def run(self, *options: str, code: int = 0) -> tuple[str, str]:
        """Run to the end; answers both outputs."""
        return self.end(self.start(*options), code)

    def end(self, process: subprocess.Popen[str], code: int) -> tuple[str, str]:
        output, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, (output, errors)
        return output, errors

    def result(self, *options: str, code: int = 0) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.run("-o", "json", "--all", *options, code=code)[0])
        return document

    def clean(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.clean()


def until(condition: Callable[[], Any]) -> Any:
    limit = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < limit, "it does not happen"
        time.sleep(0.02)
    return found


def test_in_a_pipe_each_trial_is_a_line_and_the_best_is_the_last(place: Place) -> None:
    place.write(bench.job())
    output, errors = place.run()
    assert not errors
    assert re.fullmatch(r"[ -~\n]+", output), "a control character"
    lines = output.splitlines()
    assert lines[0].startswith("job job: 3 trials, 1 at a time, random search; kept in ")
    assert [line.split(":")[0] for line in lines[1:4]] == [f"trial {number} succeeded" for number in range(3)]
    assert re.fullmatch(r"best: accuracy=0\.\d{4,6} x=0\.\d+ n=\d kernel=\w+ \(trial \d\)", lines[-1])


def test_result_is_a_document_and_progress_goes_elsewhere(place: Place) -> None:
    place.write(bench.job())
    output, errors = place.run("-o", "json")
    found = json.loads(output)
    assert (found["job"], found["phase"], found["reason"]) == ("job", "Complete", "MaxTrialsReached")
    assert found["trials"]["succeeded"] == 3
    assert found["best"]["values"]["accuracy"] == found["best"]["parameters"]["x"]
    assert "allTrials" not in found
    assert errors.splitlines()[-1].startswith("best: accuracy=")
    again, _ = place.run("-o", "yaml", "--all")
    assert yaml.safe_load(again)["best"] == found["best"]
    assert len(yaml.safe_load(again)["allTrials"]) == 3


def test_with_several_objectives_the_front_is_shown(place: Place) -> None:
    report = 'echo "{\\"accuracy\\": $HP_x, \\"loss\\": $HP_x}" >> "$TUNING_METRICS_FILE"'
    place.write(bench.job(report, objectives=[builders.objective(), builders.objective("loss", "minimize")]))
    output, errors = place.run("-o", "json")
    assert len(json.loads(output)["paretoFront"]) == 3
    lines = errors.splitlines()
    assert lines[-7] == "Pareto front, 3 trials:"
    assert lines[-6].split() == ["trial", "accuracy", "loss", "time", "parameters"]
    assert re.match(r"best: accuracy=0\.\d+ loss=0\.\d+ x=", lines[-1])


def test_job_without_a_success_says_so_and_fails(place: Place) -> None:
    place.write(bench.job("echo nonsense >&2; exit 3", trials=1))
    output, _ = place.run(code=1)
    lines = output.splitlines()
    assert "exit code 3: nonsense" in lines[1]
    assert lines[-1] == "best: none, no trial has succeeded"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_run_says_how_to_go_on_and_does(place: Place, number: signal.Signals, code: int) -> None:
    place.write(bench.job(ONCE, trials=4))
    process = place.start()
    until((place.folder / "hangs").exists)
    process.send_signal(number)
    output, errors = place.end(process, code)
    assert not errors
    assert "interrupted; run the same command again to go on" in output
    found = place.result()
    assert [one["phase"] for one in found["allTrials"]] == ["Succeeded"] * 4


def test_killed_run_leaves_nothing_running_and_goes_on_with_the_same_trials(place: Place) -> None:
    daemon = "python3 -c 'import os, time; os.fork() and os._exit(0); os.setsid(); time.sleep(600)'"
    place.write(bench.job(f"[ $TUNING_TRIAL_NUMBER = 2 ] && {daemon}; {ONCE}", trials=5))
    process = place.start()
    until((place.folder / "hangs").exists)
    below = psutil.Process(process.pid).children(recursive=True)
    assert len(below) >= 4, "the worker, a warden, a trial and its daemon"
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(below, timeout=PATIENCE)
    assert not alive
    found = place.result()
    assert [one["phase"] for one in found["allTrials"]] == ["Succeeded"] * 5
    undisturbed = place.result("--state", "elsewhere", "--fresh")
    assert [one["parameters"] for one in found["allTrials"]] == [one["parameters"] for one in undisturbed["allTrials"]]


def test_second_run_of_the_same_job_is_turned_away(place: Place) -> None:
    place.write(bench.job(ONCE))
    first = place.start()
    until((place.folder / "hangs").exists)
    _, errors = place.run(code=2)
    assert "this job is being run by another tuningctl" in errors
    assert "Traceback" not in errors
    first.send_signal(signal.SIGINT)
    place.end(first, 130)


def test_changed_job_is_refused_until_it_starts_over(place: Place) -> None:
    place.write(bench.job(seed=1))
    place.run()
    place.write(bench.job(seed=2))
    output, errors = place.run(code=2)
    assert not output
    assert re.match(r"job\.yaml: spec\.search: changed since the job began .*--fresh\n", errors)
    place.run("--fresh")


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        pytest.param({"objectives": []}, (), "job.yaml: spec.objectives: ", id="bad spec"),
        pytest.param(
            {"template": {"spec": {"containers": [{"name": "trial", "image": "i"}]}}},
            (),
            "job.yaml: spec.template.spec.containers[0].command: ",
            id="nothing to run",
        ),
        pytest.param({"suspend": True}, (), "", id="suspended"),
        pytest.param({}, ("--parallel", "0"), "Invalid value for '--parallel'", id="no parallelism"),
        pytest.param({}, ("-o", "xml"), "Invalid value for '--output'", id="no format"),
        pytest.param({}, ("--state", "job.yaml"), "cannot be used (Not a directory)", id="no folder"),
    ],
)
def test_what_cannot_be_run_is_refused(
    place: Place, change: dict[str, Any], options: tuple[str, ...], message: str
) -> None:
    manifest = bench.job()
    place.write({**manifest, "spec": {**manifest["spec"], **change}})
    _, errors = place.run(*options, code=2)
    assert message in errors
    assert "Traceback" not in errors


def test_several_jobs_in_one_file_are_refused(place: Place) -> None:
    (place.folder / "job.yaml").write_text(yaml.safe_dump_all([bench.job(), bench.job()]))
    assert "there are 2 documents in it; run one TuningJob at a time" in place.run(code=2)[1]


class Terminal:
    """A terminal with a program in it."""

    def __init__(self, folder: Path, width: int) -> None:
        self.master, terminal = pty.openpty()
        self.resize(width)
        environ = {**os.environ, "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            (*COMMAND, "run", "job.yaml"), cwd=folder, stdin=terminal, stdout=terminal, stderr=terminal, env=environ
        )
        os.close(terminal)
        self.text = ""

    def resize(self, width: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))

    def read(self) -> bool:
        """Read on; answers whether there may be more."""
        if not select.select([self.master], [], [], PATIENCE)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:  # Linux' way to say that nobody writes any more.
            return False
        self.text += data.decode()
        return bool(data)


@pytest.mark.parametrize("width", [100, 30])
def test_on_a_terminal_there_is_a_picture_and_the_best_is_the_last_line(place: Place, width: int) -> None:
    place.write(bench.job(f"sleep 0.3; {bench.REPORT}", parallel=2))
    terminal = Terminal(place.folder, width)
    while "Running" not in terminal.text and terminal.read():
        pass
    terminal.resize(width - 10)
    while terminal.read():
        pass
    assert terminal.process.wait(PATIENCE) == 0
    assert "━" in terminal.text
    assert "\x1b[?25h" in terminal.text, "the cursor stays hidden"
    assert terminal.text.splitlines()[-1].startswith("best: accuracy=0.")
    os.close(terminal.master)


def test_parent_stays_light(tmp_path: Path) -> None:
    heavy = "{'numpy', 'skopt', 'sklearn', 'scipy', 'kopf', 'kubernetes'}"
    script = (
        f"import sys, tuning_operator.cli.running, tuning_operator.cli.validating; print({heavy} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert found.stdout == "set()\n"
