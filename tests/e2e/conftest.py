"""What every end-to-end test stands on: a real cluster, real images, and the product installed through its chart alone.

`tests/cluster/use pytest tests/e2e` (or `make e2e`) provides the three things these fixtures read from the environment:
KUBECONFIG, helm and kubectl on PATH, and TUNING_CLUSTER, the script that builds images and loads them into the nodes.
For a cluster without such a script, push the images and set TUNING_IMAGES to what comes before their names, such as
registry.example.org/tuning: the tests then use registry.example.org/tuning/tuning-operator:dev and so on.

They take the cluster for their own: the operator watches all namespaces, and tests/cluster/cluster has its components
killed. TUNING_SHARED=1 is for a cluster where others work at the same time: the operator then watches the tests'
namespaces alone, and nothing is killed.
"""

from __future__ import annotations

import os
import pathlib
import uuid
from collections.abc import AsyncIterator, Generator, Iterator, Mapping

import pytest
import pytest_asyncio
import yaml

from tests.e2e import cluster
from tests.e2e import ground as grounds
from tests.e2e.cluster import Images, Tool
from tests.e2e.ground import Ground
from tests.e2e.installation import Installation
from tests.integration.client import Client

HERE = pathlib.Path(__file__).parent

collect_ignore = [] if cluster.BREAKABLE else ["test_faults.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark this folder's tests, and time them without the building of images, which the first one waits for.

    The tests that uninstall the product come last.
    """
    items.sort(key=lambda item: item.path.stem == "test_uninstall")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(600, func_only=True))
            if pytest_asyncio.is_async_test(item):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which tests were left out on this cluster."""
    if not cluster.BREAKABLE:
        why = "TUNING_SHARED is set" if cluster.SHARED else "the cluster is not that of tests/cluster/cluster"
        terminalreporter.write_line(f"e2e: test_faults.py was not collected: {why}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Beside a test that failed: the operator's log, and what is in the test's namespace."""
    report = yield
    ground = getattr(item, "funcargs", {}).get("ground")
    if report.when == "call" and report.failed and ground is not None:
        report.sections.append(("cluster", ground.evidence()))
    return report


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
        return cluster.run(["kubectl", "--kubeconfig", kubeconfig, *arguments], stdin, check)

    return kubectl


@pytest.fixture(scope="session")
def server_version(kubectl: Tool) -> tuple[int, int]:
    """The API server's version: what is to be expected depends on it (CEL from 1.25, native sidecars from 1.29)."""
    said = yaml.safe_load(kubectl("version", "--output=yaml"))["serverVersion"]
    return int(said["major"]), int(said["minor"].rstrip("+"))


@pytest.fixture(scope="session")
def helm(kubeconfig: str, server_version: tuple[int, int]) -> Tool:
    """helm against the cluster."""
    four = cluster.run(["helm", "version", "--short"]).startswith("v4")
    # Helm 4 applies on the server's side and validates by OpenAPI v3: servers before 1.25 have neither as it wants them.
    legacy = server_version < (1, 25)

    def helm(*arguments: str, stdin: str | None = None, check: bool = True) -> str:
        flags = ["--disable-openapi-validation"] if legacy and arguments[0] in ("install", "upgrade") else []
        flags += ["--server-side=false"] if flags and four else []
        return cluster.run(["helm", "--kubeconfig", kubeconfig, *arguments, *flags], stdin, check)

    return helm


@pytest.fixture(scope="session")
def images() -> Images:
    """The images, by name: images["tuning-operator"] is its reference."""
    if not cluster.SCRIPT and not cluster.REGISTRY:
        pytest.fail("neither TUNING_CLUSTER nor TUNING_IMAGES is set; see tests/e2e/conftest.py", pytrace=False)
    return Images()


@pytest.fixture(scope="session")
def namespaces(kubectl: Tool, request: pytest.FixtureRequest) -> Iterator[Mapping[str, str]]:
    """A fresh namespace for each module of tests, under Pod Security `restricted`, by the module's name.

    They are there before the product is installed, because on a shared cluster it is installed for them alone.
    """
    modules = {item.path.stem.removeprefix("test_") for item in request.session.items if HERE in item.path.parents}
    run = uuid.uuid4().hex[:6]
    made = {module: f"tuning-e2e-{run}-{module}" for module in sorted(modules)}
    for name in made.values():
        kubectl("create", "namespace", name)
        kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield made
    kubectl("delete", "namespace", *made.values(), "--ignore-not-found", "--wait=false")


@pytest.fixture(scope="session")
def installation(kubectl: Tool, helm: Tool, images: Images, namespaces: Mapping[str, str]) -> Iterator[Installation]:
    """The product, installed through its chart alone. Uninstalled at the end."""
    references = {name: images[name] for name in ("tuning-operator", "tuning-sidecar")}
    made = Installation(kubectl, helm, cluster.ROOT / "charts" / "tuning-operator", references)
    made.uninstall()  # what a killed run left behind; its Pods would keep the image they began with
    try:
        made.install(namespaces.values() if cluster.SHARED else ())
        yield made
    finally:
        made.uninstall()
        kubectl("delete", "namespace", made.namespace, "--ignore-not-found", "--timeout=120s")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def api(kubeconfig: str) -> AsyncIterator[Client]:
    """A client of the API server."""
    async with await Client.connect(pathlib.Path(kubeconfig)) as client:
        yield client


@pytest.fixture(scope="module")
def ground(
    api: Client,
    kubectl: Tool,
    installation: Installation,
    images: Images,
    namespaces: Mapping[str, str],
    request: pytest.FixtureRequest,
) -> Ground:
    """The module's own namespace, served by the installed operator."""
    namespace = namespaces[request.path.stem.removeprefix("test_")]
    return Ground(api, kubectl, installation, namespace, images[grounds.IMAGE])
