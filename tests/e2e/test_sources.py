"""Metrics from elsewhere than a file: what real trials print, write as event files and serve, on real kubelets."""

from __future__ import annotations

import base64
import datetime
from typing import Any

import pytest

from tests.e2e.ground import Ground, Object, eventually
from tests.unit.trial import test_tensorboard

EVENTS = base64.b64encode(test_tensorboard.scalars(0.25, 0.5, tag="accuracy")).decode()
WRITE = f"""
import base64, os, pathlib
folder = pathlib.Path(os.environ["TUNING_TENSORBOARD_DIR"], "run")
folder.mkdir(parents=True)
(folder / "events.out.tfevents.1").write_bytes(base64.b64decode("{EVENTS}"))
"""
SERVE = """
import http.server, os
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"# TYPE accuracy gauge\\naccuracy 0.5\\nstep 7\\n")
http.server.HTTPServer(("", int(os.environ["TUNING_METRICS_PORT"])), Answer).handle_request()
"""
PRINT = 'import os; print("loading"); print("{\\"accuracy\\": %s, \\"step\\": 1}" % os.environ["HP_x"])'
CUT = 'print("{\\"accuracy\\": 0.5, \\"padding\\": \\"" + "x" * 100000 + "\\"}")'
FLOOD = 'import json\nfor step in range(1, 30001): print(json.dumps({"step": step, "accuracy": step / 30000}))'


def job(ground: Ground, name: str, program: str, metrics: Object, **spec: Any) -> Object:
    manifest = ground.job(name, "true", metrics=metrics, limits={"maxTrials": 1}, **spec)
    manifest["spec"]["template"]["spec"]["containers"][0]["command"] = ["python3", "-c", program]
    return manifest


async def test_what_trials_print_is_their_result_and_no_sidecar_is_in_their_pods(ground: Ground) -> None:
    await ground.submit(job(ground, "prints", PRINT, {"source": "stdout"}))
    await ground.submit(job(ground, "prints-long-lines", CUT, {"source": "stdout"}))
    await ground.submit(job(ground, "prints-much", FLOOD, {"source": "stdout"}))
    await ground.reaches("prints", "Complete")
    (trial,), (pod,) = await ground.trials("prints"), await ground.pods("prints")
    assert trial["status"]["values"] == {"accuracy": trial["spec"]["parameters"]["x"]}
    assert [container["name"] for container in pod["spec"]["containers"]] == ["trial"]
    assert (await ground.reaches("prints-long-lines", "Complete"))["best"]["values"] == {"accuracy": 0.5}
    await ground.reaches("prints-much", "Complete")
    (metric,) = (await ground.trial("prints-much"))["metrics"]
    assert (metric["count"], metric["last"], metric["steps"][-1]) == (30000, 1.0, 30000)


async def test_what_a_trial_prints_while_no_operator_runs_is_read_later(ground: Ground) -> None:
    program = f"import time; time.sleep(4); {PRINT}"
    await ground.submit(job(ground, "prints-unheard", program, {"source": "stdout"}))
    await ground.running("prints-unheard")
    ground.installation.scale(0)
    try:

        async def ended() -> bool:
            (pod,) = await ground.pods("prints-unheard")
            return bool(pod["status"]["phase"] == "Succeeded")

        await eventually(ended, "the trial has ended")
        assert (await ground.trial("prints-unheard")).get("phase") != "Succeeded"
    finally:
        ground.installation.scale(1)
    status = await ground.reaches("prints-unheard", "Complete")
    assert datetime.datetime.fromisoformat(status["completionTime"])


@pytest.mark.parametrize(
    ("name", "program", "metrics", "steps"),
    [
        pytest.param("event-files", WRITE, {"source": "tensorboard", "path": "logs"}, [1, 2], id="tensorboard"),
        pytest.param("serves", SERVE, {"source": "prometheus", "endpoint": {"port": 8000}}, [7], id="prometheus"),
    ],
)
async def test_sidecars_read_event_files_and_endpoints(
    ground: Ground, name: str, program: str, metrics: Object, steps: list[int]
) -> None:
    objective = "run/accuracy" if name == "event-files" else "accuracy"
    await ground.submit(job(ground, name, program, metrics, objectives=[{"metric": objective, "goal": "maximize"}]))
    assert (await ground.reaches(name, "Complete"))["best"]["values"] == {objective: 0.5}
    (metric,) = (await ground.trial(name))["metrics"]
    assert (metric["metric"], metric["steps"]) == (objective, steps)
