"""Trials on this machine that are ended early: real processes, judged by what they have just reported."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests import builders
from tests.unit.local import bench
from tuning_operator.tuner import state

LEARN = """
report() { echo "{\\"step\\": $1, \\"accuracy\\": $2}" >> "$TUNING_METRICS_FILE"; }
trap 'report 99 0.77; exit 0' TERM
step=1
while [ "$step" -le "$TUNING_MAX_STEPS" ]; do report "$step" "$HP_x"; step=$((step + 1)); sleep "$HP_pause"; done
"""
"""A trial that reports its parameter at each step, and a last row when it is told to end."""


def job(early: dict[str, Any], points: list[float], pause: str = "0.1", **fields: Any) -> builders.Manifest:
    return bench.job(
        LEARN,
        trials=len(points),
        parameters=[builders.real("x"), builders.choice("pause", pause)],
        search={"startFrom": [{"x": x, "pause": pause} for x in points]},
        earlyStopping=early,
        **fields,
    )


def ends(done: state.Snapshot) -> list[str]:
    return [f"{item.status.phase} {item.status.reason}".strip() for item in done.trials]


async def test_asha_ends_the_worse_trials_and_finds_the_best(tmp_path: Path) -> None:
    early = {"algorithm": "asha", "maxSteps": 9}
    done = await bench.run(tmp_path, job(early, [0.9, 0.5, 0.1, 0.2, 0.95]))
    assert ends(done) == ["Succeeded", "Succeeded", "Stopped StoppedEarly", "Stopped StoppedEarly", "Succeeded"]
    status = done.job.status
    assert (status.phase, status.trials.stopped, status.best and status.best.trial) == ("Complete", 2, "job-4")
    assert done.trials[4].status.rungs[-1].step == 3
    assert done.trials[2].status.values == {"accuracy": 0.1}


async def test_what_a_stopped_trial_reports_at_its_end_is_kept(tmp_path: Path) -> None:
    early = {"algorithm": "threshold", "maxSteps": 10**6, "settings": {"bound": 0.5}}
    done = await bench.run(tmp_path, job(early, [0.1]))
    (item,) = done.trials
    assert item.status.reason == "StoppedEarly"
    assert re.fullmatch(
        r"threshold: at step \d+ accuracy is 0\.1, worse than the threshold \(0\.5\)", item.status.message
    )
    assert item.status.values == {"accuracy": 0.1}
    assert [(metric.last, metric.last_step) for metric in item.status.metrics] == [(0.77, 99)]
    assert done.job.status.phase == "Complete"


@pytest.mark.parametrize("algorithm", ["medianstop", "patience"])
async def test_other_rules_work_live_too(tmp_path: Path, algorithm: str) -> None:
    settings: dict[str, dict[str, float]] = {
        "medianstop": {"min_trials_required": 1, "start_step": 2},
        "patience": {"patience_steps": 2},
    }
    early = {"algorithm": algorithm, "maxSteps": 12, "settings": settings[algorithm]}
    done = await bench.run(tmp_path, job(early, [0.9, 0.2]))
    assert ends(done)[-1] == "Stopped StoppedEarly"


async def test_an_interrupted_job_keeps_its_rungs(tmp_path: Path) -> None:
    early = {"algorithm": "asha", "maxSteps": 9}
    manifest = job(early, [0.9, 0.5, 0.1])
    notes = bench.Notes()
    async with bench.opened(tmp_path, manifest, notes) as made:

        def interrupt(seen: state.Snapshot) -> None:
            if len(seen.trials) == 2 and seen.trials[1].status.rungs:
                made.interrupt()

        notes.watch = interrupt
        cut = await made.run()
    assert cut.trials[1].status.rungs[0].value == 0.5
    done = await bench.run(tmp_path, manifest)
    assert [item.status.rungs[0].value for item in done.trials] == [0.9, 0.5, 0.1]
    assert ends(done)[2] == "Stopped StoppedEarly"
