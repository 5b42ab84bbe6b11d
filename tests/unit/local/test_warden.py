"""No process that a trial starts outlives it, whatever it does and whoever dies first."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tuning_operator.local import attempt

PATIENCE = 20.0

DAEMON = (
    "import os, sys, time\n"
    "if os.fork():\n    os._exit(0)\n"
    "os.setsid()\n"
    "if os.fork():\n    os._exit(0)\n"
    "open(sys.argv[1], 'w').write(str(os.getpid()))\n"
    "time.sleep(600)\n"
)
"""A daemon as in the textbooks: forked twice, in a session of its own; it leaves its process id."""


class Ward:
    """A warden with a trial, seen from its parent."""

    def __init__(self, folder: Path, argv: list[str], grace: float = 10.0) -> None:
        self.folder = folder
        self.record = folder / "exit.json"
        self._order = {
            "argv": argv,
            "env": {"PATH": os.environ["PATH"], "HERE": str(folder)},
            "cwd": str(folder),
            "stdout": str(folder / "stdout.log"),
            "stderr": str(folder / "stderr.log"),
            "record": str(self.record),
            "grace": grace,
        }
        self.process = subprocess.Popen(attempt.WARDEN, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.say(json.dumps(self._order))

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return json.loads(line) if line else {}

    def leave(self) -> None:
        """Do what a parent does that is killed: its end of the pipe is closed."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def pid_in(self, name: str) -> int:
        return int(until(lambda: (self.folder / name).exists() and (self.folder / name).read_text()))


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Callable[..., Ward]]:
    wards: list[Ward] = []

    def make(*argv: str, grace: float = 10.0) -> Ward:
        wards.append(Ward(tmp_path, list(argv), grace))
        return wards[-1]

    yield make
    for one in wards:
        one.leave()
        one.process.wait(PATIENCE)
        if one.process.stdout:
            one.process.stdout.close()


def until(condition: Callable[[], Any]) -> Any:
    limit = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < limit, "it does not happen"
        time.sleep(0.01)
    return found


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(
    ("script", "code", "number"),
    [("exit 0", 0, None), ("exit 7", 7, None), ("kill -9 $$", None, 9), ("kill -15 $$", None, 15)],
)
def test_end_is_told_and_recorded(ward: Callable[..., Ward], script: str, code: int | None, number: int | None) -> None:
    one = ward("sh", "-c", script)
    begun, ended = one.hear(), one.hear()
    assert begun["pid"] > 0
    assert (ended["code"], ended["signal"], ended["error"], ended["stopped"]) == (code, number, "", False)
    assert begun["started"] == ended["started"] <= ended["ended"]
    assert json.loads(one.record.read_text()) == ended


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["no-such-program"], "no-such-program: No such file or directory"),
        (["./plain"], "./plain: Permission denied"),
    ],
)
def test_command_that_cannot_be_started_is_told(
    ward: Callable[..., Ward], tmp_path: Path, argv: list[str], error: str
) -> None:
    (tmp_path / "plain").touch(0o644)
    ended = ward(*argv).hear()
    assert (ended["error"], ended["code"], ended["signal"]) == (error, None, None)


def test_command_that_no_program_can_be_given_is_told(ward: Callable[..., Ward]) -> None:
    assert "null" in ward("echo", "a\0b").hear()["error"]


def test_output_goes_to_files_and_input_is_empty(ward: Callable[..., Ward], tmp_path: Path) -> None:
    one = ward("sh", "-c", "cat; echo out; echo err >&2")
    assert one.hear()
    assert one.hear()["code"] == 0
    assert ((tmp_path / "stdout.log").read_text(), (tmp_path / "stderr.log").read_text()) == ("out\n", "err\n")


def test_trial_runs_in_a_session_and_folder_of_its_own(ward: Callable[..., Ward], tmp_path: Path) -> None:
    one = ward(sys.executable, "-c", "import os; print(os.getsid(0) == os.getpid(), os.getcwd())")
    assert one.hear()
    assert one.hear()["code"] == 0
    assert (tmp_path / "stdout.log").read_text() == f"True {tmp_path}\n"


def test_stop_lets_the_trial_say_goodbye(ward: Callable[..., Ward], tmp_path: Path) -> None:
    one = ward("sh", "-c", "trap 'echo bye; exit 3' TERM; touch ready; while :; do sleep 0.01; done")
    assert one.hear()
    until((tmp_path / "ready").exists)
    one.say("stop")
    ended = one.hear()
    assert (ended["code"], ended["stopped"]) == (3, True)
    assert (tmp_path / "stdout.log").read_text() == "bye\n"


def test_stop_kills_a_trial_that_ignores_it(ward: Callable[..., Ward], tmp_path: Path) -> None:
    one = ward("sh", "-c", "trap '' TERM; touch ready; while :; do sleep 0.01; done", grace=0.05)
    assert one.hear()
    until((tmp_path / "ready").exists)
    one.say("stop")
    assert one.hear()["signal"] == signal.SIGKILL


def test_kill_does_not_wait_for_the_grace_period(ward: Callable[..., Ward], tmp_path: Path) -> None:
    one = ward("sh", "-c", "trap '' TERM; touch ready; while :; do sleep 0.01; done", grace=600)
    assert one.hear()
    until((tmp_path / "ready").exists)
    one.say("stop")
    one.say("kill")
    assert one.hear()["signal"] == signal.SIGKILL


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("sleep 600 & echo $! >pid; exit 0", id="a child in the background"),
        pytest.param("trap '' TERM HUP; sleep 600 & echo $! >pid; exit 0", id="a child that ignores signals"),
        pytest.param('python3 -c "$DAEMON" pid; while [ ! -s pid ]; do sleep 0.01; done', id="a daemon"),
    ],
)
def test_what_a_trial_leaves_behind_is_gone_before_its_end_is_told(ward: Callable[..., Ward], script: str) -> None:
    one = ward("env", f"DAEMON={DAEMON}", "sh", "-c", script)
    assert one.hear()
    assert one.hear()["code"] == 0
    assert is_gone(one.pid_in("pid"))


def test_nothing_is_left_when_the_parent_dies(ward: Callable[..., Ward]) -> None:
    one = ward("env", f"DAEMON={DAEMON}", "sh", "-c", 'trap "" TERM; python3 -c "$DAEMON" pid; sleep 600')
    begun = one.hear()
    daemon = one.pid_in("pid")
    one.leave()
    one.process.wait(PATIENCE)
    assert is_gone(daemon)
    assert is_gone(begun["pid"])
    assert not one.record.exists(), "a trial that was cut off looks as if it had ended"


def test_nothing_is_left_when_the_warden_is_told_to_go(ward: Callable[..., Ward]) -> None:
    one = ward("env", f"DAEMON={DAEMON}", "sh", "-c", 'python3 -c "$DAEMON" pid; sleep 600')
    assert one.hear()
    daemon = one.pid_in("pid")
    one.process.terminate()
    one.process.wait(PATIENCE)
    assert is_gone(daemon)


def test_trial_dies_with_a_warden_that_is_killed(ward: Callable[..., Ward]) -> None:
    one = ward("sleep", "600")
    begun = one.hear()
    one.process.kill()
    one.process.wait(PATIENCE)
    until(lambda: is_gone(begun["pid"]))


def test_nothing_is_started_for_a_parent_that_is_gone_at_once(tmp_path: Path) -> None:
    process = subprocess.run(attempt.WARDEN, input=b'{"argv": ["touch"', check=False, timeout=PATIENCE, cwd=tmp_path)
    assert process.returncode == 0
    assert not list(tmp_path.iterdir())
