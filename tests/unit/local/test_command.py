"""What of a Pod template becomes a process, and how."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests import builders
from tuning_operator.api import job, manifest, trial
from tuning_operator.local import command
from tuning_operator.tuner import state


def owner(container: dict[str, Any]) -> state.Job:
    template = {"spec": {"containers": [{"name": "trial", "image": "i", **container}]}}
    spec = manifest.parse(builders.job(template=template)).spec
    return state.Job("digits", "u", 1, spec, job.JobStatus())


def trial_of(parameters: dict[str, Any]) -> state.Trial:
    spec = trial.TrialSpec(
        job=trial.ParentJob(name="digits", uid="u"), number=4, parameters=parameters, origin=trial.Origin.RANDOM
    )
    return state.Trial("digits-4", "u-4", spec, trial.TrialStatus())


def launch(folder: Path, container: dict[str, Any], environ: dict[str, str] | None = None) -> command.Launch:
    machine = command.Machine(folder, environ or {}, cores=8)
    return command.launch(owner(container), trial_of({"lr": 0.1, "n": 3}), 2, "/m/metrics.jsonl", machine, threads=4)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        pytest.param("--lr=$(HP_lr)", "--lr=0.1", id="a variable"),
        pytest.param("$(A)$(B)", "12", id="two variables"),
        pytest.param("$$(A)", "$(A)", id="escaped"),
        pytest.param("$$$(A)", "$1", id="an escaped dollar before a variable"),
        pytest.param("$$$$(A)", "$$(A)", id="two escaped dollars"),
        pytest.param("$(UNKNOWN)", "$(UNKNOWN)", id="unknown stays"),
        pytest.param("$A ${A} $", "$A ${A} $", id="a shell's variables stay"),
        pytest.param("$(A", "$(A", id="not closed"),
        pytest.param("$(A $(B)", "$(A $(B)", id="up to the first bracket that closes"),
        pytest.param("$()", "$()", id="without a name"),
        pytest.param("$$", "$", id="escaped at the end"),
        pytest.param("", "", id="empty"),
        pytest.param("$(LOOP)", "$(A)", id="values are not expanded again"),
    ],
)
def test_variables_are_expanded_as_kubernetes_does_it(text: str, expanded: str) -> None:
    assert command.expand(text, {"HP_lr": "0.1", "A": "1", "B": "2", "LOOP": "$(A)"}) == expanded


@pytest.mark.parametrize(
    ("words", "argv"),
    [
        pytest.param(["python3", "train.py"], [sys.executable, "{folder}/train.py"], id="this python, a file beside"),
        pytest.param(["python", "-u", "train.py"], [sys.executable, "-u", "{folder}/train.py"], id="with an option"),
        pytest.param(["./train.py"], ["{folder}/./train.py"], id="the program itself"),
        pytest.param(["train", "src/deep.py"], ["train", "{folder}/src/deep.py"], id="a file below"),
        pytest.param(["train", "./src"], ["train", "{folder}/./src"], id="a folder"),
        pytest.param(["train", "src"], ["train", "src"], id="a word that happens to name a folder"),
        pytest.param(["train", "-train.py"], ["train", "-train.py"], id="an option"),
        pytest.param(["train", "$(NAME)"], ["train", "train.py"], id="a value is no file"),
        pytest.param(["sh", "-c", "x" * 5000], ["sh", "-c", "x" * 5000], id="longer than any path"),
        pytest.param(["sh", "a\0b"], ["sh", "a\0b"], id="no path at all"),
        pytest.param(["train", "/etc/hosts"], ["train", "/etc/hosts"], id="a full path"),
        pytest.param(["train", "--lr", "$(HP_lr)"], ["train", "--lr", "0.1"], id="a parameter"),
    ],
)
def test_command_words_that_name_files_beside_the_manifest_become_paths(
    tmp_path: Path, words: list[str], argv: list[str]
) -> None:
    (tmp_path / "src").mkdir()
    for name in ("train.py", "src/deep.py"):
        (tmp_path / name).touch()
    container = {"command": words[:1], "args": words[1:], "env": [{"name": "NAME", "value": "train.py"}]}
    assert list(launch(tmp_path, container).argv) == [word.replace("{folder}", str(tmp_path)) for word in argv]


def test_environment_holds_the_users_the_templates_and_the_trials_variables(tmp_path: Path) -> None:
    container = {
        "command": ["train"],
        "env": [
            {"name": "DATA", "value": "/data/$(HP_n)"},
            {"name": "FULL", "value": "$(DATA)/x $(HOME)"},
            {"name": "EMPTY"},
        ],
    }
    found = launch(tmp_path, container, {"HOME": "/home/me", "HP_degree": "3", "TUNING_JOB": "outer", "PATH": "/bin"})
    assert found.environ["HOME"] == "/home/me"
    assert (found.environ["DATA"], found.environ["FULL"], found.environ["EMPTY"]) == (
        "/data/3",
        "/data/3/x $(HOME)",
        "",
    )
    assert (found.environ["HP_lr"], found.environ["HP_n"]) == ("0.1", "3")
    assert (found.environ["TUNING_JOB"], found.environ["TUNING_TRIAL"], found.environ["TUNING_ATTEMPT"]) == (
        "digits",
        "digits-4",
        "2",
    )
    assert found.environ["TUNING_METRICS_FILE"] == "/m/metrics.jsonl"
    assert found.environ["TUNING_JOB_DIR"] == str(tmp_path)
    assert "HP_degree" not in found.environ, "a variable of an outer trial leaks into this one"
    assert found.environ["PATH"].endswith("/bin")


@pytest.mark.parametrize(
    ("environ", "env", "threads"),
    [
        pytest.param({}, [], "4", id="a fair share"),
        pytest.param({"OMP_NUM_THREADS": "7"}, [], "7", id="the user knows better"),
        pytest.param({"OMP_NUM_THREADS": "7"}, [{"name": "OMP_NUM_THREADS", "value": "2"}], "2", id="the template"),
    ],
)
def test_trials_share_the_processors(
    tmp_path: Path, environ: dict[str, str], env: list[dict[str, str]], threads: str
) -> None:
    assert launch(tmp_path, {"command": ["t"], "env": env}, environ).environ["OMP_NUM_THREADS"] == threads


@pytest.mark.parametrize(("cores", "parallel", "threads"), [(8, 1, 8), (8, 3, 2), (2, 8, 1)])
def test_threads_of_all_trials_are_no_more_than_processors(cores: int, parallel: int, threads: int) -> None:
    assert command.Machine(Path(), {}, cores).threads(parallel) == threads


SECRET = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}


@pytest.mark.parametrize(
    ("container", "spec", "expected"),
    [
        pytest.param({"command": ["t"]}, {}, [], id="nothing"),
        pytest.param(
            {"args": ["-x"]}, {}, ["spec.template.spec.containers[0].command: without a command"], id="no command"
        ),
        pytest.param(
            {"command": ["t"], "env": [{"name": "A", "value": "1"}, SECRET]},
            {},
            ["spec.template.spec.containers[0].env[1].valueFrom: TOKEN: valueFrom cannot be looked up"],
            id="a secret",
        ),
        pytest.param(
            {"command": ["t"], "envFrom": [{"configMapRef": {"name": "c"}}]},
            {},
            ["spec.template.spec.containers[0].envFrom: config maps"],
            id="envFrom",
        ),
        pytest.param(
            {"command": ["t"]},
            {"initContainers": [{"name": "i", "image": "i"}]},
            ["spec.template.spec.initContainers: init containers are not run"],
            id="init containers",
        ),
        pytest.param(
            {"args": ["-x"]},
            {"more": [{"name": "beside", "image": "i"}]},
            ["spec.template.spec.containers: only one", "spec.template.spec.containers[1].command: without"],
            id="two containers, the trial is the second",
        ),
    ],
)
def test_templates_that_cannot_be_run_are_refused_by_field(
    container: dict[str, Any], spec: dict[str, Any], expected: list[str]
) -> None:
    containers = [*spec.pop("more", []), {"name": "trial", "image": "i", **container}]
    found = [str(problem) for problem in command.problems({"spec": {"containers": containers, **spec}})]
    assert [line[: len(start)] for line, start in zip(found, expected, strict=True)] == expected
    assert all("; " in line for line in found), "a problem without a mend"


@pytest.mark.parametrize(("given", "seconds"), [(None, 10.0), (0, 0.0), (45, 45.0)])
def test_grace_is_the_templates(given: int | None, seconds: float) -> None:
    spec: dict[str, Any] = {"containers": []}
    assert (
        command.grace({"spec": spec if given is None else {**spec, "terminationGracePeriodSeconds": given}}) == seconds
    )


def test_what_is_not_there_on_this_machine_is_named() -> None:
    container = {"name": "trial", "workingDir": "/app", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    assert command.ignored({"spec": {"containers": [container]}}) == ["volumeMounts", "workingDir"]


def test_some_processor_is_there() -> None:
    assert command.cores() >= 1
