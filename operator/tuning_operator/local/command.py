"""From a Pod template to a command line and an environment of this machine.

What a container image brings (its own command, its files, its variables) is not here, so only a template that says
what to run can be run. What is left unsaid on purpose: resources, images, nodes and users.
"""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tuning_operator.api import template
from tuning_operator.api.errors import Problem
from tuning_operator.tuner import environment, state

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables by which numeric libraries are told how many threads to use; left alone, each trial would use all cores."""

PYTHON = frozenset({"python", "python3"})

GRACE_SECONDS = 10.0
"""Between SIGTERM and SIGKILL where the template does not say; Kubernetes' 30 s are long for who waits at a terminal."""

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")


@dataclasses.dataclass(frozen=True, slots=True)
class Machine:
    """What a trial's command depends on beside the job: this machine, as the user has set it up."""

    folder: Path
    """The manifest's folder; commands may name files in it."""
    environ: Mapping[str, str]
    """The user's environment."""
    cores: int
    """Processors that may be used."""

    def threads(self, parallel: int) -> int:
        """How many threads each of `parallel` trials may use, so that together they do not use more than there are."""
        return max(1, self.cores // parallel)


@dataclasses.dataclass(frozen=True, slots=True)
class Launch:
    """A process to be: its command line and its whole environment."""

    argv: tuple[str, ...]
    environ: Mapping[str, str]


def cores() -> int:
    """Processors that this process may use: those that it is bound to, or fewer where its control group has a quota."""
    bound = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
        return max(1, min(bound, round(int(quota) / int(period))))
    except (OSError, ValueError):
        return bound


def problems(pod: Mapping[str, Any]) -> list[Problem]:
    """Why a template, which the API accepts, cannot be run as a process on this machine."""
    return list(_problems(pod["spec"], "spec.template.spec"))


def ignored(pod: Mapping[str, Any]) -> list[str]:
    """What the trial's container asks for and does not get on this machine, where that may change what it does."""
    container = template.trial_container(pod)
    return [name for name in ("volumeMounts", "volumeDevices", "workingDir") if container.get(name)]


def grace(pod: Mapping[str, Any]) -> float:
    """Seconds between SIGTERM and SIGKILL."""
    given = pod["spec"].get("terminationGracePeriodSeconds")
    return GRACE_SECONDS if given is None else float(given)


def launch(
    owner: state.Job,
    item: state.Trial,
    attempt: int,
    where: str,
    machine: Machine,
    threads: int,
    checkpoints: str = "",
) -> Launch:
    """The command and the environment of an attempt.

    As in a Pod, ``$(NAME)`` stands for the trial's and the template's variables only. A word that names a file in the
    manifest's folder becomes its full path, as the trial runs in a folder of its own; `python` is this interpreter.
    """
    container = template.trial_container(owner.spec.template)
    variables = environment.of_trial(owner, item, attempt, where, checkpoints=checkpoints)
    for entry in container.get("env") or []:
        variables[entry["name"]] = expand(str(entry.get("value") or ""), variables)
    words = [*(container.get("command") or []), *(container.get("args") or [])]
    argv = [_located(expand(word, variables), word, machine.folder) for word in words]
    if argv[0] in PYTHON:
        argv[0] = sys.executable
    inherited = {name: value for name, value in machine.environ.items() if not name.startswith(template.ENVIRONMENT)}
    defaults = dict.fromkeys(THREADS, str(threads))
    place = {"TUNING_JOB_DIR": str(machine.folder), "PATH": _path(inherited)}
    return Launch(tuple(argv), {**defaults, **inherited, **place, **variables})


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Kubernetes' expansion: ``$(NAME)`` is the variable's value, ``$$`` is ``$``, and all else stays as it is."""

    def replacement(match: re.Match[str]) -> str:
        name = match[1]
        return "$" if name is None else variables.get(name, match[0])

    return _REFERENCE.sub(replacement, text)


def _located(word: str, template_word: str, folder: Path) -> str:
    """The word, or the path of the file in the folder that it names. A value that was filled in names no file."""
    if word != template_word or not word or word.startswith(("-", "/")):
        return word
    path = os.path.join(folder, word)  # noqa: PTH118  pathlib raises for words that are too long for a path
    return path if os.path.isfile(path) or ("/" in word and os.path.exists(path)) else word  # noqa: PTH110, PTH113


def _path(environ: Mapping[str, str]) -> str:
    """The user's PATH; in a virtual environment its programs come first, whether or not it was activated."""
    given = environ.get("PATH", os.defpath)
    return given if sys.prefix == sys.base_prefix else os.pathsep.join((str(Path(sys.executable).parent), given))


def _problems(spec: Mapping[str, Any], path: str) -> Iterator[Problem]:
    containers = spec["containers"]
    chosen = template.trial_container({"spec": spec})
    if spec.get("initContainers"):
        mend = "let the trial's own command do it, or run the job on a cluster"
        yield Problem(f"{path}.initContainers", "init containers are not run on this machine", mend)
    if len(containers) > 1:
        mend = "keep the trial's container, or run the job on a cluster"
        yield Problem(f"{path}.containers", "only one container can be run on this machine", mend)
    path = f"{path}.containers[{containers.index(chosen)}]"
    if not chosen.get("command"):
        message = "without a command the image's own is run, and there are no images on this machine"
        yield Problem(f"{path}.command", message, "write the command here, such as [python3, train.py]")
    if chosen.get("envFrom"):
        mend = "write the variables under env, or run the job on a cluster"
        yield Problem(f"{path}.envFrom", "config maps and secrets are not there on this machine", mend)
    for index, entry in enumerate(chosen.get("env") or []):
        if entry.get("valueFrom"):
            message = f"{entry['name']}: valueFrom cannot be looked up on this machine"
            yield Problem(f"{path}.env[{index}].valueFrom", message, "write a value, or run the job on a cluster")
