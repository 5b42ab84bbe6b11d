"""Hopeless trials are ended while they run: real Pods, judged by what their sidecars have just seen."""

from __future__ import annotations

import time

from tests import builders
from tests.e2e.ground import Ground, container_state, eventually

LEARN = """
report() { echo "{\\"step\\": $1, \\"accuracy\\": $2}" >> "$TUNING_METRICS_FILE"; }
trap 'report 99 %s; exit 0' TERM
step=1
while [ "$step" -le "$TUNING_MAX_STEPS" ]; do report "$step" %s; step=$((step + 1)); sleep 1 & wait $!; done
"""
"""A trial that reports at each step, and once more when it is told to end."""


async def test_asha_stops_the_worse_trials(ground: Ground) -> None:
    points = [0.9, 0.8, 0.1, 0.2]
    script = LEARN % ("$HP_x", "$HP_x")
    await ground.submit(
        ground.job(
            "halved",
            script,
            trials=len(points),
            parallel=2,
            search={"startFrom": [{"x": x} for x in points]},
            earlyStopping={"algorithm": "asha", "maxSteps": 4},
        )
    )
    status = await ground.reaches("halved", "Complete")
    assert (status["trials"]["succeeded"], status["trials"]["stopped"]) == (2, 2)
    stopped = (await ground.trials("halved"))[2]["status"]
    assert stopped["reason"] == "StoppedEarly"
    assert stopped["message"].startswith("asha: at step 1 accuracy is 0.1, not among the best 1/3 of ")
    assert [rung["value"] for rung in stopped["rungs"]] == [0.1]
    assert stopped["values"] == {"accuracy": 0.1}


async def test_a_stopped_trial_is_gone_in_five_seconds_and_its_last_words_are_kept(ground: Ground) -> None:
    # What it reports is the time of the report, and it is to be stopped when that is past a given one.
    now = "$(date +%s.%N)"
    await ground.submit(
        ground.job(
            "late",
            LEARN % (now, now),
            trials=1,
            objectives=[builders.objective(goal="minimize", **{"from": "last"})],
            earlyStopping={
                "algorithm": "threshold",
                "maxSteps": 600,
                "settings": {"bound": time.time(), "start_step": 5},
            },
        )
    )

    async def ended_its_process() -> bool:
        # Not the Pod itself: an old kubelet clears it up only once a minute.
        return not any("running" in container_state(pod, "trial") for pod in await ground.pods("late"))

    await ground.running("late")
    await eventually(ended_its_process, "the stopped trial's process is gone")
    ended = time.time()
    await ground.reaches("late", "Complete")

    async def flushed() -> bool:
        metrics = (await ground.trial("late")).get("metrics") or [{}]
        return bool(metrics[0].get("lastStep") == 99)

    await eventually(flushed, "the last flush is in the trial's status")
    stopped = await ground.trial("late")
    assert stopped["phase"] == "Stopped"
    assert ended - stopped["values"]["accuracy"] < 5
