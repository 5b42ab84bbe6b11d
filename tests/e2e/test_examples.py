"""Every example as it lies in examples/, only shorter: what stands in the status is what the Pods have found."""

from __future__ import annotations

import json
import math
import os
import pathlib
import subprocess
import sys
from typing import Any

import pytest
import pytest_asyncio
import yaml

from tests.e2e.cluster import ROOT, Images
from tests.e2e.ground import Ground, Object, container_state, label

EXAMPLES = {"hello": 10, "digits-svm": 10, "breast-cancer": 6, "digits-pytorch": 4}
"""Examples, and after how many trials each is ended here."""
HERE = {"hello", "digits-svm", "breast-cancer"}
"""Examples whose programs this environment can run too."""


def manifest(name: str) -> Object:
    """The example's job."""
    job: Object = yaml.safe_load((ROOT / "examples" / name / "job.yaml").read_text())
    return job


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def jobs(ground: Ground, images: Images) -> None:
    """All examples, side by side."""
    for name, trials in EXAMPLES.items():
        job = manifest(name)
        job["spec"]["limits"]["maxTrials"] = trials
        job["spec"]["template"]["spec"]["containers"][0]["image"] = images[f"tuning-example-{name}"]
        await ground.submit(job)


def test_all_examples_are_tested() -> None:
    assert {path.parent.name for path in ROOT.glob("examples/*/job.yaml")} == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
async def test_example_completes_with_one_pod_for_each_trial(ground: Ground, name: str) -> None:
    status = await ground.reaches(name, "Complete", 240)
    trials, pods = await ground.trials(name), await ground.pods(name)
    assert {key: count for key, count in status["trials"].items() if count} == {
        "total": EXAMPLES[name],
        "succeeded": EXAMPLES[name],
    }
    assert [trial["spec"]["number"] for trial in trials] == list(range(EXAMPLES[name]))
    assert [(label(pod, "trial-number"), label(pod, "attempt")) for pod in pods] == [
        (str(number), "1") for number in range(EXAMPLES[name])
    ]
    assert status["progress"] == f"{EXAMPLES[name]}/{EXAMPLES[name]}"
    assert status["completionTime"] > status["startTime"]


@pytest.mark.parametrize("name", EXAMPLES)
async def test_configurations_keep_to_the_ranges_and_reach_the_containers(ground: Ground, name: str) -> None:
    await ground.reaches(name, "Complete", 240)
    wanted = manifest(name)["spec"]["parameters"]
    for trial, pod in zip(await ground.trials(name), await ground.pods(name), strict=True):
        found = trial["spec"]["parameters"]
        active = [parameter for parameter in wanted if is_active(parameter, found)]
        assert sorted(found) == sorted(parameter["name"] for parameter in active)
        for parameter in active:
            assert is_allowed(parameter, found[parameter["name"]]), (parameter, found)
        environment = {item["name"]: item.get("value", "") for item in pod["spec"]["containers"][0]["env"]}
        assert {key: value for key, value in environment.items() if key.startswith("HP_")} == {
            f"HP_{parameter['name']}": as_text(parameter, found[parameter["name"]]) for parameter in active
        }
        assert json.loads(environment["TUNING_PARAMETERS"]) == found


@pytest.mark.parametrize("name", EXAMPLES)
async def test_values_are_those_that_the_pods_handed_over(ground: Ground, name: str) -> None:
    status = await ground.reaches(name, "Complete", 240)
    (objective,) = manifest(name)["spec"]["objectives"]
    maximize = objective["goal"] == "maximize"
    part = {"best": "max" if maximize else "min", "mean": "mean", "last": "last"}[objective.get("from", "best")]
    values: dict[str, float] = {}
    for trial, pod in zip(await ground.trials(name), await ground.pods(name), strict=True):
        message = json.loads(container_state(pod, "tuning-sidecar")["terminated"]["message"])
        values[trial["metadata"]["name"]] = message["metrics"][objective["metric"]][part]
        assert trial["status"]["values"] == {objective["metric"]: values[trial["metadata"]["name"]]}
    best = max(values.values()) if maximize else min(values.values())
    assert status["best"]["values"][objective["metric"]] == best == values[status["best"]["trial"]]
    assert status["bestValue"] == f"{best:.6g}"


@pytest.mark.parametrize("name", sorted(HERE))
async def test_best_configuration_gives_the_same_value_here(ground: Ground, name: str, tmp_path: pathlib.Path) -> None:
    """Nothing was mixed up on the way: the example's own program, run here with the best parameters, says so too."""
    best = (await ground.reaches(name, "Complete", 240))["best"]
    (container,) = manifest(name)["spec"]["template"]["spec"]["containers"]
    (objective,) = manifest(name)["spec"]["objectives"]
    lines = run(container["command"], ROOT / "examples" / name, best["parameters"], tmp_path / "metrics.jsonl")
    reported = [line[objective["metric"]] for line in lines]
    value = math.fsum(reported) / len(reported) if objective.get("from") == "mean" else reported[-1]
    assert value == pytest.approx(best["values"][objective["metric"]], rel=1e-6)


async def test_digits_are_told_apart_after_a_few_trials(ground: Ground) -> None:
    best = (await ground.reaches("digits-svm", "Complete", 240))["best"]
    assert best["values"]["accuracy"] >= 0.98


def is_active(parameter: Object, found: Object) -> bool:
    """Whether the parameter exists in this configuration."""
    return all(found.get(name) in values for name, values in parameter.get("when", {}).items())


def is_allowed(parameter: Object, value: Any) -> bool:
    """Whether the value is of the parameter's type and within its range."""
    if parameter["type"] == "categorical":
        return value in parameter["values"]
    low, high, step = parameter["min"], parameter["max"], parameter.get("step")
    if parameter["type"] == "int" and (not isinstance(value, int) or (value - low) % (step or 1)):
        return False
    return bool(low <= value <= high)


def as_text(parameter: Object, value: Any) -> str:
    """How a container reads the value. In the API server's JSON, a whole number does not tell that it is a float."""
    return str(float(value) if parameter["type"] == "float" else value)


def run(command: list[str], folder: pathlib.Path, parameters: Object, metrics: pathlib.Path) -> list[Object]:
    """What a trial's command reports on this machine."""
    environment = {
        **os.environ,
        **{f"HP_{name}": str(value) for name, value in parameters.items()},
        "TUNING_PARAMETERS": json.dumps(parameters),
        "TUNING_METRICS_FILE": str(metrics),
        "OMP_NUM_THREADS": "1",
    }
    program = {"python3": sys.executable}.get(command[0], command[0])
    subprocess.run([program, *command[1:]], cwd=folder, env=environment, check=True, timeout=120)
    return [json.loads(line) for line in metrics.read_text().splitlines()]
