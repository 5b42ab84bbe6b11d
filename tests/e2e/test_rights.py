"""How little the product may do, and how little it takes."""

from __future__ import annotations

import copy
import re

import pytest
import yaml

from tests import builders
from tests.e2e import cluster, security
from tests.e2e.cluster import Tool
from tests.e2e.ground import Ground, Object, eventually

Rights = set[tuple[str, str, str]]

READ = ("get", "list", "watch")
EXPECTED: Rights = {
    *(("tuning-operator.dev", "tuningjobs", verb) for verb in READ),
    *(("tuning-operator.dev", "tuningtrials", verb) for verb in (*READ, "create")),
    *(("tuning-operator.dev", f"{kind}/status", "patch") for kind in ("tuningjobs", "tuningtrials")),
    *(("", "pods", verb) for verb in (*READ, "create", "delete")),
    ("", "pods/log", "get"),
    *(("", kind, verb) for kind in ("resourcequotas", "limitranges") for verb in ("list", "watch")),
    *((("", "nodes", verb) for verb in ("list", "watch")) if not cluster.SHARED else ()),
    *(("", "events", verb) for verb in ("get", "create", "patch")),
}
"""API group, resource and verb."""


def rights(ground: Ground, user: str, namespace: str) -> Rights:
    """What a user may do in a namespace, as the API server tells it."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    said = ground.kubectl("create", "--filename=-", f"--as={user}", "--output=yaml", stdin=yaml.safe_dump(review))
    return {
        (group, resource, verb)
        for rule in yaml.safe_load(said)["status"]["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_operator_may_do_what_it_needs_and_nothing_else(ground: Ground) -> None:
    account = ground.installation.account
    everybody = rights(ground, account.rpartition(":")[0] + ":nobody", ground.namespace)
    found = rights(ground, account, ground.namespace) - everybody
    assert found == EXPECTED
    assert not any("*" in right for right in found)
    assert (
        ground.kubectl("auth", "can-i", "get", "secrets", f"--as={account}", "--all-namespaces", check=False) == "no\n"
    )


def test_operator_satisfies_pod_security_restricted(ground: Ground) -> None:
    deployment = ground.installation.objects("deployment")["items"][0]
    assert security.violations(deployment["spec"]["template"]["spec"]) == []
    (pod,) = ground.installation.objects("pods")["items"]
    assert security.violations(pod["spec"]) == []
    assert pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


@pytest.mark.parametrize("replicas", ["1", "2"])
def test_rendered_chart_satisfies_pod_security_restricted(helm: Tool, replicas: str) -> None:
    rendered = helm("template", str(cluster.ROOT / "charts" / "tuning-operator"), f"--set=replicas={replicas}")
    specs = [
        manifest["spec"]["template"]["spec"]
        for manifest in yaml.safe_load_all(rendered)
        if manifest["kind"] == "Deployment"
    ]
    assert [security.violations(spec) for spec in specs] == [[]]


async def test_trials_satisfy_pod_security_restricted_and_sidecars_keep_to_their_memory(ground: Ground) -> None:
    lines = 'while true; do echo \'{"accuracy": 0.5}\'; sleep 0.01; done >> "$TUNING_METRICS_FILE"'
    await ground.submit(ground.job("watched", lines, trials=1))
    pod = await ground.running("watched")
    assert security.violations(pod["spec"]) == []
    assert pod["spec"]["automountServiceAccountToken"] is False
    sidecar = next(item for item in containers(pod) if item["name"] == "tuning-sidecar")
    assert sidecar["securityContext"]["readOnlyRootFilesystem"] is True
    limit = int(sidecar["resources"]["limits"]["memory"].removesuffix("Mi")) << 20

    async def is_measured() -> bool:
        return memory(ground, pod, "tuning-sidecar") > 0

    await eventually(is_measured, "the kubelet has measured the sidecar", 60)
    assert memory(ground, pod, "tuning-sidecar") < limit / 2
    assert memory(ground, ground.installation.objects("pods")["items"][0], "operator") < 512 << 20
    await ground.api.delete("TuningJob", ground.namespace, "watched")


def containers(pod: Object) -> list[Object]:
    """All containers of a Pod, whichever way the sidecar runs."""
    return [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or [])]


def memory(ground: Ground, pod: Object, container: str) -> float:
    """The working set of a container in bytes, as the kubelet has measured it; 0 where it has not yet."""
    measured = ground.kubectl("get", "--raw", f"/api/v1/nodes/{pod['spec']['nodeName']}/proxy/metrics/resource")
    place, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    labels = f'{{container="{container}",namespace="{place}",pod="{name}"}}'
    found = re.search(rf"^container_memory_working_set_bytes{re.escape(labels)} (\S+)", measured, re.MULTILINE)
    return float(found[1]) if found else 0.0


GOOD: Object = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {"name": "c", "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}
    ],
    "volumes": [{"name": "v", "emptyDir": {}}],
}
BAD: dict[str, tuple[Object, Object, str]] = {
    "host network": ({"hostNetwork": True}, {}, "hostNetwork"),
    "host path": ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, {}, "hostPath"),
    "sysctl": ({"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}, {}, "kernel.msgmax"),
    "may be root": ({"securityContext": {"runAsNonRoot": None}}, {}, "runAsNonRoot"),
    "is root": ({"securityContext": {"runAsUser": 0}}, {}, "runAsUser"),
    "no seccomp": ({"securityContext": {"seccompProfile": None}}, {}, "seccompProfile"),
    "privileged": ({}, {"privileged": True}, "privileged"),
    "escalation": ({}, {"allowPrivilegeEscalation": None}, "allowPrivilegeEscalation"),
    "capabilities": ({}, {"capabilities": None}, "not dropped"),
    "more capabilities": ({}, {"capabilities": {"add": ["NET_ADMIN"]}}, "added"),
    "container is root": ({}, {"runAsNonRoot": False}, "runAsNonRoot"),
    "proc": ({}, {"procMount": "Unmasked"}, "procMount"),
}


@pytest.mark.parametrize(("spec", "context", "words"), BAD.values(), ids=BAD)
def test_the_check_itself_sees(spec: Object, context: Object, words: str) -> None:
    assert security.violations(GOOD) == []
    bad = builders.merged(copy.deepcopy(GOOD), spec)
    container = bad["containers"][0]
    container["securityContext"] = builders.merged(container["securityContext"], context)
    (found,) = security.violations(bad)
    assert words in found
