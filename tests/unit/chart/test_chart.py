"""The chart, rendered by Helm itself: what a cluster would be given, for old and new servers."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tuning_operator.kube import main
from tuning_operator.kube import render as rendering

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


AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]
        }
    }
}
MONITORING = {
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "podMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True},
    "dashboards": {"enabled": True, "annotations": {"grafana_folder": "Tuning"}},
}
COMBINATIONS: dict[str, Manifest] = {
    "defaults": {},
    "one replica": {"replicas": 1},
    "none": {"replicas": 0},
    "placed": {
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": AFFINITY,
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
        "priorityClassName": "system-cluster-critical",
        "imagePullSecrets": [{"name": "registry"}],
    },
    "labelled": {
        "extraLabels": {"team": "platform"},
        "extraAnnotations": {"owner": "us"},
        "podLabels": {"a": "b"},
        "podAnnotations": {"c": "d"},
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy"}],
        "serviceAccount": {"name": "mine", "annotations": {"e": "f"}},
    },
    "closed": {
        "networkPolicy": {
            "enabled": True,
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}],
            "apiServer": {"cidrs": ["10.0.0.1/32"], "ports": [6443]},
        }
    },
    "closed, some namespaces": {"networkPolicy": {"enabled": True}, "namespaces": ["team-a", "team-b"]},
    "an account of somebody else's": {"serviceAccount": {"create": False, "name": "theirs"}},
    "watched": {"monitoring": MONITORING},
}
FOREIGN = ("ServiceMonitor", "PodMonitor", "PrometheusRule")
"""Kinds whose schemas are not Kubernetes' own."""
VERSIONS = [f"1.{minor}" for minor in range(29, 38)]


def rendered(path: str, values: Manifest, server: str = "1.36.0") -> list[Manifest]:
    flags = [f"--set-json={name}={json.dumps(value)}" for name, value in values.items()]
    done = helm(path, "template", "tuning", str(CHART), "--namespace=tuning-system", f"--kube-version={server}", *flags)
    assert not done.returncode, done.stderr
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


@pytest.mark.parametrize("values", COMBINATIONS.values(), ids=COMBINATIONS)
def test_every_object_is_valid_for_every_server(path: str, values: Manifest) -> None:
    manifests = rendered(path, {"crds": {"enabled": False}, **values})
    assert "Deployment" in {manifest["kind"] for manifest in manifests}
    names = [(manifest["kind"], *map(manifest["metadata"].get, ("namespace", "name"))) for manifest in manifests]
    assert len(names) == len(set(names))
    for manifest in manifests:
        if manifest["kind"] not in FOREIGN:
            for version in VERSIONS:
                kubernetes_validate.validate(manifest, version, strict=True)


def test_labels_and_annotations_reach_every_object(path: str) -> None:
    manifests = rendered(path, {**COMBINATIONS["labelled"], "monitoring": MONITORING})
    for manifest in manifests:
        assert manifest["metadata"]["labels"]["team"] == "platform", manifest["kind"]
        if manifest["kind"] != "CustomResourceDefinition":
            assert manifest["metadata"]["annotations"]["owner"] == "us", manifest["kind"]
    (deployment,) = of_kind(manifests, "Deployment")
    metadata = deployment["spec"]["template"]["metadata"]
    assert {"team", "a"} < set(metadata["labels"])
    assert metadata["annotations"] == {"owner": "us", "c": "d"}


def test_the_service_and_the_budget_select_the_operator_and_not_the_test(path: str) -> None:
    manifests = rendered(path, {})
    (deployment,) = of_kind(manifests, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    (service,) = of_kind(manifests, "Service")
    (budget,) = of_kind(manifests, "PodDisruptionBudget")
    (test,) = of_kind(manifests, "Pod")
    for selector in (service["spec"]["selector"], budget["spec"]["selector"]["matchLabels"]):
        assert selector.items() <= labels.items()
        assert not selector.items() <= test["metadata"]["labels"].items()
    assert not of_kind(rendered(path, {"replicas": 1}), "PodDisruptionBudget")


def test_a_budget_that_blocks_every_drain_is_refused(path: str) -> None:
    done = helm(path, "template", str(CHART), "--set=replicas=2,podDisruptionBudget.minAvailable=2")
    assert done.returncode
    assert "no node drained" in done.stderr


def test_the_network_policy_lets_out_what_is_used_and_nothing_else(path: str) -> None:
    (policy,) = of_kind(rendered(path, COMBINATIONS["closed"]), "NetworkPolicy")
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    ports = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
    assert ports == {53, 6443, rendering.PORT}
    (into,) = policy["spec"]["ingress"]
    assert into["from"] == [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]
    assert [port["port"] for port in into["ports"]] == [8080]


def test_the_readme_is_of_these_values() -> None:
    done = subprocess.run([sys.executable, ROOT / "charts" / "readme.py", "--check"], check=False)
    assert not done.returncode, "run: python charts/readme.py"


def described(values: Manifest, schema: Manifest, prefix: str = "") -> Iterable[str]:
    """Values that the schema does not know, or knows without saying of which type."""
    for name, value in values.items():
        known = schema.get("properties", {}).get(name)
        if known is None:
            if "properties" in schema:
                yield f"{prefix}{name}"
        elif isinstance(value, dict):
            yield from described(value, known, f"{prefix}{name}.")


def test_the_schema_knows_every_value() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert list(described(values, schema)) == []
    assert set(schema["properties"]) == {*values, "global"}


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
        pytest.param("networkPolicy.apiServer.cidrs={somewhere}", "/networkPolicy/apiServer/cidrs/0", id="no-network"),
        pytest.param("monitoring.podMonitor.interval=often", "/monitoring/podMonitor/interval", id="no-duration"),
        pytest.param("resources.limit.memory=1Gi", "limit", id="misspelt-resources"),
        pytest.param("serviceAccount.name=Mine", "/serviceAccount/name", id="no-account-name"),
        pytest.param("image.repository=a@sha256:b", "/image/repository", id="digest-in-repository"),
    ],
)
def test_wrong_values_are_refused_by_name(path: str, setting: str, word: str) -> None:
    done = helm(path, "template", str(CHART), "--set", setting)
    assert done.returncode
    assert word in done.stderr
