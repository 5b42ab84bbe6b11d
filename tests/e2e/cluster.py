"""The cluster that the environment names (see conftest.py), what may be done to it, and the images it is given."""

from __future__ import annotations

import os
import pathlib
import subprocess
from typing import Protocol

ROOT = pathlib.Path(__file__).parents[2]
SCRIPT = os.environ.get("TUNING_CLUSTER", "")
REGISTRY = os.environ.get("TUNING_IMAGES", "").rstrip("/")
SHARED = bool(os.environ.get("TUNING_SHARED"))
OURS = SCRIPT != "" and pathlib.Path(SCRIPT).resolve() == ROOT / "tests" / "cluster" / "cluster"
"""Whether it is that of tests/cluster/cluster, which can do more than others."""
BREAKABLE = OURS and not SHARED
"""Whether its components may be killed."""


class Tool(Protocol):
    """A command-line tool that runs against the cluster and returns what it prints."""

    def __call__(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run it; AssertionError with its own words when it fails, unless `check` is false."""


class Images:
    """The images of this working tree by name, each built and loaded into the nodes when a test first asks for it."""

    def __init__(self) -> None:
        self._ready: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        """Reference of `tuning-operator`, `tuning-sidecar` or an example's `tuning-example-NAME`."""
        if name not in self._ready:
            self._ready[name] = f"{REGISTRY}/{name}:dev" if REGISTRY else self._build(name)
        return self._ready[name]

    def _build(self, name: str) -> str:
        reference = f"localhost/{name}:dev"
        context, dockerfile = {
            "tuning-operator": (".", "Dockerfile"),
            "tuning-sidecar": ("trial_image", "trial_image/Dockerfile"),
        }.get(name, (".", f"examples/{name.removeprefix('tuning-example-')}/Dockerfile"))
        run([SCRIPT, "image", reference, context, dockerfile])
        return reference


def run(command: list[str], stdin: str | None = None, check: bool = True) -> str:
    """What a command prints; AssertionError with its own words when it fails, unless `check` is false."""
    done = subprocess.run(command, cwd=ROOT, input=stdin or "", capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
