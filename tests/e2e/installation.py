"""The product on the cluster, installed, changed and removed with helm and nothing else, as its users do."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from tests.e2e.cluster import Tool

READY = "--timeout=120s"


@dataclasses.dataclass(frozen=True)
class Installation:
    """One release of the chart. `images` are references by the images' names."""

    kubectl: Tool
    helm: Tool
    chart: pathlib.Path
    images: Mapping[str, str]
    namespace: str = "tuning-system"
    release: str = "tuning"

    @property
    def deployment(self) -> str:
        """Name of the operator's Deployment, and of its ServiceAccount and roles."""
        return f"{self.release}-tuning-operator"

    @property
    def account(self) -> str:
        """The user that the operator is to the API server."""
        return f"system:serviceaccount:{self.namespace}:{self.deployment}"

    def install(self, namespaces: Iterable[str] = ()) -> None:
        """Installs or changes the release, to serve these namespaces or all, and waits until the operator is ready."""
        # The CRDs may be there already: from other tests, or kept from an earlier release.
        options = ("--install", "--create-namespace", "--take-ownership")
        self.helm("upgrade", self.release, str(self.chart), *self._place, *options, *self._values(namespaces))
        try:
            self.ready()
        except AssertionError as error:
            pytest.fail(f"the operator does not get ready: {error}\n{self.evidence()}", pytrace=False)

    def uninstall(self) -> None:
        """Removes the release, if there is one, and waits until its objects and the operator itself are gone."""
        self.helm("uninstall", self.release, *self._place, "--wait", "--ignore-not-found", check=False)
        self._gone()

    def ready(self) -> None:
        """Waits until as many operators are ready as are wanted, and those that they replace are gone."""
        self.kubectl("rollout", "status", f"deployment/{self.deployment}", *self._place, READY)
        for pod in self.objects("pods")["items"]:
            if "deletionTimestamp" in pod["metadata"]:
                self.kubectl("wait", "pod", pod["metadata"]["name"], *self._place, "--for=delete", READY, check=False)

    def scale(self, replicas: int) -> None:
        """Sets how many operators there are, and waits until it is so."""
        self.kubectl("scale", f"deployment/{self.deployment}", *self._place, f"--replicas={replicas}")
        if replicas:
            self.ready()
        else:
            self._gone()

    def _gone(self) -> None:
        self.kubectl("wait", "pods", *self._place, *self._selector, "--for=delete", READY)

    def objects(self, kind: str) -> dict[str, Any]:
        """The list of the release's objects of a kind in its namespace."""
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, *self._place, *self._selector, "--output=json"))
        return found

    def log(self, lines: int = 60) -> str:
        """The end of the operator's log."""
        return self.kubectl("logs", f"deployment/{self.deployment}", *self._place, f"--tail={lines}", check=False)

    def evidence(self) -> str:
        """What to read when something is wrong with the operator."""
        pods = self.kubectl("get", "pods", *self._place, "--output=wide", check=False)
        events = self.kubectl("get", "events", *self._place, check=False)
        return f"{pods}\n{events}\n{self.log()}"

    @property
    def _place(self) -> tuple[str, str]:
        return "--namespace", self.namespace

    @property
    def _selector(self) -> tuple[str, ...]:
        return ("--selector", f"app.kubernetes.io/instance={self.release},app.kubernetes.io/name=tuning-operator")

    def _values(self, namespaces: Iterable[str]) -> list[str]:
        keys = {"image": "tuning-operator", "sidecar.image": "tuning-sidecar"}
        values = []
        for key, image in keys.items():
            repository, _, tag = self.images[image].rpartition(":")
            values += [f"{key}.repository={repository}", f"{key}.tag={tag}"]
        # One operator: the tests kill it and look for what only its successor can have done.
        values += ["replicas=1", "web.enabled=true"]
        return [f"--set={value}" for value in values] + [f"--set-json=namespaces={json.dumps(list(namespaces))}"]
