"""A real Prometheus for tests: the machine's own, or Debian's package, unpacked once and not installed."""

from __future__ import annotations

import functools
import os
import pathlib
import shutil
import subprocess
import tempfile


def prometheus() -> str:
    """Path of the server."""
    return _find("prometheus")


def promtool() -> str:
    """Path of the tool that checks metrics and rules."""
    return _find("promtool")


@functools.cache
def _find(name: str) -> str:
    return shutil.which(name) or str(_unpacked() / "usr" / "bin" / name)


def _unpacked() -> pathlib.Path:
    home = pathlib.Path(os.environ.get("TUNING_TOOLS_HOME") or pathlib.Path.home() / ".cache" / "tuning-tools")
    folder = home / "prometheus"
    if folder.is_dir():
        return folder
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home) as work:
        _download(pathlib.Path(work))
        complete = pathlib.Path(work, "complete")
        (package,) = pathlib.Path(work).glob("*.deb")
        subprocess.run(["dpkg-deb", "--extract", package, complete], check=True)
        try:
            complete.rename(folder)
        except OSError:  # another process was quicker
            if not folder.is_dir():
                raise
    return folder


def _download(folder: pathlib.Path) -> None:
    """Debian's package, after a look for newer lists of packages if there is none to be had."""
    command = ["apt-get", "download", "--quiet", "prometheus"]
    if subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode:
        subprocess.run(["apt-get", "update", "--quiet"], capture_output=True, check=False)
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"no prometheus and promtool on PATH, and none from Debian: {done.stderr}")
