"""What people do to a job while it runs: hold it, give it more or less, delete it.

Each test is a story of its own; they are told side by side, because most of each is waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from tests.e2e.ground import REPORT, Ground, Object, container_state, eventually, label

SLOW = f"sleep 2; {REPORT}"
ENDLESS = "sleep 600"

Story = Callable[[Ground], Awaitable[None]]


async def suspended_job_stops_and_goes_on_where_it_was(ground: Ground) -> None:
    await ground.submit(ground.job("held", SLOW, trials=4, parallel=2))
    await ground.running("held")
    await ground.change("held", suspend=True)
    await ground.reaches("held", "Suspended")

    async def nothing_runs() -> bool:
        return not any("running" in container_state(pod, "trial") for pod in await ground.pods("held"))

    await eventually(nothing_runs, "no trial runs")
    before = {trial["metadata"]["name"]: trial["spec"]["parameters"] for trial in await ground.trials("held")}
    await ground.change("held", suspend=False)
    status = await ground.reaches("held", "Complete")
    assert status["trials"]["succeeded"] == status["trials"]["total"] == 4
    after = await ground.trials("held")
    assert before.items() <= {trial["metadata"]["name"]: trial["spec"]["parameters"] for trial in after}.items()
    assert all(trial["status"].get("losses", 0) == 0 for trial in after)
    assert await ground.reasons("held") >= {"Started", "SuspendRequested", "MaxTrialsReached"}


async def raised_max_trials_makes_more_trials(ground: Ground) -> None:
    await ground.submit(ground.job("more", SLOW, trials=1))
    await ground.running("more")
    await ground.change("more", limits={"maxTrials": 3, "parallelTrials": 2})
    status = await ground.reaches("more", "Complete")
    assert status["progress"] == "3/3"
    assert status["trials"]["succeeded"] == 3


async def lowered_parallel_trials_deletes_nothing(ground: Ground) -> None:
    await ground.submit(ground.job("fewer", SLOW, trials=5, parallel=3))

    async def three_live() -> bool:
        return len(await ground.pods("fewer")) == 3

    await eventually(three_live, "three Pods are there")
    await ground.change("fewer", limits={"parallelTrials": 1})
    uids = {pod["metadata"]["uid"] for pod in await ground.pods("fewer")}
    status = await ground.reaches("fewer", "Complete")
    assert status["trials"]["succeeded"] == 5
    pods = await ground.pods("fewer")
    assert uids <= {pod["metadata"]["uid"] for pod in pods}
    assert [label(pod, "attempt") for pod in pods] == ["1"] * 5
    # The last one, at least, began only when all others had ended.
    *others, last = pods
    ends = [container_state(pod, "trial")["terminated"]["finishedAt"] for pod in others]
    assert last["metadata"]["creationTimestamp"] >= max(ends)


async def deleted_job_leaves_nothing(ground: Ground) -> None:
    await ground.submit(ground.job("dropped", ENDLESS, trials=4, parallel=2))
    await ground.running("dropped")
    await ground.api.delete("TuningJob", ground.namespace, "dropped")
    await eventually(lambda: ground.is_empty("dropped"), "nothing of the job is left")


async def trial_whose_pod_is_deleted_starts_again_with_the_same_parameters(ground: Ground) -> None:
    await ground.submit(ground.job("deleted", f"[ $TUNING_ATTEMPT = 1 ] && sleep 600; {REPORT}", trials=1))
    first = await ground.running("deleted")
    await ground.api.delete("Pod", ground.namespace, first["metadata"]["name"])
    await ground.reaches("deleted", "Complete")
    trial = await ground.trial("deleted")
    assert [(item["phase"], item.get("reason", "")) for item in trial["attempts"]] == [
        ("Lost", "PodDeleted"),
        ("Succeeded", ""),
    ]
    (second,) = await ground.pods("deleted")
    assert parameters(second) == parameters(first)


STORIES: list[Story] = [
    suspended_job_stops_and_goes_on_where_it_was,
    raised_max_trials_makes_more_trials,
    lowered_parallel_trials_deletes_nothing,
    deleted_job_leaves_nothing,
    trial_whose_pod_is_deleted_starts_again_with_the_same_parameters,
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def told(ground: Ground) -> AsyncIterator[dict[Story, asyncio.Task[None]]]:
    """The stories, under way."""
    tasks = {story: asyncio.ensure_future(story(ground)) for story in STORIES}
    yield tasks
    await asyncio.gather(*tasks.values(), return_exceptions=True)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_that_a(ground: Ground, told: dict[Story, asyncio.Task[None]], story: Story) -> None:
    await told[story]


def parameters(pod: Object) -> str:
    """The configuration that a Pod was given."""
    (found,) = (item["value"] for item in pod["spec"]["containers"][0]["env"] if item["name"] == "TUNING_PARAMETERS")
    return str(found)
