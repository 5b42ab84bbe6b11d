"""Bad input, as an author writes it, and what they are told: each line is what `tuningctl validate` prints."""

from __future__ import annotations

import datetime
import math
from typing import Any

import pytest

from tests.unit.api import server
from tests.unit.api.manifests import MISSING, changed, good, parameter
from tuning_operator.api import manifest
from tuning_operator.api.errors import SpecError


def refusal(document: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        manifest.parse(document)
    return str(caught.value).splitlines()


BOUNDS = "spec.parameters[0]"
LETTERS = "use lower case letters, digits, - and . in between, and a letter or digit at either end"

BAD = {
    "min above max": (parameter(type="float", min=2, max=1), f"{BOUNDS}.min: min is above max; swap them"),
    "log scale with min 0": (
        parameter(type="float", min=0, max=1, scale="log"),
        f"{BOUNDS}.min: a log scale needs a min above 0; raise min, or write scale: linear",
    ),
    "empty categorical": (
        parameter(type="categorical", values=[]),
        f"{BOUNDS}.values: must not be empty; write at least 1 entry",
    ),
    "categorical without values": (
        parameter(type="categorical"),
        f"{BOUNDS}.values: a categorical or ordinal parameter needs values; list its choices, such as values: [rbf, poly]",
    ),
    "duplicate names": (
        changed("spec.parameters.1.name", "C"),
        "spec.parameters[1].name: spec.parameters[0] has the name 'C' already; choose another one",
    ),
    "duplicate values": (
        parameter(type="categorical", values=["a", "b", "a"]),
        f"{BOUNDS}.values: the value 'a' appears 2 times; list each value once",
    ),
    "values that a trial cannot tell apart": (
        parameter(type="categorical", values=[1, "1"]),
        f"{BOUNDS}.values: the value '1' appears 2 times; list each value once",
    ),
    "a fraction among the values": (
        parameter(type="categorical", values=["a", 0.5]),
        f"{BOUNDS}.values[1]: a whole number or text is needed, this is the number 0.5; write it in quotes",
    ),
    "a boolean among the values": (
        parameter(type="categorical", values=[True]),
        f"{BOUNDS}.values[0]: a whole number or text is needed, this is true; write it in quotes",
    ),
    "a name that is no environment variable": (
        changed("spec.parameters.0.name", "learning-rate"),
        f"{BOUNDS}.name: 'learning-rate' makes no name of an environment variable; "
        "use letters, digits and underscores, and do not begin with a digit",
    ),
    "an empty name": (
        changed("spec.parameters.0.name", ""),
        f"{BOUNDS}.name: must not be empty; write at least 1 character",
    ),
    "step 0": (
        parameter(type="int", min=1, max=9, step=0),
        f"{BOUNDS}.step: step must be above 0; write a positive step, or leave it out",
    ),
    "step above the range": (
        parameter(type="int", min=1, max=9, step=20),
        f"{BOUNDS}.step: step is larger than max - min, so that no value but min can be reached; choose a smaller step",
    ),
    "int with a broken step": (
        parameter(type="int", min=1, max=9, step=0.5),
        f"{BOUNDS}.step: step of an int parameter must be a whole number; round it, or write type: float",
    ),
    "int beyond 2^53": (
        parameter(type="int", min=1, max=2**53 + 2),
        f"{BOUNDS}.max: max of an int parameter is beyond 2^53, where whole numbers are no longer exact; "
        "choose a smaller number, or write type: float",
    ),
    "infinite bound": (
        parameter(type="float", min=0, max=math.inf),
        f"{BOUNDS}.max: inf is not a finite number; write a finite one",
    ),
    "NaN bound": (
        parameter(type="float", min=math.nan, max=1),
        f"{BOUNDS}.min: nan is not a finite number; write a finite one",
    ),
    "a number in quotes": (
        parameter(type="float", min="1", max=2),
        f"{BOUNDS}.min: a number is needed, this is the text '1'; write a number",
    ),
    "unknown type": (
        parameter(type="double", min=1, max=2),
        f"{BOUNDS}.type: 'double' is not a choice; write 'float', 'int', 'categorical' or 'ordinal'",
    ),
    "unknown field": (
        parameter(type="float", min=1, max=2, scael="log"),
        f"{BOUNDS}.scael: unknown field; did you mean scale?",
    ),
    "unknown field of the spec": (
        changed("spec.earlyStoping", {}),
        "spec.earlyStoping: unknown field; did you mean earlyStopping?",
    ),
    "a field in snake case": (
        changed("spec.limits.max_trials", 3),
        "spec.limits.max_trials: unknown field; did you mean maxTrials?",
    ),
    "an unknown field like no other": (
        changed("spec.limits.qqq", 3),
        "spec.limits.qqq: unknown field; write one of maxDuration, maxFailedTrials, maxTrials, maxUnfit, minImprovement, parallelTrials",
    ),
    "no objective": (
        changed("spec.objectives", []),
        "spec.objectives: must not be empty; write at least 1 entry",
    ),
    "objectives left out": (
        changed("spec.objectives", MISSING),
        "spec.objectives: required field is missing; add it",
    ),
    "objectives without a value": (
        changed("spec.objectives", None),
        "spec.objectives: required field is missing; add it",
    ),
    "one metric twice": (
        changed("spec.objectives.1", {"metric": "accuracy", "goal": "minimize"}),
        "spec.objectives[1].metric: spec.objectives[0] has the metric 'accuracy' already; choose another one",
    ),
    "a metric with a space": (
        changed("spec.objectives.0.metric", "my accuracy"),
        "spec.objectives[0].metric: 'my accuracy' is no name of a metric; "
        "begin with a letter; letters, digits and _ . / - may follow",
    ),
    "an objective that is no mapping": (
        changed("spec.objectives", ["accuracy"]),
        "spec.objectives[0]: a mapping is needed, this is the text 'accuracy'; write a mapping",
    ),
    "maxTrials 0": (changed("spec.limits.maxTrials", 0), "spec.limits.maxTrials: 0 is too small; write at least 1"),
    "maxTrials too high": (
        changed("spec.limits.maxTrials", 10**6),
        "spec.limits.maxTrials: 1000000 is too large; write at most 100000",
    ),
    "maxTrials in quotes": (
        changed("spec.limits.maxTrials", "40"),
        "spec.limits.maxTrials: a whole number is needed, this is the text '40'; write a whole number",
    ),
    "parallel above max": (
        changed("spec.limits.parallelTrials", 50),
        "spec.limits.parallelTrials: parallelTrials is above maxTrials; lower parallelTrials, or raise maxTrials",
    ),
    "nothing ends the job": (
        changed("spec.limits", {}),
        "spec.limits: nothing ends this job; set limits.maxTrials or limits.maxDuration (only a grid ends by itself)",
    ),
    "a very long duration": (
        changed("spec.trial.maxDuration", "1" * 99),
        "spec.trial.maxDuration: too long; write at most 32 characters",
    ),
    "no duration": (
        changed("spec.trial.maxDuration", "1.5h"),
        "spec.trial.maxDuration: '1.5h' is not a duration; write hours, minutes and seconds such as 2h, 30m or 1h30m",
    ),
    "a duration of zero": (
        changed("spec.limits.maxDuration", "0s"),
        "spec.limits.maxDuration: a duration of zero leaves no time to run; "
        "write for example 30m, or leave the field out",
    ),
    "an absolute metrics path": (
        changed("spec.metrics.path", "/var/metrics"),
        "spec.metrics.path: the path leaves the metrics folder; write a path below it, such as metrics.jsonl",
    ),
    "a metrics path that climbs": (
        changed("spec.metrics.path", "../metrics"),
        "spec.metrics.path: the path leaves the metrics folder; write a path below it, such as metrics.jsonl",
    ),
    "a pattern that does not parse": (
        changed("spec.metrics.pattern", "("),
        "spec.metrics.pattern: the pattern is no regular expression of RE2's: missing ): (; "
        r"write one with two groups, the name and the value, such as (\w+)=([-+.\w]+)",
    ),
    "a pattern that only backtracking could match": (
        changed("spec.metrics.pattern", r"(?<=x)(\w+)=(\d)"),
        "spec.metrics.pattern: the pattern is no regular expression of RE2's: invalid perl operator: (?<=; "
        r"write one with two groups, the name and the value, such as (\w+)=([-+.\w]+)",
    ),
    "a pattern with one group": (
        changed("spec.metrics.pattern", r"acc=(\d+)"),
        "spec.metrics.pattern: the pattern has 1 of the two groups it needs; "
        r"put the metric's name and its value in round brackets, such as (\w+)=([-+.\w]+)",
    ),
    "a pattern for json": (
        changed("spec.metrics.format", "json"),
        "spec.metrics.pattern: a pattern is for format text only; remove pattern, or write format: text",
    ),
    "an amount that is none": (
        changed("spec.profiles.0.resources.limits", {"nvidia.com/gpu": "one"}),
        "spec.profiles[0].resources.limits[nvidia.com/gpu]: 'one' is not an amount; "
        "write a number with a unit of Kubernetes, such as 500m, 2 or 16Gi",
    ),
    "an amount with an unknown unit": (
        changed("spec.profiles.0.resources.requests.memory", "8GB"),
        "spec.profiles[0].resources.requests.memory: '8GB' is not an amount; "
        "write a number with a unit of Kubernetes, such as 500m, 2 or 16Gi",
    ),
    "a fraction of a CPU": (
        changed("spec.profiles.0.resources.limits", {"cpu": 0.5}),
        "spec.profiles[0].resources.limits.cpu: a whole number or text is needed, this is the number 0.5; "
        "write it in quotes",
    ),
    "two profiles of one name": (
        changed("spec.profiles.1", {"name": "cpu", "resources": {}}),
        "spec.profiles[1].name: spec.profiles[0] has the name 'cpu' already; choose another one",
    ),
    "a setting that is a list": (
        changed("spec.search.settings.xi", [1]),
        "spec.search.settings.xi: true or false, a number or text is needed, this is a list; "
        "write true or false, a number or text",
    ),
    "a start that is a mapping": (
        changed("spec.search.startFrom.0.C", {}),
        "spec.search.startFrom[0].C: a number or text is needed, this is a mapping; write a number or text",
    ),
    "a 300-character name": (
        changed("metadata.name", "a" * 300),
        "metadata.name: the name has 300 characters; write at most 253",
    ),
    "a name with capitals": (
        changed("metadata.name", "Digits"),
        f"metadata.name: 'Digits' is no name of an object; {LETTERS}",
    ),
    "no name": (changed("metadata", {}), "metadata.name: required field is missing; add it"),
    "no metadata": (changed("metadata", MISSING), "metadata: required field is missing; add it"),
    "a namespace with a dot": (
        changed("metadata.namespace", "a.b"),
        f"metadata.namespace: 'a.b' is no name of a namespace; {LETTERS}",
    ),
    "another kind": (
        changed("kind", "Experiment"),
        "kind: TuningJob is needed, this is the text 'Experiment'; write kind: TuningJob",
    ),
    "another version": (
        changed("apiVersion", MISSING),
        "apiVersion: tuning-operator.dev/v1alpha1 is needed, this is empty; "
        "write apiVersion: tuning-operator.dev/v1alpha1",
    ),
    "no spec": (changed("spec", MISSING), "spec: required field is missing; add it"),
    "a list": ([], "manifest: a mapping is needed, this is a list; write a TuningJob"),
    "nothing": (None, "manifest: a mapping is needed, this is empty; write a TuningJob"),
    "a template that is a list": (
        changed("spec.template", []),
        "spec.template: a mapping is needed, this is a list; write a mapping",
    ),
    "a template without a Pod": (
        changed("spec.template", {}),
        "spec.template.spec.containers: a trial needs a container; list one, with a name, an image and a command",
    ),
    "a date": (
        changed("metadata.labels", {"day": datetime.date(2030, 1, 1)}),
        "metadata.labels.day: a value of type date, which JSON has not; write text, in quotes",
    ),
    "a number as the name of a field": (
        changed("metadata.labels", {1: "a"}),
        "metadata.labels[1]: the name of a field must be text; write it in quotes",
    ),
    "half a character": (
        changed("spec.search.settings.xi", "\ud800"),
        "spec.search.settings.xi: not valid Unicode; write other text",
    ),
    "a number of 70 bits": (
        changed("spec.search.seed", 2**70),
        "spec.search.seed: a whole number of more than 64 bits; write a smaller one",
    ),
}


@pytest.mark.parametrize(("document", "line"), BAD.values(), ids=BAD)
def test_says_what_is_wrong_and_how_to_mend_it(document: Any, line: str) -> None:
    assert line in refusal(document)


ALONE = sorted(BAD.keys() - {"two profiles of one name", "one metric twice", "a pattern for json"})


@pytest.mark.parametrize("name", ALONE)
def test_one_mistake_makes_one_line(name: str) -> None:
    document, line = BAD[name]
    assert refusal(document) == [line]


def test_a_manifest_in_which_every_field_is_used_parses() -> None:
    job = manifest.parse(good())
    assert (job.metadata.name, job.metadata.namespace) == ("digits", "science")
    assert job.spec.to_wire() == {
        **good()["spec"],
        "parameters": [{"scale": "linear"} | parameter for parameter in good()["spec"]["parameters"]],
        "profiles": [
            {
                "name": "cpu",
                "cost": 2,
                "resources": {"requests": {"cpu": 4, "memory": "8Gi"}, "limits": {}},
                "nodeSelector": {},
                "tolerations": [],
                "wait": "5m",
            }
        ],
        "search": good()["spec"]["search"] | {"warmStartFrom": []},
    }


def test_a_grid_needs_no_limit() -> None:
    spec = good()["spec"] | {"limits": {}, "search": {"algorithm": "grid"}}
    assert manifest.parse(good() | {"spec": spec}).spec.limits.max_trials is None


def test_types_of_values_are_kept() -> None:
    point = {"C": 1.5, "layers": 2, "kernel": "3"}
    job = manifest.parse(changed("spec.search.startFrom", [point]))
    assert [{name: type(value) for name, value in point.items()} for point in job.spec.search.start_from] == [
        {"C": float, "layers": int, "kernel": str}
    ]
    assert job.spec.parameters[2].values == ["rbf", "poly", 3]


def test_what_a_cluster_adds_is_no_mistake() -> None:
    document = good()
    document["metadata"] |= {"uid": "1", "labels": {"a": "b"}, "managedFields": [{}], "annotations": None}
    document["status"] = {"phase": "Running", "later": 1}
    assert manifest.parse(document) == manifest.parse(good())


def test_an_empty_field_is_an_absent_one() -> None:
    assert manifest.parse(changed("spec.search", None)) == manifest.parse(changed("spec.search", MISSING))
    assert manifest.parse(changed("spec.template.spec.nodeSelector", None))


def test_all_mistakes_are_said_at_once() -> None:
    document = changed("spec.parameters.0.min", 5000)
    document["spec"]["parameters"][1]["stpe"] = 2
    document["spec"]["limits"]["parallelTrials"] = 50
    document["spec"]["template"]["spec"]["nodeSelecter"] = {}
    document["metadata"]["name"] = "Digits"
    fields = [line.partition(":")[0] for line in refusal(document)]
    assert sorted(fields) == [
        "metadata.name",
        "spec.limits.parallelTrials",
        "spec.parameters[0].min",
        "spec.parameters[1].stpe",
        "spec.template.spec.nodeSelecter",
    ]


def test_endless_and_huge_documents_are_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    bomb: list[Any] = ["x"] * 10
    for _ in range(9):
        bomb = [bomb] * 10
    assert refusal(changed("spec.template", endless)) == ["manifest: nested too deeply; make it smaller"]
    assert refusal(changed("spec.template", bomb)) == ["manifest: the manifest is too large; make it smaller"]


def test_defaults_of_the_models_and_of_the_server_agree() -> None:
    required = {key: good()["spec"][key] for key in ("objectives", "parameters", "template")}
    required["objectives"] = [{"metric": "accuracy", "goal": "maximize"}]
    document = good() | {"spec": required | {"limits": {"maxTrials": 1}}}
    assert manifest.parse(server.defaulted(server.root(), document)) == manifest.parse(document)
