"""The volume with the checkpoints, in the Pod of a trial.

A trial sees its own folder only. An init container of ours, with the rights of the trial itself, makes that folder, finds
out whether it can be written, and removes what no trial needs any more: so nobody else needs rights on the volume, and
what is wrong with it is told as the reason of the trial's end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from tuning_operator.api import errors, job
from tuning_operator.tuner import basis, state

VOLUME = "tuning-checkpoints"
CONTAINER = "tuning-checkpoints"
FOLDER = "/tuning-checkpoints"
JOB_FOLDER = "/tuning-job-checkpoints"
IDENTITY = ("runAsUser", "runAsGroup", "runAsNonRoot", "seLinuxOptions", "seccompProfile")
"""What a file on the volume belongs to, and may be read by, depends on."""
COMMAND = ["/opt/tuning/bin/python", "-I", "-B", "-m", "tuning_trial.folders"]
"""The sidecar's image has no shell that we rely on, and its entry point is the sidecar."""


def problems(spec: job.JobSpec | None) -> Iterator[errors.Problem]:
    """Why a job that would run on one machine has no place for its checkpoints on a cluster."""
    if spec is not None and spec.checkpoints is not None and spec.checkpoints.claim is None:
        mend = "name a PersistentVolumeClaim of the job's namespace"
        yield errors.Problem("spec.checkpoints.claim", "on a cluster checkpoints need a claim", mend)


def add(
    spec: dict[str, Any],
    chosen: str,
    owner: state.Job,
    item: state.Trial,
    discard: Collection[int],
    image: str,
    pull_policy: str,
) -> None:
    """Gives a Pod, whose containers are secured already, the volume and its init container."""
    assert owner.spec.checkpoints is not None
    claim = owner.spec.checkpoints.claim
    spec["volumes"] = [
        *(spec.get("volumes") or []),
        {"name": VOLUME, "persistentVolumeClaim": {"claimName": claim}},
    ]
    (trial,) = (container for container in spec["containers"] if container.get("name") == chosen)
    own = {"name": VOLUME, "mountPath": FOLDER, "subPath": f"{_folder(owner)}/{item.number}"}
    trial["volumeMounts"] = [*(trial.get("volumeMounts") or []), own]
    settings = {
        "TUNING_CHECKPOINTS": JOB_FOLDER,
        "TUNING_TRIAL_NUMBER": str(item.number),
        **({"TUNING_DISCARD": basis.encode(discard)} if discard else {}),
    }
    spec["initContainers"] = [
        {
            "name": CONTAINER,
            "image": image,
            "imagePullPolicy": pull_policy,
            "command": COMMAND,
            "env": [{"name": name, "value": value} for name, value in settings.items()],
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
            "securityContext": {
                **{name: value for name, value in trial["securityContext"].items() if name in IDENTITY},
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            },
            "volumeMounts": [{"name": VOLUME, "mountPath": JOB_FOLDER, "subPath": _folder(owner)}],
        },
        *(spec.get("initContainers") or []),
    ]


def _folder(owner: state.Job) -> str:
    """The job's folder on the volume; another job of the same name has another one."""
    return f"tuning/{owner.name}-{owner.uid}"
