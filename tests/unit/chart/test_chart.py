"""The chart, rendered by Helm itself: what a cluster would be given, for old and new servers."""

from __future__ import annotations

import os
import pathlib
import subprocess
from collections.abc import Iterable
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tuning_operator.kube import main

ROOT = pathlib.Path(__file__).parents[3]
CHART = ROOT / "charts" / "tuning-operator"
DIGEST = "sha256:" + "0" * 64

Manifest = dict[str, Any]


@pytest.fixture(scope="session")
def path() -> str:
    """A PATH with helm on it."""
    return subprocess.run([ROOT / "tests/cluster/tools"], capture_output=True, text=True, check=True).stdout.strip()


def helm(path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["helm", *arguments]
    return subprocess.run(command, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False)


def render(path: str, *settings: str, server: str = "1.36.0") -> list[Manifest]:
    flags = [flag for setting in settings for flag in ("--set", setting)]
    done = helm(
        path, "template", "tuning", str(CHART), "--namespace", "tuning-system", "--kube-version", server, *flags
    )
    assert not done.returncode, done.stderr
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def of_kind(manifests: Iterable[Manifest], kind: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def container(manifests: Iterable[Manifest]) -> Manifest:
    (deployment,) = of_kind(manifests, "Deployment")
    (only,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(only)


def committed() -> list[Manifest]:
    return [yaml.safe_load(file.read_text()) for file in sorted((ROOT / "crds").glob("*.yaml"))]


def without_rules(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: without_rules(value) for key, value in node.items() if key != "x-kubernetes-validations"}
    return [without_rules(value) for value in node] if isinstance(node, list) else node


def test_helm_finds_nothing_to_complain_about(path: str) -> None:
    done = helm(path, "lint", "--strict", str(CHART))
    assert not done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("server", ["1.36.0", "1.25.0"])
def test_the_crds_are_those_of_the_repository(path: str, server: str) -> None:
    crds = of_kind(render(path, server=server), "CustomResourceDefinition")
    for crd in crds:
        assert crd["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
        assert crd["metadata"].pop("labels")["app.kubernetes.io/name"] == "tuning-operator"
    assert len(crds) == 2
    assert sorted(crds, key=lambda crd: str(crd["metadata"]["name"])) == committed()


@pytest.mark.parametrize("server", ["1.20.2", "1.24.17", "1.24.9-eks-0a21954"])
def test_servers_that_know_no_cel_get_the_crds_without_rules(path: str, server: str) -> None:
    crds = of_kind(render(path, server=server), "CustomResourceDefinition")
    assert sorted((crd["spec"] for crd in crds), key=str) == sorted(
        (without_rules(c["spec"]) for c in committed()), key=str
    )


def test_crds_can_be_left_to_somebody_else(path: str) -> None:
    assert not of_kind(render(path, "crds.enabled=false"), "CustomResourceDefinition")


@pytest.mark.parametrize("version", ["1.29", "1.37"])
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param((), id="defaults"),
        pytest.param(
            (
                "namespaces={team-a,team-b}",
                "imagePullSecrets[0].name=registry",
                "nodeSelector.pool=system",
                "tolerations[0].operator=Exists",
                "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].key=a",
                "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].operator=Exists",
                "extraLabels.team=platform",
                "replicas=2",
            ),
            id="everything-set",
        ),
    ],
)
def test_every_object_is_valid(path: str, settings: tuple[str, ...], version: str) -> None:
    manifests = render(path, "crds.enabled=false", *settings)
    assert {"ServiceAccount", "Deployment"} < {manifest["kind"] for manifest in manifests}
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_named_namespaces_get_rights_and_the_cluster_none(path: str) -> None:
    manifests = render(path, "namespaces={team-a,team-b}")
    for kind in ("Role", "RoleBinding"):
        granted = [m["metadata"]["namespace"] for m in of_kind(manifests, kind) if "lease" not in m["metadata"]["name"]]
        assert granted == ["team-a", "team-b"]
    assert not of_kind(manifests, "ClusterRole")
    assert not of_kind(manifests, "ClusterRoleBinding")
    assert {"--namespace=team-a", "--namespace=team-b"} < set(container(manifests)["args"])


def test_the_lease_is_the_only_right_in_the_releases_own_namespace(path: str) -> None:
    (role,) = of_kind(render(path), "Role")
    assert role["metadata"]["namespace"] == "tuning-system"
    assert {tuple(rule["resources"]) for rule in role["rules"]} == {("leases",)}
    changing = [rule for rule in role["rules"] if "patch" in rule["verbs"]]
    assert [rule["resourceNames"] for rule in changing] == [["tuning-tuning-operator"]]


def test_no_right_is_a_wildcard_and_secrets_stay_closed(path: str) -> None:
    (role,) = of_kind(render(path), "ClusterRole")
    for rule in role["rules"]:
        assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"]
        assert "secrets" not in rule["resources"]


@pytest.mark.parametrize(
    ("settings", "reference"),
    [
        pytest.param(("image.repository=r/op",), "r/op:0.1.0", id="tag-of-the-release"),
        pytest.param(("image.repository=r/op", "image.tag=dev"), "r/op:dev", id="tag"),
        pytest.param(
            ("image.repository=r/op", "image.tag=dev", f"image.digest={DIGEST}"), f"r/op@{DIGEST}", id="digest-wins"
        ),
    ],
)
def test_image_reference(path: str, settings: tuple[str, ...], reference: str) -> None:
    assert container(render(path, *settings))["image"] == reference
    sidecar = container(render(path, *(f"sidecar.{setting}" for setting in settings)))
    assert f"--sidecar-image={reference}" in sidecar["args"]


def test_the_operator_understands_its_arguments(path: str) -> None:
    manifests = render(path, "namespaces={team-a}", "sidecar.mode=classic", "logFormat=text", "sidecar.image.tag=dev")
    given = main.parser().parse_args(container(manifests)["args"])
    assert given.sidecar_image == "tuning-sidecar:dev"
    assert given.sidecar_mode == "classic"
    assert given.namespace == ["team-a"]
    assert given.lease == ("tuning-system", "tuning-tuning-operator")
    assert given.port == container(manifests)["ports"][0]["containerPort"]
    assert given.log_format == "text"


def test_the_operator_runs_under_pod_security_restricted(path: str) -> None:
    (deployment,) = of_kind(render(path), "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    security = pod["containers"][0]["securityContext"]
    assert security == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        pytest.param("imge.tag=dev", "imge", id="misspelt"),
        pytest.param("sidecar.mode=sometimes", "/sidecar/mode", id="unknown-mode"),
        pytest.param("namespaces={Team_A}", "/namespaces/0", id="no-namespace-name"),
        pytest.param("image.digest=latest", "/image/digest", id="no-digest"),
        pytest.param("logFormat=xml", "/logFormat", id="unknown-log-format"),
        pytest.param("replicas=-1", "/replicas", id="negative-replicas"),
    ],
)
def test_wrong_values_are_refused_by_name(path: str, setting: str, word: str) -> None:
    done = helm(path, "template", str(CHART), "--set", setting)
    assert done.returncode
    assert word in done.stderr
