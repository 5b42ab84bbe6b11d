"""What every end-to-end test stands on: a real cluster, real images, and the product installed through its chart alone.

`tests/cluster/use pytest tests/e2e` (or `make e2e`) provides the three things these fixtures read from the environment:
KUBECONFIG, helm and kubectl on PATH, and TUNING_CLUSTER, the script that builds images and loads them into the nodes.
For a cluster without such a script, push the images and set TUNING_IMAGES to what comes before their names, such as
registry.example.org/tuning: the tests then use registry.example.org/tuning/tuning-operator:dev and so on.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import uuid
from collections.abc import Iterator
from typing import Protocol

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[2]
SYSTEM = "tuning-system"
RELEASE = "tuning"
DEPLOYMENT = "tuning-tuning-operator"


class Tool(Protocol):
    """A command-line tool that runs against the cluster and returns what it prints."""

    def __call__(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run it; AssertionError with its own words when it fails, unless `check` is false."""


class Images:
    """The images of this working tree by name, each built and loaded into the nodes when a test first asks for it."""

    def __init__(self, cluster: str, prefix: str) -> None:
        self._cluster = cluster
        self._prefix = prefix
        self._ready: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        """Reference of `tuning-operator`, `tuning-sidecar` or an example's `tuning-example-NAME`."""
        if name not in self._ready:
            self._ready[name] = f"{self._prefix}/{name}:dev" if self._prefix else self._build(name)
        return self._ready[name]

    def _build(self, name: str) -> str:
        reference = f"localhost/{name}:dev"
        context, dockerfile = {
            "tuning-operator": (".", "Dockerfile"),
            "tuning-sidecar": ("trial_image", "trial_image/Dockerfile"),
        }.get(name, (".", f"examples/{name.removeprefix('tuning-example-')}/Dockerfile"))
        _run([self._cluster, "image", reference, context, dockerfile])
        return reference


def _run(command: list[str], stdin: str | None = None, check: bool = True) -> str:
    done = subprocess.run(command, cwd=ROOT, input=stdin or "", capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark this folder's tests, and time them without the building of images, which the first one waits for."""
    for item in items:
        if pathlib.Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(600, func_only=True))


@pytest.fixture(scope="session")
def kubeconfig() -> str:
    """Path of the cluster's kubeconfig."""
    path = os.environ.get("KUBECONFIG", "")
    if not path:
        pytest.fail("KUBECONFIG is not set; run `make e2e`, or `tests/cluster/use pytest tests/e2e`", pytrace=False)
    return path


@pytest.fixture(scope="session")
def kubectl(kubeconfig: str) -> Tool:
    """kubectl against the cluster."""

    def kubectl(*arguments: str, stdin: str | None = None, check: bool = True) -> str:
        return _run(["kubectl", "--kubeconfig", kubeconfig, *arguments], stdin, check)

    return kubectl


@pytest.fixture(scope="session")
def server_version(kubectl: Tool) -> tuple[int, int]:
    """The API server's version: what is to be expected depends on it (CEL from 1.25, native sidecars from 1.29)."""
    said = yaml.safe_load(kubectl("version", "--output=yaml"))["serverVersion"]
    return int(said["major"]), int(said["minor"].rstrip("+"))


@pytest.fixture(scope="session")
def helm(kubeconfig: str, server_version: tuple[int, int]) -> Tool:
    """helm against the cluster."""
    four = _run(["helm", "version", "--short"]).startswith("v4")
    # Helm 4 applies on the server's side and validates by OpenAPI v3: servers before 1.25 have neither as it wants them.
    legacy = server_version < (1, 25)

    def helm(*arguments: str, stdin: str | None = None, check: bool = True) -> str:
        flags = ["--disable-openapi-validation"] if legacy and arguments[0] in ("install", "upgrade") else []
        flags += ["--server-side=false"] if flags and four else []
        return _run(["helm", "--kubeconfig", kubeconfig, *arguments, *flags], stdin, check)

    return helm


@pytest.fixture(scope="session")
def images() -> Images:
    """The images, by name: images["tuning-operator"] is its reference."""
    cluster, prefix = os.environ.get("TUNING_CLUSTER", ""), os.environ.get("TUNING_IMAGES", "").rstrip("/")
    if not cluster and not prefix:
        pytest.fail("neither TUNING_CLUSTER nor TUNING_IMAGES is set; see tests/e2e/conftest.py", pytrace=False)
    return Images(cluster, prefix)


@pytest.fixture(scope="session")
def installed(kubectl: Tool, helm: Tool, images: Images) -> Iterator[str]:
    """The product, installed through its chart alone; the value is its namespace. Uninstalled at the end."""
    operator, sidecar = (images[name].rsplit(":", 1) for name in ("tuning-operator", "tuning-sidecar"))
    values = {
        "image.repository": operator[0],
        "image.tag": operator[1],
        "sidecar.image.repository": sidecar[0],
        "sidecar.image.tag": sidecar[1],
    }
    settings = [f"--set={key}={value}" for key, value in values.items()]
    chart = str(ROOT / "charts" / "tuning-operator")
    place = ("--namespace", SYSTEM)

    def uninstall() -> None:
        helm("uninstall", RELEASE, *place, "--wait", "--ignore-not-found", check=False)

    uninstall()  # what a killed run left behind; its Pods would keep the image they began with
    try:
        # The CRDs may be there already: from the integration tests, or kept from an earlier release.
        helm("install", RELEASE, chart, *place, "--create-namespace", "--take-ownership", *settings)
        try:
            kubectl("rollout", "status", f"deployment/{DEPLOYMENT}", "--namespace", SYSTEM, "--timeout=120s")
        except AssertionError as error:
            pytest.fail(f"the operator does not get ready: {error}\n{_evidence(kubectl)}", pytrace=False)
        yield SYSTEM
    finally:
        uninstall()
        kubectl("delete", "namespace", SYSTEM, "--ignore-not-found", "--timeout=120s")


def _evidence(kubectl: Tool) -> str:
    pods = kubectl("get", "pods", "--namespace", SYSTEM, "--output=wide", check=False)
    logs = kubectl("logs", f"deployment/{DEPLOYMENT}", "--namespace", SYSTEM, "--tail=30", check=False)
    events = kubectl("get", "events", "--namespace", SYSTEM, check=False)
    return f"{pods}\n{logs}\n{events}"


@pytest.fixture
def namespace(kubectl: Tool) -> Iterator[str]:
    """A fresh namespace under Pod Security `restricted`; gone, with all that is in it, at the end."""
    name = f"tuning-e2e-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield name
    kubectl("delete", "namespace", name, "--timeout=120s")
