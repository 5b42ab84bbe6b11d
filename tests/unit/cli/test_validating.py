"""`tuningctl validate`: every mistake has its line, with the file, the field and the mend, and never a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from tests import builders
from tuning_operator.cli import main


def validate(*sources: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(main.application, ["validate", *sources], input=stdin)


def written(folder: Path, manifest: Any, name: str = "job.yaml") -> str:
    path = folder / name
    path.write_text(manifest if isinstance(manifest, str) else yaml.safe_dump(manifest))
    return str(path)


GOOD = builders.job()


def test_good_manifest_is_valid(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    result = validate(path)
    assert (result.exit_code, result.stdout) == (0, f"{path}: TuningJob job is valid\n")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        pytest.param({"parameters": [builders.real(low=2, high=1)]}, "spec.parameters[0].", id="min above max"),
        pytest.param({"parameters": [builders.real(low=0, scale="log")]}, "spec.parameters[0].", id="log from 0"),
        pytest.param({"search": {"algorithm": "bayesan"}}, "spec.search.algorithm: bayesan", id="algorithm"),
        pytest.param({"search": {"settings": {"nope": 1}}}, "spec.search.settings.nope: ", id="setting"),
        pytest.param({"objectives": []}, "spec.objectives: ", id="no objective"),
        pytest.param({"limits": {"maxTrials": 0}}, "spec.limits.maxTrials: ", id="no trial"),
        pytest.param({"constraints": ["x > 2"]}, "spec.constraints", id="cannot be satisfied"),
        pytest.param({"template": {"spec": {"containers": []}}}, "spec.template.spec.containers: ", id="no container"),
        pytest.param({"colour": "red"}, "spec.colour: unknown field", id="unknown field"),
    ],
)
def test_mistake_is_told_by_file_and_field(tmp_path: Path, change: dict[str, Any], line: str) -> None:
    spec = {**GOOD["spec"], **change}
    path = written(tmp_path, {**GOOD, "spec": spec})
    result = validate(path)
    assert result.exit_code == 2
    assert any(one.startswith(f"{path}: {line}") for one in result.stderr.splitlines()), result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "manifest: there is nothing in it", id="empty"),
        pytest.param("---\n---\n", "manifest: there is nothing in it", id="empty documents"),
        pytest.param("a: 1\n\tb: 2\n", "line 2, column 1: not YAML", id="tab"),
        pytest.param("a: 1\nb: 2\na: 3\n", "line 3, column 1: not YAML: the key a is there twice", id="key twice"),
        pytest.param("a: [1", "not YAML", id="not closed"),
        pytest.param("- 1\n", "manifest: a mapping is needed, this is a list", id="a list"),
        pytest.param("kind: Pod\napiVersion: v1\n", "kind: TuningJob is needed, this is the text 'Pod'", id="a Pod"),
        pytest.param("a: !!python/object:os.system x\n", "not YAML", id="code"),
        pytest.param("a: &a [*a]\n", "manifest: ", id="a document without an end"),
        pytest.param("[" * 5000, "nested too deeply", id="very deep"),
        pytest.param("{" * 500, "", id="deep mappings"),
    ],
)
def test_text_that_is_no_job_is_told_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    result = validate(path)
    assert result.exit_code == 2
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert any(line.startswith(f"{path}: ") and message in line for line in result.stderr.splitlines()), result.stderr


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param("missing.yaml", "manifest: cannot be read: No such file or directory", id="missing"),
        pytest.param(".", "manifest: cannot be read: Is a directory", id="a folder"),
        pytest.param("a\0b", "manifest: cannot be read: ", id="no path"),
        pytest.param("latin.yaml", "manifest: not UTF-8 text (byte 4); save it as UTF-8", id="another encoding"),
    ],
)
def test_file_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str
) -> None:
    (tmp_path / "latin.yaml").write_bytes("a: ü".encode("latin-1"))
    monkeypatch.chdir(tmp_path)
    result = validate(source)
    assert (result.exit_code, message in result.stderr) == (2, True), result.stderr


def test_every_file_and_document_is_looked_at(tmp_path: Path) -> None:
    bad = {**GOOD, "spec": {**GOOD["spec"], "objectives": []}}
    first = written(tmp_path, yaml.safe_dump_all([GOOD, bad]), "first.yaml")
    second = written(tmp_path, GOOD, "second.yaml")
    result = validate(first, second)
    assert result.exit_code == 2
    assert result.stdout.splitlines() == [
        f"{first} (document 1): TuningJob job is valid",
        f"{second}: TuningJob job is valid",
    ]
    assert result.stderr.startswith(f"{first} (document 2): spec.objectives: ")


def test_problem_fills_one_line_each(tmp_path: Path) -> None:
    bad = {**GOOD, "spec": {**GOOD["spec"], "objectives": [], "limits": {"maxTrials": 0}}}
    lines = validate(written(tmp_path, bad)).stderr.splitlines()
    assert len(lines) == 2


def test_manifest_may_come_from_standard_input() -> None:
    assert validate("-", stdin=yaml.safe_dump(GOOD).encode()).stdout == "standard input: TuningJob job is valid\n"
    assert validate("-", stdin=b"\xef\xbb\xbf" + yaml.safe_dump(GOOD).encode()).exit_code == 0


def test_numbers_are_read_as_kubectl_reads_them(tmp_path: Path) -> None:
    text = yaml.safe_dump(GOOD).replace("min: 0.0", "min: 1e-5")
    assert "1e-5" in text
    assert validate(written(tmp_path, text)).exit_code == 0
