"""What becomes of trials that misbehave, with real kernels, kubelets and sidecars: each ends in a state with a reason.

All of them run side by side; each test looks at its own.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.ground import REPORT, SECONDS, Ground, Object, container_state, eventually

FILE = '"$TUNING_METRICS_FILE"'


@dataclasses.dataclass(frozen=True)
class Case:
    """A job's trial, and what it comes to. It has `seconds` for that, counted from when the test asks."""

    name: str
    script: str
    phase: str
    reason: str = ""
    message: str = ""
    """A part of the trial's message."""
    fields: Object = dataclasses.field(default_factory=dict)
    seconds: float = SECONDS


def python(program: str) -> str:
    """A line for the shell that runs a Python program."""
    return f"python3 -c '{program}'"


CASES = [
    Case(
        "too-much-memory",
        python("held = [bytearray(1 << 20) for _ in range(1 << 20)]"),
        "Failed",
        "OOMKilled",
        "more memory than its limit",
        {"container": {"resources": {"limits": {"memory": "64Mi"}}}},
    ),
    Case("exit-code", "echo no such data set >&2; exit 3", "Failed", "NonZeroExit", "exit code 3: no such data set"),
    Case(
        "ignores-sigterm",
        "trap '' TERM; while true; do sleep 1; done",
        "Failed",
        "DeadlineExceeded",
        "trial.maxDuration (2s)",
        {"trial": {"maxDuration": "2s"}},
    ),
    Case("forks-and-exits", f"{REPORT}; (sleep 600; {REPORT}) & (setsid sleep 600) & exit 0", "Succeeded"),
    Case(
        "hundred-megabytes",
        # Of them only one line in a thousand says anything new; the objective comes first and last.
        f'{REPORT}; yes \'{{"loss": 0.5, "note": "{"x" * 970}"}}\' | head -c 100000000 >> {FILE}; echo >> {FILE}; {REPORT}',
        "Succeeded",
    ),
    Case(
        "ten-megabyte-line",
        f"{REPORT}; head -c 10000000 /dev/zero | tr '\\0' x >> {FILE}; echo >> {FILE}; {REPORT}",
        "Succeeded",
    ),
    Case(
        "binary-metrics",
        f"head -c 1000000 /dev/urandom >> {FILE}",
        "Failed",
        "ObjectiveNotReported",
        "accuracy was never reported",
    ),
    Case(
        "not-a-number",
        f"echo '{{\"accuracy\": NaN}}' >> {FILE}",
        "Failed",
        "ObjectiveNotFinite",
        "NaN or infinite 1 time",
    ),
    Case("never-reported", "true", "Failed", "ObjectiveNotReported", "accuracy was never reported"),
    Case(
        "another-metric",
        f"echo '{{\"loss\": 1}}' >> {FILE}",
        "Failed",
        "ObjectiveNotReported",
        "loss",
    ),
]

NO_IMAGE = "localhost/there-is-no-such-image:dev"


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def jobs(ground: Ground) -> None:
    """A job of one trial for each case."""
    for case in CASES:
        await ground.submit(ground.job(case.name, case.script, trials=1, **case.fields))
    await ground.submit(ground.job("no-image", trials=1, container={"image": NO_IMAGE}))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_trial_ends_with_a_reason(ground: Ground, case: Case) -> None:
    status = await ground.reaches(case.name, "Complete" if case.phase == "Succeeded" else "Failed", case.seconds)
    trial = await ground.trial(case.name)
    assert (trial["phase"], trial.get("reason", "")) == (case.phase, case.reason)
    assert case.message in trial.get("message", "")
    assert case.message in status["message"] or case.phase == "Succeeded"
    assert [attempt["number"] for attempt in trial["attempts"]] == [1]


@pytest.mark.parametrize("name", ["forks-and-exits", "hundred-megabytes", "ten-megabyte-line"])
async def test_value_arrives_all_the_same(ground: Ground, name: str) -> None:
    await ground.reaches(name, "Complete")
    (trial,) = await ground.trials(name)
    assert trial["status"]["values"] == {"accuracy": trial["spec"]["parameters"]["x"]}


async def test_sidecar_reads_a_hundred_megabytes_to_the_end(ground: Ground) -> None:
    """And does so within its limits: it was neither killed nor started again."""
    await ground.reaches("hundred-megabytes", "Complete")
    metrics = {item["metric"]: item for item in (await ground.trial("hundred-megabytes"))["metrics"]}
    assert metrics["accuracy"]["count"] == 2
    assert metrics["loss"]["count"] == pytest.approx(100_000, rel=0.01)
    (pod,) = await ground.pods("hundred-megabytes")
    assert container_state(pod, "tuning-sidecar")["terminated"]["exitCode"] == 0
    assert all(status["restartCount"] == 0 for status in pod["status"]["containerStatuses"])


async def test_trial_that_ignores_sigterm_leaves_no_pod(ground: Ground) -> None:
    await ground.reaches("ignores-sigterm", "Failed")

    async def is_gone() -> bool:
        return not await ground.pods("ignores-sigterm")

    await eventually(is_gone, "the Pod is gone", 30)


async def test_image_that_does_not_exist_is_told_while_the_trial_waits(ground: Ground) -> None:
    status = await ground.until("no-image", lambda status: NO_IMAGE in status.get("message", ""), 30)
    assert status["phase"] == "Pending"
    assert "Image" in status["message"]
    trial = await ground.trial("no-image")
    assert trial["reason"] in ("ErrImagePull", "ImagePullBackOff")

    async def is_told() -> bool:
        events: list[dict[str, Any]] = await ground.api.list("Event", ground.namespace)
        about = [event for event in events if event["involvedObject"]["name"].startswith("no-image")]
        return any(event["type"] == "Warning" and NO_IMAGE in event["message"] for event in about)

    await eventually(is_told, "an Event names the image", 30)
