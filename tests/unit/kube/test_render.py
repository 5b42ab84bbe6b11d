"""The Pods that the operator makes, held against Kubernetes' own schemas, old and new."""

from __future__ import annotations

from typing import Any

import kubernetes_validate
import pytest

from tests import builders
from tuning_operator.api import job, manifest, trial
from tuning_operator.kube import names, pods, render
from tuning_operator.tuner import state

LIMIT_NAME = 63
NATIVE = render.Sidecar("registry/sidecar:1", render.SidecarMode.NATIVE)
CLASSIC = render.Sidecar("registry/sidecar:1", render.SidecarMode.CLASSIC)


def owner(name: str = "svm", **spec: Any) -> state.Job:
    parsed = manifest.parse(builders.job(name, **spec))
    return state.Job(name, "8c2f0f6e-0f3f-4d43-9d64-2f3c1f1f6d11", 1, parsed.spec, job.JobStatus())


def item(of: state.Job, **parameters: int | float | str) -> state.Trial:
    spec = trial.TrialSpec(
        job=trial.ParentJob(name=of.name, uid=of.uid),
        number=7,
        parameters=parameters or {"x": 0.25, "n": 3, "kernel": "rbf"},
        origin=trial.Origin.RANDOM,
    )
    return state.Trial(names.trial(of.name, of.uid, 7), "trial-uid", spec, trial.TrialStatus())


def pod(of: state.Job, sidecar: render.Sidecar = NATIVE, **parameters: int | float | str) -> dict[str, Any]:
    return render.pod_manifest(of, "team", item(of, **parameters), 2, sidecar)


def container(made: dict[str, Any], name: str) -> dict[str, Any]:
    found = [c for c in [*made["spec"]["containers"], *made["spec"].get("initContainers", [])] if c["name"] == name]
    assert len(found) == 1
    return dict(found[0])


def environment(made: dict[str, Any], name: str) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container(made, name)["env"]}


RICH = builders.template(
    volumes=[{"name": "data", "emptyDir": {}}],
    initContainers=[{"name": "fetch", "image": "busybox", "command": ["true"]}],
    nodeSelector={"disk": "ssd"},
)


@pytest.mark.parametrize("version", ["1.29", "1.33", "1.37"])
@pytest.mark.parametrize("sidecar", [NATIVE, CLASSIC], ids=lambda sidecar: sidecar.mode)
@pytest.mark.parametrize("template", [builders.template(), RICH], ids=["plain", "rich"])
def test_pods_are_valid_kubernetes_objects(version: str, sidecar: render.Sidecar, template: dict[str, Any]) -> None:
    of = owner(template=template, profiles=[{"name": "gpu", "resources": {"limits": {"nvidia.com/gpu": 1, "cpu": 4}}}])
    kubernetes_validate.validate(pod(of, sidecar), version, strict=True)


def test_parameters_reach_the_container_before_its_own_environment() -> None:
    wanted = builders.template()
    wanted["spec"]["containers"][0]["env"] = [{"name": "RATE", "value": "$(HP_x)"}]
    made = pod(owner(template=wanted))
    entries = [entry["name"] for entry in container(made, "trial")["env"]]
    assert entries.index("HP_x") < entries.index("RATE")
    values = environment(made, "trial")
    assert (values["HP_x"], values["HP_n"], values["HP_kernel"]) == ("0.25", "3", "rbf")
    assert values["TUNING_PARAMETERS"] == '{"x": 0.25, "n": 3, "kernel": "rbf"}'
    assert values["TUNING_METRICS_FILE"] == "/tuning-metrics/metrics.jsonl"
    assert values["TUNING_ATTEMPT"] == "2"


def test_the_command_is_never_touched() -> None:
    of = owner(template=builders.template(["train", "--lr=$(HP_x)"]))
    assert container(pod(of), "trial")["command"] == ["train", "--lr=$(HP_x)"]


def test_the_template_itself_is_not_changed() -> None:
    of = owner(template=RICH)
    before = str(of.spec.template)
    pod(of)
    assert str(of.spec.template) == before


@pytest.mark.parametrize("sidecar", [NATIVE, CLASSIC], ids=lambda sidecar: sidecar.mode)
def test_every_container_meets_pod_security_restricted(sidecar: render.Sidecar) -> None:
    spec = pod(owner(template=RICH), sidecar)["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for each in [*spec["containers"], *spec["initContainers"]]:
        assert each["securityContext"]["allowPrivilegeEscalation"] is False
        assert each["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert spec["automountServiceAccountToken"] is False


def test_what_the_template_says_about_security_stays() -> None:
    wanted = builders.template(securityContext={"runAsUser": 1000, "fsGroup": 5})
    wanted["spec"]["containers"][0]["securityContext"] = {"readOnlyRootFilesystem": True}
    spec = pod(owner(template=wanted))["spec"]
    assert (spec["securityContext"]["runAsUser"], spec["securityContext"]["fsGroup"]) == (1000, 5)
    assert spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({}, {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}),
        (
            {"capabilities": {"add": ["NET_BIND_SERVICE"]}},
            {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}},
        ),
        ({"privileged": True}, {"privileged": True}),
        ({"capabilities": {"add": ["SYS_ADMIN"]}}, {"capabilities": {"add": ["SYS_ADMIN"]}}),
    ],
    ids=["silent", "one capability", "privileged", "all but privileged"],
)
def test_no_default_contradicts_what_a_container_asks_for(given: dict[str, Any], made: dict[str, Any]) -> None:
    wanted = builders.template()
    wanted["spec"]["containers"][0]["securityContext"] = given
    assert container(pod(owner(template=wanted)), "trial")["securityContext"] == made


def test_a_container_that_asks_for_root_gets_it_and_no_other_does() -> None:
    wanted = builders.template(
        initContainers=[{"name": "chown", "image": "busybox", "securityContext": {"runAsUser": 0}}]
    )
    made = pod(owner(template=wanted))
    assert made["spec"]["securityContext"]["runAsUser"] == render.USER
    assert "runAsNonRoot" not in made["spec"]["securityContext"]
    assert container(made, pods.SIDECAR)["securityContext"]["runAsNonRoot"] is True


@pytest.mark.parametrize("sidecar", [NATIVE, CLASSIC], ids=lambda sidecar: sidecar.mode)
def test_a_trial_that_prints_its_metrics_has_neither_a_sidecar_nor_a_volume(sidecar: render.Sidecar) -> None:
    made = pod(owner(metrics={"source": "stdout"}), sidecar)
    kubernetes_validate.validate(made, "1.37", strict=True)
    assert [each["name"] for each in made["spec"]["containers"]] == ["trial"]
    assert not made["spec"].get("initContainers")
    assert not made["spec"].get("volumes")
    assert "TUNING_METRICS_FILE" not in environment(made, "trial")


@pytest.mark.parametrize(
    ("metrics", "variable", "value", "place"),
    [
        ({"source": "file", "path": "a/b"}, "TUNING_METRICS_FILE", "/tuning-metrics/a/b", "/tuning-metrics/a/b"),
        ({"source": "tensorboard"}, "TUNING_TENSORBOARD_DIR", "/tuning-metrics/tensorboard", "/tuning-metrics/tensorboard"),
        ({"source": "prometheus", "endpoint": {"port": 8000}}, "TUNING_METRICS_PORT", "8000", "8000/metrics"),
    ],
    ids=lambda value: value.get("source") if isinstance(value, dict) else None,
)  # fmt: skip
def test_trial_and_sidecar_meet_where_the_source_is(
    metrics: dict[str, Any], variable: str, value: str, place: str
) -> None:
    made = pod(owner(metrics=metrics))
    kubernetes_validate.validate(made, "1.37", strict=True)
    assert environment(made, "trial")[variable] == value
    given = environment(made, pods.SIDECAR)
    assert (given["TUNING_METRICS_SOURCE"], given["TUNING_METRICS_PLACE"]) == (metrics["source"], place)


def test_a_native_sidecar_starts_before_the_other_init_containers() -> None:
    first = pod(owner(template=RICH), NATIVE)["spec"]["initContainers"][0]
    assert (first["name"], first["restartPolicy"]) == (pods.SIDECAR, "Always")


def test_a_classic_sidecar_is_a_second_container_without_a_restart_policy_of_its_own() -> None:
    containers = pod(owner(), CLASSIC)["spec"]["containers"]
    assert [each["name"] for each in containers] == ["trial", pods.SIDECAR]
    assert "restartPolicy" not in containers[1]


def test_the_sidecar_knows_what_to_collect_and_its_token() -> None:
    of = owner(metrics={"format": "text", "pattern": r"(\w+):(\S+)"})
    given = environment(pod(of), pods.SIDECAR)
    assert given["TUNING_OBJECTIVES"] == "accuracy"
    assert (given["TUNING_METRICS_FORMAT"], given["TUNING_METRICS_PATTERN"]) == ("text", r"(\w+):(\S+)")
    assert given["TUNING_SIDECAR_TOKEN"] == "trial-uid"


def test_a_profile_sets_resources_and_placement() -> None:
    profile = {
        "name": "gpu",
        "resources": {"limits": {"nvidia.com/gpu": 1}},
        "nodeSelector": {"gpu": "a100"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
    }
    spec = pod(owner(template=RICH, profiles=[profile]))["spec"]
    assert spec["containers"][0]["resources"] == {"requests": {}, "limits": {"nvidia.com/gpu": 1}}
    assert spec["nodeSelector"] == {"disk": "ssd", "gpu": "a100"}
    assert spec["tolerations"] == [{"key": "gpu", "operator": "Exists"}]


def test_the_pod_belongs_to_its_trial_and_blocks_no_deletion() -> None:
    (reference,) = pod(owner())["metadata"]["ownerReferences"]
    assert (reference["kind"], reference["uid"], reference["controller"]) == ("TuningTrial", "trial-uid", True)
    assert "blockOwnerDeletion" not in reference
    assert "finalizers" not in pod(owner())["metadata"]


@pytest.mark.parametrize("name", ["a", "svm.v2", "x" * 63, "y" * 253, "a" + "-" * 60 + "b"])
def test_names_and_labels_fit_whatever_the_job_is_called(name: str) -> None:
    of = owner(name)
    made = render.pod_manifest(of, "team", item(of), 12, NATIVE)
    assert len(made["metadata"]["name"]) <= LIMIT_NAME
    assert all(len(value) <= LIMIT_NAME for value in made["metadata"]["labels"].values())
    kubernetes_validate.validate(made, "1.37", strict=True)


def test_names_depend_on_the_uid_so_that_a_job_made_anew_meets_no_old_trials() -> None:
    assert names.trial("svm", "uid-1", 0) != names.trial("svm", "uid-2", 0)
    assert names.trial("svm", "uid-1", 0) == names.trial("svm", "uid-1", 0)


def test_long_job_names_keep_labels_of_their_own() -> None:
    assert names.label("x" * 100 + "a") != names.label("x" * 100 + "b")
