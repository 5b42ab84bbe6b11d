"""The product comes and goes while jobs run: nothing is stuck without it, and nothing of the users is lost.

Other tests need the product installed, so it is put back.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import pytest

from tests.e2e import cluster
from tests.e2e.ground import Ground
from tests.e2e.installation import Installation


@pytest.fixture(scope="module", autouse=True)
def installed_again(installation: Installation, namespaces: Mapping[str, str]) -> Iterator[None]:
    """The product as it was."""
    yield
    installation.install(namespaces.values() if cluster.SHARED else ())


async def test_operator_of_some_namespaces_serves_those_alone(ground: Ground) -> None:
    elsewhere = f"{ground.namespace}-elsewhere"
    ground.kubectl("create", "namespace", elsewhere)
    try:
        ground.installation.install([ground.namespace])
        await ground.api.create(ground.job("ignored", trials=1), elsewhere)
        await ground.submit(ground.job("served", trials=1))
        await ground.reaches("served", "Complete")
        ignored = await ground.api.get("TuningJob", elsewhere, "ignored")
        assert "status" not in ignored
        account = ground.installation.account
        for verb, kind in (("list", "tuningjobs"), ("create", "pods")):
            asked = ("auth", "can-i", verb, kind, f"--as={account}", "--namespace")
            assert ground.kubectl(*asked, elsewhere, check=False) == "no\n"
            assert ground.kubectl(*asked, ground.namespace) == "yes\n"
    finally:
        ground.kubectl("delete", "namespace", elsewhere, "--wait=false")


async def test_uninstalling_leaves_the_jobs_and_holds_nothing_up(ground: Ground) -> None:
    place = dataclasses.replace(ground, namespace=f"{ground.namespace}-left")
    ground.kubectl("create", "namespace", place.namespace)
    ground.installation.install([place.namespace])
    await place.submit(place.job("left", "sleep 600", trials=4, parallel=2))
    await place.running("left")
    ground.installation.uninstall()
    assert ground.installation.objects("all")["items"] == []
    # The CRDs stay, and the users' jobs with them.
    await place.reaches("left", "Running")
    assert len(await place.trials("left")) == 2
    ground.kubectl("delete", "namespace", place.namespace, "--timeout=120s")
