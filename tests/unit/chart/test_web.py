"""The web page in the chart: off, and where it is on, for those alone who may forward ports."""

from __future__ import annotations

import pytest

from tests.unit.chart import test_chart as chart

path = chart.path


def test_it_is_off(path: str) -> None:
    manifests = chart.render(path)
    assert not any(argument.startswith("--web") for argument in chart.container(manifests)["args"])


@pytest.mark.parametrize("namespaces", [[], ["namespaces[0]=a"]], ids=["cluster", "namespace"])
def test_it_is_served_without_a_port_that_others_could_reach(path: str, namespaces: list[str]) -> None:
    manifests = chart.render(path, "web.enabled=true", "web.port=9000", "web.hosts[0]=tuning.example", *namespaces)
    operator = chart.container(manifests)
    assert {"--web=9000", "--web-host=tuning.example"} <= set(operator["args"])
    assert 9000 not in [port["containerPort"] for port in operator["ports"]]
    assert not any(
        port["port"] == 9000 for service in chart.of_kind(manifests, "Service") for port in service["spec"]["ports"]
    )


@pytest.mark.parametrize("setting", ["web.port=80", "web.port=8080", "web.enabled=perhaps", "web.hosts=one"])
def test_values_that_cannot_work_are_refused(path: str, setting: str) -> None:
    assert chart.helm(path, "template", "tuning", str(chart.CHART), "--set", setting).returncode
