"""The process between `tuningctl` and one trial, which answers for everything that the trial starts.

A parent that is killed cannot clean up, and a process group does not hold daemons that leave it. So each trial gets a
warden: it is the subreaper of all that descends from the trial, it notices the end of its parent as the end of a pipe,
and it is the last one to go. It works like this::

    stdin    one line of JSON (see `Order`), then `stop` or `kill`; its end means that the parent is gone
    stdout   {"pid": …, "started": …} when the trial runs, and what `record` then holds when it has ended
    record   {"started": …, "ended": …, "code": …, "signal": …, "error": …, "stopped": …, "memory": …}; missing when the trial was cut off

It is started once an attempt, by path and in isolated mode, and therefore imports next to nothing. Off Linux there
are no subreapers; there it ends the trial's process group.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypedDict
else:
    TypedDict = dict

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
"""Both from Linux' sys/prctl.h."""

CLEARANCE_SECONDS = 10.0
"""How long killed processes may take to go; one that hangs in the kernel is left behind then."""
ROUND_SECONDS = 0.02

CONTROL, REPORT = 0, 1


class Order(TypedDict):
    """What to run and how. Times are in seconds, paths absolute."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    stdout: str
    stderr: str
    record: str
    grace: float
    """Between the SIGTERM of a stop and the SIGKILL."""


class Record(TypedDict):
    """How the trial ended: with an exit code, by a signal, or because it could not be started."""

    started: float
    ended: float
    code: int | None
    signal: int | None
    error: str
    stopped: bool
    """Whether it was told to stop before it ended."""
    memory: int
    """The most memory that one of its processes had at a time, in bytes."""


class Warden:
    """Runs one trial's process to its end, and everything that it left behind."""

    def __init__(self, order: Order, alarm: int) -> None:
        """`alarm` is a pipe that becomes readable with every signal."""
        self._order = order
        self._alarm = alarm
        self._main = 0
        self._status: int | None = None
        self._stopped = False
        self._kill_at: float | None = None
        self._abandoned = False

    def abandon(self) -> None:
        """Give the trial up at once, without a record."""
        self._abandoned = True

    def run(self) -> None:
        """Start the trial, wait for it, end what is left of it, and report."""
        started = time.time()
        self._main, error = launch(self._order)
        if not error:
            tell({"pid": self._main, "started": started})
        while self._has_children() and self._status is None and not self._abandoned:
            self._wait()
        ended = time.time()
        self._clear()
        if not self._abandoned:
            self._conclude(started, ended, error)

    def _wait(self) -> None:
        """Wait for a child, a word of the parent's or the end of the grace period, and act upon it."""
        patience = None if self._kill_at is None else max(0.0, self._kill_at - time.monotonic())
        readable, _, _ = select.select([CONTROL, self._alarm], [], [], patience)
        if self._alarm in readable:
            os.read(self._alarm, 512)
        if CONTROL in readable:
            words = os.read(CONTROL, 512)
            if not words:
                self.abandon()
            elif b"kill" in words:
                self._stopped, self._kill_at = True, time.monotonic()
            elif not self._stopped:
                self._stopped, self._kill_at = True, time.monotonic() + self._order["grace"]
                send(os.killpg, self._main, signal.SIGTERM)
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill()
            self._kill_at = time.monotonic() + ROUND_SECONDS

    def _clear(self) -> None:
        limit = time.monotonic() + CLEARANCE_SECONDS
        while self._has_children() and time.monotonic() < limit:
            self._kill()
            select.select([self._alarm], [], [], ROUND_SECONDS)

    def _kill(self) -> None:
        """Kill the trial's group and all own children; theirs become ours, so the next round gets those.

        Children that were not waited for keep their process ids, so nobody else's process is ever hit.
        """
        if self._status is None:
            send(os.killpg, self._main, signal.SIGKILL)
        for pid in children(os.getpid()):
            send(os.kill, pid, signal.SIGKILL)

    def _has_children(self) -> bool:
        """Collect those that have ended; answers whether any are left."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return True
                if pid == self._main:
                    self._status = status
        except ChildProcessError:
            return False

    def _conclude(self, started: float, ended: float, error: str) -> None:
        code = None if self._status is None or error else os.waitstatus_to_exitcode(self._status)
        record: Record = {
            "started": started,
            "ended": ended,
            "code": code if code is not None and code >= 0 else None,
            "signal": -code if code is not None and code < 0 else None,
            "error": error,
            "stopped": self._stopped,
            "memory": peak_memory(),
        }
        # Renamed, so that whoever finds it finds all of it.
        draft = self._order["record"] + ".new"
        with open(draft, "w", encoding="utf-8") as file:  # noqa: PTH123  pathlib would double the time to start
            json.dump(record, file)
        os.replace(draft, self._order["record"])  # noqa: PTH105
        tell(record)


def launch(order: Order) -> tuple[int, str]:
    """Start the trial in a session of its own; answers its process id, and what went wrong if it could not start."""
    failure, told = os.pipe()
    warden = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            _become(order, warden)
        except (OSError, ValueError) as error:
            os.write(told, f"{order['argv'][0]}: {getattr(error, 'strerror', None) or error}".encode())
        finally:
            os._exit(127)
    os.close(told)
    with os.fdopen(failure, encoding="utf-8", errors="replace") as reader:
        return pid, reader.read()


def _become(order: Order, warden: int) -> None:
    os.setsid()
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != warden:
        return
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    streams = [os.open(os.devnull, os.O_RDONLY), *(os.open(order[name], flags, 0o644) for name in ("stdout", "stderr"))]
    for target, descriptor in enumerate(streams):
        os.dup2(descriptor, target)
    os.chdir(order["cwd"])
    os.execvpe(order["argv"][0], order["argv"], order["env"])


def children(parent: int) -> list[int]:
    """The process ids of the children of a process; none where there is no /proc."""
    found = []
    for name in os.listdir("/proc") if sys.platform == "linux" else []:  # noqa: PTH208
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                    stat = file.read()
            except OSError:
                continue
            # The second field is the program's name in brackets and may hold anything; the parent is the fourth.
            if int(stat[stat.rindex(b")") + 2 :].split()[1]) == parent:
                found.append(int(name))
    return found


def peak_memory() -> int:
    """The largest resident size, in bytes, of any process that has ended below this one."""
    size = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return size * 1024 if sys.platform == "linux" else size


def send(kill: Callable[[int, int], None], target: int, number: int) -> None:
    """A signal to a process or a group; one that may not be signalled (it became another user) is passed over."""
    try:
        kill(target, number)
    except OSError:
        return


def prctl(option: int, value: int) -> None:
    """Linux' prctl(); elsewhere nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)


def tell(message: object) -> None:
    """A line for the parent, if there still is one."""
    try:
        os.write(REPORT, json.dumps(message).encode() + b"\n")
    except OSError:
        return


def _order() -> Order | None:
    """The order on standard input; None when the parent is gone before it has given one."""
    text = b""
    while not text.endswith(b"\n"):
        part = os.read(CONTROL, 65536)
        if not part:
            return None
        text += part
    order: Order = json.loads(text)
    return order


def main() -> None:
    """Carry out the order on standard input."""
    order = _order()
    if order is None:
        return
    alarm, bell = os.pipe()
    os.set_blocking(bell, False)
    warden = Warden(order, alarm)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: warden.abandon())
    signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
    warden.run()


if __name__ == "__main__":
    main()
