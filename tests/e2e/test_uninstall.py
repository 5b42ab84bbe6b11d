"""The product comes and goes while jobs run: nothing is stuck without it, and nothing of the users is lost.

These tests are the last ones: the product is gone when they are done.
"""

from __future__ import annotations

import dataclasses

from tests.e2e.ground import Ground, eventually


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
    ground.installation.install([ground.namespace, place.namespace])
    for there, name in ((place, "left"), (ground, "dropped")):
        await there.submit(there.job(name, "sleep 600", trials=4, parallel=2))
        await there.running(name)
    ground.installation.uninstall()
    assert ground.installation.objects("all")["items"] == []
    # The CRDs stay, and the users' jobs with them.
    await place.reaches("left", "Running")
    assert len(await place.trials("left")) == 2
    await ground.api.delete("TuningJob", ground.namespace, "dropped")
    ground.kubectl("delete", "namespace", place.namespace, "--timeout=120s")
    await eventually(lambda: ground.is_empty("dropped"), "nothing of the deleted job is left")
