"""What the documentation says holds: manifests are admitted, commands exist with their options, reasons are explained."""

from __future__ import annotations

import ast
import pathlib
import re
import subprocess
import sys
import tomllib

import pytest
import typer.main
import yaml

from tests.unit.docs import pages
from tuning_operator.cli import main as tuningctl
from tuning_operator.tuner import admission

MANIFESTS = pages.blocks("yaml")
COMMANDS = [(block, command) for block in pages.blocks("sh") for command in pages.commands(block)]
OTHERS = {"echo", "eval", "export", "cd", "python", "python3", "git", "tests/cluster/use"}
"""Programs of the shell's and of the reader's, whose words are no matter of ours."""
KUBECTL = {
    "apply",
    "get",
    "describe",
    "logs",
    "patch",
    "delete",
    "port-forward",
    "explain",
    "rollout",
    "create",
    "tuning",
}
KINDS = {
    "tuningjob",
    "tuningjobs",
    "tuningtrial",
    "tuningtrials",
    "tj",
    "tt",
    "pods",
    "pod",
    "nodes",
    "lease",
    "events",
}


@pytest.mark.parametrize("block", MANIFESTS, ids=str)
def test_a_manifest_is_admitted(block: pages.Block) -> None:
    for document in yaml.safe_load_all(block.text):
        if isinstance(document, dict) and document.get("kind") == "TuningJob":
            assert admission.admit(document).metadata.name


def test_there_are_manifests_and_commands_to_check() -> None:
    assert sum("kind: TuningJob" in block.text for block in MANIFESTS) >= 6
    assert len(COMMANDS) >= 30


@pytest.mark.parametrize(
    ("block", "command"), COMMANDS, ids=lambda value: " ".join(value) if isinstance(value, list) else str(value)
)
def test_a_command_exists_with_its_options(block: pages.Block, command: list[str]) -> None:
    words = list(command)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        del words[0]
    if not words:
        return
    match words[0].rpartition("/")[2] if words[0].startswith(".venv") else words[0]:
        case "tuningctl":
            _tuningctl(words[1:])
        case "kubectl":
            _kubectl(words[1:])
        case "helm":
            _helm(words[1:])
        case "make":
            targets = re.findall(r"^([a-z0-9]+):", (pages.ROOT / "Makefile").read_text(), re.MULTILINE)
            assert {word for word in words[1:] if "=" not in word} <= set(targets)
        case "pip":
            _pip(words[1:])
        case ".":
            assert words[1].endswith("activate")
        case program:
            assert program in OTHERS, f"what is {program}?"


def _tuningctl(words: list[str]) -> None:
    """Parses as tuningctl would, and runs nothing."""
    if ">" in words:
        words = words[: words.index(">")]
    group = typer.main.get_command(tuningctl.application)
    if words[0].startswith("--"):
        assert words[0] in {name for parameter in group.params for name in parameter.opts}
        return
    command = group.commands[words[0]]  # type: ignore[attr-defined]
    assert command.make_context(words[0], list(words[1:]))


def _kubectl(words: list[str]) -> None:
    verbs = [word for word in words if word in KUBECTL]
    assert verbs, words
    if verbs[0] in ("get", "describe", "patch", "delete", "explain"):
        target = words[words.index(verbs[0]) + 1]
        for kind in target.partition("/")[0].split(","):
            assert kind.partition(".")[0] in KINDS, kind
    for path in [words[i + 1] for i, word in enumerate(words) if word == "-f"]:
        assert path in ("job.yaml", "-") or (pages.ROOT / path).exists()


def _helm(words: list[str]) -> None:
    """Values that are set are values of the chart."""
    values = yaml.safe_load((pages.ROOT / "charts/tuning-operator/values.yaml").read_text())
    for setting in [words[i + 1] for i, word in enumerate(words) if word == "--set"]:
        node = values
        for name in setting.partition("=")[0].split("."):
            assert name in node, setting
            node = node[name]
    assert all((pages.ROOT / word).exists() for word in words if word.startswith("charts/"))


def _pip(words: list[str]) -> None:
    extras = tomllib.loads((pages.ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert words[0] == "install"
    for word in words[1:]:
        path, _, extra = word.partition("[")
        assert not extra or extra.rstrip("]") in extras, word
        assert not path.startswith(".") or (pages.ROOT / path).exists(), word


LAYERS = ("tuner", "kube", "local", "scheduling", "stopping")
REASON = re.compile(
    r"[A-Z][a-z]+(?:[A-Z][a-z]+)+|OOMKilled|Unschedulable|Evicted|Preempted|Preempting|Terminated|Shutdown|Disrupted|Infeasible|Interrupted|Refused|Reopened|Started|Scheduled"
)
NO_REASONS = frozenset(
    {
        "BearerToken",
        "DeleteOptions",
        "DisruptionTarget",
        "TerminationTarget",
        "PodScheduled",
        "FallbackToLogsOnError",
        "IfNotPresent",
        "RuntimeDefault",
    }
    | {
        "TuningJob",
        "TuningJobs",
        "TuningTrial",
        "TuningTrials",
        "ConfigMap",
        "PriorityClass",
        "BestEffort",
        "NotBestEffort",
        "NotTerminating",
    }
    | {
        "DoesNotExist",
        "NotIn",
        "NoExecute",
        "NoSchedule",
        "PreferNoSchedule",
        "ReplicaSet",
        "NodePort",
        "LeaseDuration",
    }
)
"""Words of Kubernetes' own that look like reasons and are none."""


def reasons() -> dict[str, str]:
    """All words in the code that may be a reason, and where."""
    found: dict[str, str] = {}
    for layer in LAYERS:
        for path in sorted((pages.ROOT / "operator" / "tuning_operator" / layer).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and REASON.fullmatch(node.value):
                    found.setdefault(node.value, str(path.relative_to(pages.ROOT)))
    return {word: place for word, place in found.items() if word not in NO_REASONS}


@pytest.mark.parametrize("reason", [pytest.param(word, id=f"{word}, {place}") for word, place in reasons().items()])
def test_every_reason_has_its_paragraph(reason: str) -> None:
    page = (pages.ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    assert f"`{reason}`" in page, f"explain {reason} in docs/troubleshooting.md, or list it under NO_REASONS here"


def test_the_site_builds_and_knows_all_its_pages(tmp_path: pathlib.Path) -> None:
    """Strictly: a broken link, a missing anchor or a page that is in no menu is an error."""
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=pages.ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    reference = (tmp_path / "reference" / "tuningjob" / "index.html").read_text("utf-8")
    assert all(
        word in reference
        for word in ("spec.limits", "maxTrials", "outcomeConstraints", "The job is complete after this many trials")
    )
    assert "--sidecar-image" in (tmp_path / "reference" / "operator" / "index.html").read_text("utf-8")
    assert "--parallel" in (tmp_path / "reference" / "tuningctl" / "index.html").read_text("utf-8")
