"""Jobs with more than one thing to want, on a real API server with a fake kubelet."""

from __future__ import annotations

from typing import Any

from tests import builders
from tests.integration import client, fates, process
from tests.integration.kubelet import Kubelet


def tradeoff(attempt: fates.Attempt) -> fates.Course:
    """The better the accuracy, the longer the latency: nearly every trial is on the front."""
    x = float(attempt.parameters["x"])
    return fates.Course(observations=({"accuracy": x, "latency": 100 * x * x},))


def complete(job: dict[str, Any]) -> bool:
    return bool(job.get("status", {}).get("phase") == "Complete")


async def test_a_job_with_two_objectives_ends_with_a_front(
    operator: process.Operator, cluster: client.Client, namespace: str, kubelet: Kubelet
) -> None:
    kubelet.script = tradeoff
    job = builders.job(
        objectives=[builders.objective(), builders.objective("latency", "minimize")],
        parameters=[builders.real("x")],
        algorithm="bayesian",
        search={"settings": {"n_initial_points": 3}},
        trials=8,
        parallel=2,
        placement=kubelet.placement,
    )
    operator.start()
    await cluster.create(job, namespace)
    status = (await cluster.until("TuningJob", namespace, "job", complete, 120))["status"]
    trials = {item["metadata"]["name"]: item for item in await cluster.list("TuningTrial", namespace)}
    assert status["frontSize"] == len(status["paretoFront"]) == 8
    assert [entry["values"] for entry in status["paretoFront"]] == sorted(
        (trial["status"]["values"] for trial in trials.values()), key=lambda values: -values["accuracy"]
    )
    assert status["best"] in status["paretoFront"]
    assert status["hypervolume"] > 0


async def test_the_best_trial_meets_the_outcome_constraints(
    operator: process.Operator, cluster: client.Client, namespace: str, kubelet: Kubelet
) -> None:
    kubelet.script = tradeoff
    job = builders.job(
        parameters=[builders.real("x", 0.1, 0.9, step=0.1)],
        outcomeConstraints=["latency <= 20", "duration < 600"],
        algorithm="grid",
        trials=9,
        parallel=3,
        placement=kubelet.placement,
    )
    operator.start()
    await cluster.create(job, namespace)
    status = (await cluster.until("TuningJob", namespace, "job", complete, 120))["status"]
    trials = await cluster.list("TuningTrial", namespace)
    assert status["best"]["parameters"] == {"x": 0.4}
    infeasible = [trial for trial in trials if trial["status"].get("reason") == "Infeasible"]
    assert {trial["spec"]["parameters"]["x"] for trial in infeasible} == {0.5, 0.6, 0.7, 0.8, 0.9}
    assert all(trial["status"]["message"].startswith("latency <= 20 is missed by ") for trial in infeasible)
    assert all(trial["status"]["measured"]["duration"] >= 0 for trial in trials)


async def test_a_job_learns_from_another_one_that_comes_later_and_goes_early(
    operator: process.Operator, cluster: client.Client, namespace: str, kubelet: Kubelet
) -> None:
    first = builders.job("first", parameters=[builders.real("x")], trials=6, parallel=3, placement=kubelet.placement)
    second = builders.job(
        "second",
        parameters=[builders.real("x", 0, 0.9), builders.whole("n")],
        algorithm="bayesian",
        search={"warmStartFrom": [{"name": "first"}], "settings": {"n_initial_points": 3}},
        trials=3,
        placement=kubelet.placement,
    )
    operator.start()
    await cluster.create({**second, "spec": {**second["spec"], "suspend": True}}, namespace)

    def waits(job: dict[str, Any]) -> bool:
        return "first, named in spec.search.warmStartFrom, does not exist" in job.get("status", {}).get("message", "")

    await cluster.until("TuningJob", namespace, "second", waits, 60)
    await cluster.create(first, namespace)
    await cluster.until("TuningJob", namespace, "first", complete, 120)
    await cluster.delete("TuningJob", namespace, "second")
    await cluster.create({**second, "metadata": {"name": "third"}}, namespace)

    def warm(job: dict[str, Any]) -> bool:
        return bool(job.get("status", {}).get("warmStart"))

    status = (await cluster.until("TuningJob", namespace, "third", warm, 60))["status"]
    await cluster.delete("TuningJob", namespace, "first")
    taken = status["warmStart"]
    (source,) = taken["sources"]
    assert source["usable"] + source["unusable"] == 6
    assert len(taken["results"]) == source["usable"] > 0
    assert all(lesson["parameters"]["n"] == 5 for lesson in taken["results"])
    status = (await cluster.until("TuningJob", namespace, "third", complete, 120))["status"]
    assert status["warmStart"] == taken
    trials = await cluster.list("TuningTrial", namespace)
    assert "model" in {trial["spec"]["origin"] for trial in trials if trial["spec"]["job"]["name"] == "third"}
