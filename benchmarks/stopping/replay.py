"""A job of recorded curves, run by the tuner itself in virtual time."""

from __future__ import annotations

from typing import Any

from benchmarks.stopping import tables
from tuning_operator.api import manifest
from tuning_operator.simulation import replay
from tuning_operator.stopping import curve


def outcome(job: tables.Job, early: dict[str, Any], workers: int, *, whole: bool = False) -> tables.Outcome:
    """The outcome of the job under a stopping rule, as a manifest gives it.

    A job ends at its target, unless the whole of it is wanted.
    """
    spec = manifest.parse(_manifest(job, workers, early, whole)).spec
    recorded = [
        replay.Recording({"row": number}, {tables.METRIC: curve.Curve.of(*losses)}, job.seconds(number) * job.steps)
        for number, losses in enumerate(job.curves)
    ]
    found = replay.replay(spec, recorded, spec.early_stopping, tables.START_SECONDS)
    return tables.outcome(job, found.lives)


def _manifest(job: tables.Job, workers: int, early: dict[str, Any], whole: bool) -> dict[str, Any]:
    return {
        "apiVersion": "tuning-operator.dev/v1alpha1",
        "kind": "TuningJob",
        "metadata": {"name": "replay"},
        "spec": {
            "objectives": [{"metric": tables.METRIC, "goal": "minimize", **({} if whole else {"target": job.target})}],
            "parameters": [{"name": "row", "type": "int", "min": 0, "max": len(job.curves)}],
            "search": {"algorithm": "random"},
            "earlyStopping": early,
            "limits": {"maxTrials": len(job.curves), "parallelTrials": workers},
            "template": {"spec": {"containers": [{"name": "trial", "image": "none"}]}},
        },
    }
