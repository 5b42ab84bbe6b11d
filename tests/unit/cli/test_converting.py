"""`tuningctl convert`: jobs on standard output, all else beside it, and what comes out runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from tests.unit.katib import experiments
from tests.unit.katib.experiments import container, experiment, job
from tuning_operator.cli import main

TRAINER = """
import argparse, json
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--log")
given = parser.parse_args()
with open(given.log, "a") as file:
    for epoch in range(3):
        row = {"timestamp": f"2026-01-01T00:00:0{epoch}Z", "accuracy": str(0.5 + given.lr * epoch), "loss": "0.1"}
        file.write(json.dumps(row) + "\\n")
"""
"""Writes what Katib's own example writes in its JSON format: numbers as text."""


def tuningctl(*words: str) -> Result:
    return CliRunner().invoke(main.application, words)


def written(folder: Path, *documents: Any, name: str = "experiment.yaml") -> str:
    path = folder / name
    path.write_text(yaml.safe_dump_all(documents))
    return str(path)


def test_job_goes_to_standard_output_and_warnings_beside_it(tmp_path: Path) -> None:
    path = written(tmp_path, experiment(resumePolicy="Never"))
    result = tuningctl("convert", path)
    assert (result.exit_code, yaml.safe_load(result.stdout)["kind"]) == (0, "TuningJob")
    assert result.stderr.startswith(f"warning: {path}: spec.resumePolicy: not needed")


def test_several_experiments_are_converted_together_or_not_at_all(tmp_path: Path) -> None:
    good, bad = experiment("good"), experiment("bad", objective=None)
    both = tuningctl("convert", written(tmp_path, good, experiment("other")), "-o", "json")
    assert [item["metadata"]["name"] for item in json.loads(both.stdout)["items"]] == ["good", "other"]
    mixed = tuningctl("convert", written(tmp_path, good, bad))
    assert (mixed.exit_code, mixed.stdout) == (2, "")
    assert "(document 2): spec.objective: required field is missing" in mixed.stderr


def test_config_map_in_the_same_file_holds_the_template(tmp_path: Path) -> None:
    document = experiment()
    trial_spec = document["spec"]["trialTemplate"].pop("trialSpec")
    document["spec"]["trialTemplate"]["configMap"] = {
        "configMapName": "templates",
        "configMapNamespace": "kubeflow",
        "templatePath": "job.yaml",
    }
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "templates", "namespace": "kubeflow"},
        "data": {"job.yaml": yaml.safe_dump(trial_spec)},
    }
    result = tuningctl("convert", written(tmp_path, document, config_map))
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "there is nothing in it", id="empty"),
        pytest.param("kind: ConfigMap", "there is no Experiment in it", id="no experiment"),
        pytest.param(
            "kind: TuningJob\napiVersion: tuning-operator.dev/v1alpha1", "only Experiments", id="a job of ours"
        ),
        pytest.param("a: [", "not YAML", id="no YAML"),
    ],
)
def test_text_that_is_no_experiment_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    result = tuningctl("convert", str(path))
    assert (result.exit_code, message in result.stderr) == (2, True), result.stderr


def test_converted_experiment_runs_to_its_goal(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAINER)
    trial = container("--lr=${trialParameters.learningRate}", "--log=/katib/mnist.json")
    trial["command"][:2] = [sys.executable, "train.py"]
    document = experiment(
        trial_spec=job(trial),
        objective={"goal": 0.52},
        metricsCollectorSpec=experiments.file("/katib/mnist.json"),
        parallelTrialCount=1,
    )
    converted = tuningctl("convert", written(tmp_path, document))
    (tmp_path / "job.yaml").write_text(converted.stdout)
    result = tuningctl("run", str(tmp_path / "job.yaml"), "-o", "json")
    assert result.exit_code == 0, result.stderr
    outcome = json.loads(result.stdout)
    assert (outcome["reason"], outcome["best"]["values"]["accuracy"] >= 0.52) == ("TargetReached", True)
    assert outcome["trials"]["total"] == sum(outcome["trials"][phase] for phase in ("succeeded", "failed", "stopped"))


PRINTER = """
import sys
print("starting")
for epoch in range(2):
    print(f"INFO: epoch {epoch}: Train-accuracy=0.{epoch + 5} Validation-accuracy={0.1 * epoch + float(sys.argv[1])}")
"""
"""Prints what the trials of most of Katib's examples print."""


def test_most_common_kind_of_experiment_runs_as_it_did(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(PRINTER)
    trial = container("${trialParameters.learningRate}")
    trial["command"][:2] = [sys.executable, "train.py"]
    document = experiment(
        trial_spec=job(trial),
        objective={
            "goal": 0.99,
            "objectiveMetricName": "Validation-accuracy",
            "additionalMetricNames": ["Train-accuracy"],
        },
        algorithm={"algorithmName": "tpe"},
        metricsCollectorSpec=None,
        maxTrialCount=3,
    )
    converted = tuningctl("convert", written(tmp_path, document))
    assert converted.exit_code == 0, converted.stderr
    (tmp_path / "job.yaml").write_text(converted.stdout)
    result = tuningctl("run", str(tmp_path / "job.yaml"), "-o", "json")
    assert result.exit_code == 0, result.stderr
    outcome = json.loads(result.stdout)
    best = outcome["best"]
    assert (outcome["reason"], outcome["trials"]["succeeded"]) == ("MaxTrialsReached", 3)
    assert best["values"]["Validation-accuracy"] == pytest.approx(0.1 + best["parameters"]["lr"])
