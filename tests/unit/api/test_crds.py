"""The CustomResourceDefinitions: committed as generated, and such as every API server takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tuning_operator.api import crds, job, trial

ROOT = Path(__file__).parents[3]
FILES = crds.definitions()


def schema(file: str) -> dict[str, Any]:
    root: dict[str, Any] = FILES[file]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return root


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema below a schema, with its path."""
    yield path.lstrip("."), node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from nodes(node[key], f"{path}[]")


@pytest.mark.parametrize("file", FILES)
def test_committed_as_generated(file: str) -> None:
    text = (ROOT / "crds" / file).read_text("utf-8")
    assert text == crds.render(FILES[file]), "run `make crds`"
    assert yaml.safe_load(text) == FILES[file]


@pytest.mark.parametrize("file", FILES)
def test_valid_by_the_schema_of_kubernetes(file: str) -> None:
    kubernetes_validate.validate(FILES[file], "1.37", strict=True)


@pytest.mark.parametrize("file", FILES)
def test_unknown_fields_are_kept_in_the_template_only(file: str) -> None:
    opened = {path for path, node in nodes(schema(file)) if "x-kubernetes-preserve-unknown-fields" in node}
    assert {path.partition(".template")[0] for path in opened} <= {"spec"}
    assert all(path.startswith("spec.template") for path in opened)


@pytest.mark.parametrize("file", FILES)
def test_every_field_is_documented(file: str) -> None:
    fields = [(path, node) for path, node in nodes(schema(file)) if path and not path.endswith("[]")]
    assert len(fields) > 20
    assert [path for path, node in fields if "description" not in node] == ["metadata"]


@pytest.mark.parametrize("file", FILES)
def test_structural(file: str) -> None:
    for path, node in nodes(schema(file)):
        assert "type" in node or "x-kubernetes-int-or-string" in node, path
        assert not {"anyOf", "oneOf", "allOf", "not", "$ref", "title", "nullable"} & node.keys(), path
        assert not ("properties" in node and "additionalProperties" in node), path
        assert node.get("type") != "array" or {"items", "x-kubernetes-list-type"} <= node.keys(), path
        assert node.get("default", 0) not in ("", None), f"{path}: Kubernetes 1.20 takes an empty text for null"


@pytest.mark.parametrize("file", FILES)
def test_rules_stand_where_the_work_they_make_is_bounded(file: str) -> None:
    """The API server refuses rules whose worst case is too dear, and an unbounded list or text is the worst case."""
    for path, node in nodes(schema(file)):
        if "x-kubernetes-validations" in node:
            assert node["type"] != "array" or "maxItems" in node, path
            lists = [parent for other, parent in nodes(schema(file)) if path.startswith(f"{other}[]")]
            assert all("maxItems" in parent for parent in lists), path


@pytest.mark.parametrize("file", FILES)
def test_messages_of_rules_fit_one_line(file: str) -> None:
    for _, node in nodes(schema(file)):
        for rule in node.get("x-kubernetes-validations", ()):
            assert rule.keys() == {"rule", "message"}
            assert rule["message"].isprintable()


def test_lists_are_told_apart_by_their_keys() -> None:
    kinds = {path: node["x-kubernetes-list-type"] for path, node in nodes(schema("tuningjobs.yaml")) if "items" in node}
    assert {path for path, kind in kinds.items() if kind == "map"} == {
        "spec.objectives",
        "spec.parameters",
        "spec.profiles",
        "status.conditions",
    }
    assert kinds["spec.parameters[].values"] == "set"


def test_a_status_is_stored_as_written() -> None:
    for file in FILES:
        status = schema(file)["properties"]["status"]
        assert not [path for path, node in nodes(status) if "default" in node]


@pytest.mark.parametrize(
    ("file", "columns", "wide"),
    [
        ("tuningjobs.yaml", "Phase Trials Running Best Age", "Algorithm Objective Message"),
        ("tuningtrials.yaml", "Job Phase Values Reason Age", "Parameters Message"),
    ],
)
def test_columns(file: str, columns: str, wide: str) -> None:
    shown = FILES[file]["spec"]["versions"][0]["additionalPrinterColumns"]
    assert [column["name"] for column in shown if "priority" not in column] == columns.split()
    assert [column["name"] for column in shown if column.get("priority") == 1] == wide.split()
    for column in shown:
        path = column["jsonPath"].removeprefix(".").replace("[0]", "[]")
        assert path == "metadata.creationTimestamp" or crds.at(schema(file), path)


@pytest.mark.parametrize(
    ("file", "names"),
    [("tuningjobs.yaml", ("TuningJob", "tj")), ("tuningtrials.yaml", ("TuningTrial", "tt"))],
)
def test_names(file: str, names: tuple[str, str]) -> None:
    spec = FILES[file]["spec"]
    assert (spec["names"]["kind"], *spec["names"]["shortNames"]) == names
    assert spec["names"]["categories"] == ["all", "tuning"]
    assert (spec["scope"], spec["versions"][0]["subresources"]) == ("Namespaced", {"status": {}})


@pytest.mark.parametrize(
    ("file", "part", "model"),
    [
        ("tuningjobs.yaml", "spec", job.JobSpec),
        ("tuningjobs.yaml", "status", job.JobStatus),
        ("tuningtrials.yaml", "spec", trial.TrialSpec),
        ("tuningtrials.yaml", "status", trial.TrialStatus),
    ],
)
def test_fields_are_those_of_the_models(file: str, part: str, model: Any) -> None:
    wire = {field.alias for field in model.model_fields.values()}
    assert schema(file)["properties"][part]["properties"].keys() == wire


def test_command_writes_and_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / crds.CHART).mkdir(parents=True)
    assert crds.main(["--check"]) == 1
    assert "crds/tuningjobs.yaml is out of date; run `make crds`" in capsys.readouterr().err
    assert crds.main([]) == 0
    assert crds.main(["--check"]) == 0
    assert (tmp_path / crds.CHART / "tuningtrials.yaml").read_text() == (
        tmp_path / "crds/tuningtrials.yaml"
    ).read_text()
    (tmp_path / "crds/tuningtrials.yaml").write_text("edited by hand")
    assert crds.main(["--check"]) == 1
    assert crds.main(["elsewhere"]) == 0
    assert (tmp_path / "elsewhere/tuningjobs.yaml").exists()
