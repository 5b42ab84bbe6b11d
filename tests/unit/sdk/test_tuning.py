"""`tune`: a function becomes a program of its own, and a job that runs it."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy
import pytest

from tuning_operator import sdk
from tuning_operator.sdk import handles, shipping

OFFSET = 0.5
TABLE = {"rbf": 1, "poly": (2, 3)}
HANDLE = object()


def helper(x: float) -> float:
    return math.sin(x) * OFFSET if x > 0 else other(x)


def other(x: float) -> float:
    return helper(-x)


class Model:
    scale = OFFSET

    def score(self) -> float:
        return self.scale


def train(x: float, kernel: str, flag: Any) -> float:
    assert flag in (True, None)
    assert OrderedDict(a=1)["a"] == 1
    return float(helper(x) + Model().score() + numpy.abs(len(TABLE)) + (kernel == "rbf"))


def several(x: float) -> dict[str, float]:
    return {"objective": x, "loss": -x}


def fails(x: float) -> float:
    raise ValueError(f"no: {x}")


def uses_an_object(x: float) -> float:
    return x + hash(HANDLE)


SPACE = sdk.space({"x": (0.1, 1.0), "kernel": ["rbf", "poly"], "flag": [True, None]})


def test_a_program_stands_alone(tmp_path: Path) -> None:
    path, metrics = tmp_path / "trial.py", tmp_path / "metrics"
    path.write_text(shipping.program(train, SPACE, "score"))
    environment = {
        "TUNING_PARAMETERS": '{"x": 0.5, "kernel": "rbf", "flag": "None"}',
        "TUNING_METRICS_FILE": str(metrics),
    }
    subprocess.run([sys.executable, "-P", path], check=True, env=environment, cwd=tmp_path)
    assert metrics.read_text() == f'{{"score": {train(0.5, "rbf", None)!r}}}\n'


@pytest.mark.parametrize(
    ("function", "message"),
    [
        pytest.param(lambda x: x, "write it with def", id="lambda"),
        pytest.param(print, "write it with def", id="built in"),
        pytest.param(uses_an_object, "uses HANDLE, a object, which cannot be sent", id="an object"),
    ],
)
def test_function_that_cannot_be_sent_is_told(function: Any, message: str) -> None:
    with pytest.raises(shipping.ShippingError) as caught:
        shipping.source(function)
    assert message in str(caught.value)


def test_choice_that_cannot_be_sent_is_told() -> None:
    with pytest.raises(shipping.ShippingError, match="cannot be written as text"):
        shipping.program(train, sdk.space({"x": [HANDLE]}), "score")


def test_closures_are_sent() -> None:
    factor = 3

    def inner(x: float) -> float:
        return x * factor

    assert "factor = 3" in shipping.source(inner)


def test_requirements_are_installed_by_the_program() -> None:
    text = shipping.program(several, sdk.space({"x": (0.0, 1.0)}), "objective", ["numpy==2"])
    assert text.index("pip") < text.index("def several")


def test_a_function_is_tuned_on_this_machine(tmp_path: Path) -> None:
    job = sdk.tune(
        train, SPACE, "score", trials=5, parallel=2, algorithm="random", name="t", state=tmp_path, progress=False
    )
    assert job.status.phase == "Complete"
    best = job.best
    assert set(best.parameters) == {"x", "kernel", "flag"}
    assert best.values["score"] == pytest.approx(train(**best.parameters))
    frame = job.trials_frame()
    assert (len(frame), frame["score"].max()) == (5, best.values["score"])
    again = sdk.load("t", state=tmp_path)
    assert again.best.trial == best.trial


def test_a_job_of_the_same_name_goes_on(tmp_path: Path) -> None:
    how: dict[str, Any] = {"algorithm": "random", "name": "t", "state": tmp_path, "progress": False}
    sdk.tune(several, {"x": (0.0, 1.0)}, trials=2, **how)
    more = sdk.tune(several, {"x": (0.0, 1.0)}, trials=4, **how)
    assert [row["phase"] for row in more.trials] == ["Succeeded"] * 4


def test_a_job_without_a_success_raises(tmp_path: Path) -> None:
    job = sdk.tune(fails, {"x": (0.0, 1.0)}, trials=1, algorithm="random", name="t", state=tmp_path, wait=False)
    with pytest.raises(handles.JobFailed, match="ValueError: no: 0"):
        job.wait(60, progress=False)
    with pytest.raises(handles.NothingYet):
        assert job.best


async def test_it_works_beside_a_running_event_loop(tmp_path: Path) -> None:
    """As in a notebook."""
    job = sdk.tune(several, {"x": (0.0, 1.0)}, trials=2, algorithm="random", name="t", state=tmp_path, wait=False)
    await job.wait_async(60)
    assert job.best.parameters["x"] == job.best.values["objective"]
    other = await sdk.tune_async(several, {"x": (0.0, 1.0)}, trials=1, algorithm="random", name="v", state=tmp_path)
    assert len(other.trials) == 1
    sync = sdk.tune(several, {"x": (0.0, 1.0)}, trials=1, algorithm="random", name="u", state=tmp_path, progress=False)
    assert sync.status.phase == "Complete"
    assert asyncio.get_running_loop().is_running()


def test_a_stopped_job_goes_on_with_the_next_call(tmp_path: Path) -> None:
    how: dict[str, Any] = {"algorithm": "random", "name": "t", "state": tmp_path, "progress": False}
    job = sdk.tune(several, {"x": (0.0, 1.0)}, trials=60, wait=False, **how)
    job.stop()
    with pytest.raises(handles.JobFailed, match="was stopped; the same call goes on"):
        job.wait(60, progress=False)
    assert sdk.tune(several, {"x": (0.0, 1.0)}, trials=2, **how).status.phase == "Complete"


def test_a_cluster_needs_an_image(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="image: on a cluster a trial needs an image"):
        sdk.tune(several, {"x": (0.0, 1.0)}, where="cluster")
