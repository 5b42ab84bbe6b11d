"""The checkpoints' volume in a trial's Pod."""

from __future__ import annotations

from typing import Any

import kubernetes_validate
import pytest

from tests import builders
from tests.unit.kube.test_render import CLASSIC, NATIVE, container, environment, item, owner
from tuning_operator.kube import render, volumes

CHECKPOINTS = {"claim": "work", "keep": 2}


def made(sidecar: render.Sidecar = CLASSIC, discard: frozenset[int] = frozenset(), **spec: Any) -> dict[str, Any]:
    of = owner(checkpoints=CHECKPOINTS, **spec)
    return render.pod_manifest(of, "team", item(of), 2, sidecar, discard=discard)


@pytest.mark.parametrize("sidecar", [NATIVE, CLASSIC], ids=lambda sidecar: sidecar.mode)
@pytest.mark.parametrize("version", ["1.29", "1.37"])
def test_the_pod_is_valid(version: str, sidecar: render.Sidecar) -> None:
    kubernetes_validate.validate(made(sidecar), version, strict=True)


def test_the_trial_sees_its_own_folder_only() -> None:
    pod = made()
    folder = "tuning/svm-8c2f0f6e-0f3f-4d43-9d64-2f3c1f1f6d11"
    mounts = [mount for mount in container(pod, "trial")["volumeMounts"] if mount["name"] == "tuning-checkpoints"]
    assert mounts == [{"name": "tuning-checkpoints", "mountPath": "/tuning-checkpoints", "subPath": f"{folder}/7"}]
    assert environment(pod, "trial")["TUNING_CHECKPOINT_DIR"] == "/tuning-checkpoints"
    (mount,) = container(pod, "tuning-checkpoints")["volumeMounts"]
    assert mount["subPath"] == folder
    assert {"name": "tuning-checkpoints", "persistentVolumeClaim": {"claimName": "work"}} in pod["spec"]["volumes"]
    assert not [mount for mount in container(pod, "tuning-sidecar")["volumeMounts"] if "checkpoints" in mount["name"]]


def test_what_nobody_needs_is_named() -> None:
    named = environment(made(discard=frozenset({0, 1, 2, 5})), "tuning-checkpoints")["TUNING_DISCARD"]
    assert named == "0-2,5"
    assert "TUNING_DISCARD" not in environment(made(), "tuning-checkpoints")


def test_the_folder_is_made_with_the_trials_identity_and_no_further_rights() -> None:
    template = builders.template()
    template["spec"]["containers"][0]["securityContext"] = {"runAsUser": 1234, "privileged": True}
    assert container(made(template=template), "tuning-checkpoints")["securityContext"] == {
        "runAsUser": 1234,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def test_a_job_without_checkpoints_has_none() -> None:
    of = owner()
    pod = render.pod_manifest(of, "team", item(of), 2, CLASSIC)
    assert "tuning-checkpoints" not in str(pod)
    assert "TUNING_CHECKPOINT_DIR" not in environment(pod, "trial")


def test_a_cluster_needs_a_claim() -> None:
    local = owner(checkpoints={"path": "checkpoints"})
    assert [str(problem) for problem in volumes.problems(local.spec)] == [
        "spec.checkpoints.claim: on a cluster checkpoints need a claim; "
        "name a PersistentVolumeClaim of the job's namespace"
    ]
    assert not list(volumes.problems(owner(checkpoints=CHECKPOINTS).spec))
    assert not list(volumes.problems(owner().spec))
