"""Operators that start in a moment, for tests that kill hundreds of them.

A process that has imported everything and runs nothing forks one operator after another. Each is a real process of
its own that is really killed; only the time for Python's imports is saved.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import json
import os
import pathlib
import signal
import subprocess
import sys
from multiprocessing import connection
from typing import Any

from tuning_operator.kube import logs, operator
from tuning_operator.search import child, worker


class Zygote:
    """Forks operators for one namespace. `kill` may be called from anywhere, also while a call is being served."""

    def __init__(self, namespace: str, kubeconfig: pathlib.Path, log: pathlib.Path) -> None:
        options = operator.Options(
            sidecar_image="localhost/none:dev", sidecar_mode="classic", namespaces=(namespace,), port=0
        )
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.zygote", json.dumps(dataclasses.asdict(options))],
                env={**os.environ, "KUBECONFIG": str(kubeconfig)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        self._operators: list[int] = []

    async def fork(self) -> int:
        """Starts an operator; answers its process id."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        pid = int(await asyncio.to_thread(self._process.stdout.readline))
        self._operators.append(pid)
        return pid

    @property
    def pids(self) -> tuple[int, ...]:
        """The operators that were not killed."""
        return tuple(self._operators)

    def kill(self) -> None:
        """SIGKILL to all operators."""
        for pid in self._operators:
            os.kill(pid, signal.SIGKILL)
        self._operators.clear()

    def close(self) -> None:
        """Ends everything."""
        self.kill()
        self._process.kill()
        self._process.wait()


def _fork_worker() -> worker.Child:
    ours, theirs = connection.Pipe()
    pid = os.fork()
    if pid == 0:
        ours.close()
        child.main(theirs.fileno())
        os._exit(0)
    theirs.close()
    return worker.Child(ours, lambda: os.kill(pid, signal.SIGKILL))


def main() -> None:
    """Forks an operator for each line of the input. The kernel reaps them; the search's worker dies with its parent."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    options = operator.Options(**{**given, "namespaces": tuple(given["namespaces"])})
    worker.start = _fork_worker
    for module in operator.WARM:
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin.buffer:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            logs.configure("text")
            asyncio.run(operator.run(options))
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
