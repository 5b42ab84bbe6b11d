"""The operator as a process of its own, so that a test can kill it as a machine would."""

from __future__ import annotations

import asyncio
import os
import pathlib
import signal
import subprocess
import sys

import psutil

STOP_SECONDS = 15.0


class Operator:
    """Starts, kills and restarts the operator for one namespace. All its runs write to one log."""

    def __init__(self, namespace: str, kubeconfig: pathlib.Path, log: pathlib.Path, *options: str) -> None:
        self._command = [
            *(sys.executable, "-m", "tuning_operator.kube.main", "run"),
            *("--sidecar-image", "localhost/none:dev", "--sidecar-mode", "classic"),
            *("--namespace", namespace, "--port", "0", "--log-format", "text"),
            *("--ready-file", str(log.with_suffix(".ready"))),
            *options,
        ]
        self._ready = log.with_suffix(".ready")
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, and does not wait for it to be ready. Fails when it runs already."""
        assert not self.runs(), "the operator runs already"
        self._ready.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def runs(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    async def ready(self, seconds: float = 30) -> None:
        """Returns when it has seen all that there is to see; fails with its log after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    if self._ready.exists():
                        return
                    assert self.runs(), f"the operator has ended:\n{self.log()}"
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"the operator was not ready within {seconds} s:\n{self.log()}") from None

    def kill(self) -> None:
        """SIGKILL to it and to its workers, as when its container is killed; it is gone on return."""
        if self._process is None:
            return
        for process in self.family():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self._process.wait()
        self._process = None

    async def said(self, text: str, seconds: float = 30) -> None:
        """Returns when its log has this text; fails with the log after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while text not in self.log():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{text!r} was not said within {seconds} s:\n{self.log()}") from None

    async def ended(self, seconds: float = STOP_SECONDS) -> int:
        """The exit code with which it has ended by itself; fails after `seconds`."""
        assert self._process is not None, "the operator does not run"
        return await asyncio.to_thread(self._process.wait, seconds)

    async def stop(self, seconds: float = STOP_SECONDS) -> int:
        """SIGTERM, as at a rolling update; its exit code. Fails when it has not ended within `seconds`."""
        assert self._process is not None, "the operator does not run"
        process = self._process
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(process.wait, seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the operator did not stop within {seconds} s of SIGTERM:\n{self.log()}") from None
        self._process = None
        return process.returncode

    def log(self) -> str:
        """What all its runs have written so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def rss_mib(self) -> float:
        """The memory that it and its workers hold now, in MiB."""
        return sum(process.memory_info().rss for process in self.family()) / 2**20

    def family(self) -> list[psutil.Process]:
        """It and its workers; nobody where it does not run."""
        if self._process is None:
            return []
        try:
            parent = psutil.Process(self._process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []
