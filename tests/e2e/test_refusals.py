"""Jobs that cannot run are refused, by name and with what to change, before anything is made.

Who refuses depends on the API server: the schema everywhere, rules from 1.25 on, and what neither can say the operator,
as condition Failed with reason InvalidSpec.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests import builders
from tests.e2e.ground import Ground, Object
from tests.integration.client import RefusedError


async def refusal(ground: Ground, job: Object) -> tuple[str, str]:
    """Who refuses a job, and what is said. Fails when the job begins."""
    name = job["metadata"]["name"]
    refused: RefusedError | None = None
    try:
        await ground.submit(job)
    except RefusedError as error:
        refused = error
    if refused is not None:
        assert refused.reason == "Invalid", refused
        return "server", refused.message
    status = await ground.reaches(name, "Failed", 60)
    (failed,) = (item for item in status["conditions"] if item["type"] == "Failed")
    assert (failed["status"], failed["reason"]) == ("True", "InvalidSpec")
    assert failed["message"] == status["message"]
    assert not await ground.trials(name)
    assert not await ground.pods(name)
    assert "InvalidSpec" in await ground.reasons(name)
    return "operator", str(failed["message"])


BAD_SHAPES: dict[str, tuple[Object, str]] = {
    "min-as-text": ({"parameters": [builders.real("x", low="0")]}, "spec.parameters.min"),  # type: ignore[arg-type]
    "unknown-goal": ({"objectives": [builders.objective(goal="more")]}, "spec.objectives.goal"),
    "no-objective": ({"objectives": []}, "spec.objectives"),
    "no-parameter": ({"parameters": []}, "spec.parameters"),
    "unknown-type": ({"parameters": [builders.real("x", type="double")]}, "spec.parameters.type"),
    "name-is-no-variable": ({"parameters": [builders.real("learning rate")]}, "spec.parameters.name"),
    "no-trials": ({"limits": {"maxTrials": 0}}, "spec.limits.maxTrials"),
    "trials-as-text": ({"limits": {"maxTrials": "many"}}, "spec.limits.maxTrials"),
    "bad-duration": ({"limits": {"maxDuration": "2 hours"}}, "spec.limits.maxDuration"),
    "same-name-twice": ({"parameters": [builders.real("x"), builders.real("x")]}, "spec.parameters[1]"),
}


@pytest.mark.parametrize(("spec", "field"), BAD_SHAPES.values(), ids=BAD_SHAPES)
async def test_the_api_server_refuses_by_schema(ground: Ground, spec: Object, field: str) -> None:
    job = ground.job("shape")
    for key, value in spec.items():
        job["spec"][key] = job["spec"][key] | value if isinstance(value, dict) else value
    who, message = await refusal(ground, job)
    assert who == "server"
    assert field in message


BAD_SPECS: dict[str, tuple[dict[str, Any], str, str]] = {
    "min-above-max": ({"parameters": [builders.real("x", 2, 1)]}, "spec.parameters", "max"),
    "log-from-zero": ({"parameters": [builders.real("x", scale="log")]}, "spec.parameters", "log"),
    "no-endpoint": (
        {"metrics": {"source": "prometheus"}},
        "metrics.endpoint",
        "the source prometheus needs an endpoint",
    ),
    "several-workers": ({"trial": {"workers": 2}}, "trial.workers", "more than one worker a trial is not served"),
}


@pytest.mark.parametrize(("spec", "field", "words"), BAD_SPECS.values(), ids=BAD_SPECS)
async def test_rules_and_unserved_fields_are_refused_by_name(
    ground: Ground,
    server_version: tuple[int, int],
    request: pytest.FixtureRequest,
    spec: Object,
    field: str,
    words: str,
) -> None:
    who, message = await refusal(ground, ground.job(request.node.callspec.id, **spec))
    assert who == ("server" if server_version >= (1, 25) else "operator")
    assert field in message
    assert words in message


BAD_TEMPLATES: dict[str, tuple[Object, str]] = {
    "bad-container-name": ({"spec": {"containers": [{"name": "Trial_1", "image": "x"}]}}, "containers[0].name"),
    "unknown-volume": (
        {"spec": {"containers": [{"name": "trial", "image": "x", "volumeMounts": [{"name": "d", "mountPath": "/d"}]}]}},
        "volumeMounts[0].name",
    ),
    "bad-quantity": (
        {"spec": {"containers": [{"name": "trial", "image": "x", "resources": {"limits": {"memory": "lots"}}}]}},
        "the text 'lots' is not an amount",
    ),
}


@pytest.mark.parametrize(("template", "words"), BAD_TEMPLATES.values(), ids=BAD_TEMPLATES)
async def test_a_template_that_makes_no_pod_is_refused_before_anything_is_made(
    ground: Ground, request: pytest.FixtureRequest, template: Object, words: str
) -> None:
    job = ground.job(request.node.callspec.id)
    job["spec"]["template"] = template
    who, message = await refusal(ground, job)
    assert who == "operator"
    assert "spec.template" in message
    assert words in message


async def test_a_mended_job_runs(ground: Ground) -> None:
    job = ground.job("mended")
    mended = job["spec"]["template"]
    job["spec"]["template"] = BAD_TEMPLATES["bad-container-name"][0]
    await refusal(ground, job)
    await ground.change("mended", limits={"maxTrials": 1}, template=mended)
    status = await ground.until("mended", lambda status: status["phase"] == "Complete")
    assert status["trials"]["succeeded"] == 1
