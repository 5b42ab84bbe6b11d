"""What the API server refuses by itself: schema, keys of lists and CEL rules of the CRDs.

CEL is evaluated by cel-python here: the API server that these tests can have (1.20) knows none.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.api import server
from tests.unit.api.manifests import MISSING, changed, good, parameter
from tuning_operator.api import crds, rules, served, sources
from tuning_operator.api.job import JobSpec, Limits, Metrics, Parameter

FLOAT = {"type": "float", "min": 0, "max": 1}
INT = {"type": "int", "min": 1, "max": 9}
CATEGORICAL = {"type": "categorical", "values": ["a", "b"]}


BOTH = {"objectives": [{"metric": "accuracy", "goal": "maximize"}, {"metric": "loss", "goal": "minimize"}]}

REFUSED = {
    "float without min": (parameter(type="float", max=1), "a float or int parameter needs min"),
    "int without max": (parameter(type="int", min=1), "a float or int parameter needs max"),
    "categorical with min": (parameter(**CATEGORICAL, min=1), "a categorical or ordinal parameter has no min"),
    "categorical with max": (parameter(**CATEGORICAL, max=1), "a categorical or ordinal parameter has no max"),
    "categorical with step": (parameter(**CATEGORICAL, step=1), "a categorical or ordinal parameter has no step"),
    "categorical without values": (parameter(type="categorical"), "a categorical or ordinal parameter needs values"),
    "categorical with log scale": (
        parameter(**CATEGORICAL, scale="log"),
        "a categorical or ordinal parameter has no scale",
    ),
    "float with values": (parameter(**FLOAT, values=["a"]), "only a categorical or ordinal parameter has values"),
    "float with weights": (parameter(**FLOAT, prior={"weights": [1]}), "the prior of a float or int parameter needs"),
    "float with half a prior": (parameter(**FLOAT, prior={"mean": 0.5}), "the prior of a float or int parameter needs"),
    "ordinal with a mean": (
        parameter(type="ordinal", values=["a"], prior={"mean": 1, "sigma": 1}),
        "the prior of a categorical or ordinal parameter needs weights",
    ),
    "too few weights": (parameter(**CATEGORICAL, prior={"weights": [1]}), "there must be one weight for each"),
    "no weight": (parameter(**CATEGORICAL, prior={"weights": [0, 0]}), "all weights are 0"),
    "a prior beyond the range": (parameter(**FLOAT, prior={"mean": 9, "sigma": 1}), "the prior's mean is not between"),
    "min above max": (parameter(type="float", min=2, max=1), "min is above max"),
    "log scale with min 0": (parameter(**FLOAT, scale="log"), "a log scale needs a min above 0"),
    "step 0": (parameter(**FLOAT, step=0), "step must be above 0"),
    "negative step": (parameter(**FLOAT, step=-0.1), "step must be above 0"),
    "step above the range": (parameter(**FLOAT, step=1.5), "step is larger than max - min"),
    "int with broken min": (parameter(type="int", min=1.5, max=9), "min of an int parameter must be a whole number"),
    "int with broken max": (parameter(type="int", min=1, max=9.5), "max of an int parameter must be a whole number"),
    "int with broken step": (parameter(**INT, step=1.5), "step of an int parameter must be a whole number"),
    "int below -2^53": (parameter(type="int", min=-1e17, max=1), "min of an int parameter is beyond 2^53"),
    "int above 2^53": (parameter(type="int", min=1, max=1e300), "max of an int parameter is beyond 2^53"),
    "parallel above max": (changed("spec.limits.parallelTrials", 41), "parallelTrials is above maxTrials"),
    "an incomplete configuration": (changed("spec.limits.maxTrials", 41), "maxTrials is no multiple of trial.repeats"),
    "convergence of several objectives": (
        changed("spec", {**good()["spec"], **BOTH, "limits": {"maxTrials": 40, "minImprovement": 0.1}}),
        "minImprovement is for one objective",
    ),
    "nothing ends the job": (changed("spec.limits", {}), "nothing ends this job"),
    "a duration of zero": (changed("spec.limits.maxDuration", "0h0m"), "a duration of zero"),
    "absolute metrics path": (changed("spec.metrics.path", "/etc/passwd"), "the path leaves the metrics folder"),
    "metrics path that climbs": (changed("spec.metrics.path", "a/../../b"), "the path leaves the metrics folder"),
    "metrics path that ends up": (changed("spec.metrics.path", "a/.."), "the path leaves the metrics folder"),
    "pattern for json": (changed("spec.metrics.format", "json"), "a pattern is for format text only"),
    "two profiles where time is the objective": (
        changed(
            "spec",
            {
                **good()["spec"],
                "objectives": [{"metric": "duration", "goal": "minimize"}],
                "profiles": [{"name": name, "resources": {}} for name in "ab"],
            },
        ),
        "with the objective duration, trials in different profiles",
    ),
    "path for stdout": (
        changed("spec.metrics.source", "stdout"),
        "a path is for the sources file and tensorboard only",
    ),
    "text from event files": (
        changed("spec.metrics.source", "tensorboard"),
        "format text is for the sources file and stdout",
    ),
    "prometheus without an endpoint": (
        changed("spec.metrics", {"source": "prometheus"}),
        "the source prometheus needs an endpoint",
    ),
    "endpoint for a file": (
        changed("spec.metrics.endpoint", {"port": 80}),
        "an endpoint is for the source prometheus only",
    ),
    "endpoint on the sidecar's port": (
        changed("spec.metrics", {"source": "prometheus", "endpoint": {"port": 9464}}),
        "the metrics sidecar listens on port 9464",
    ),
    "two workers": (changed("spec.trial.workers", 2), "more than one worker a trial"),
    "no objective": (changed("spec.objectives", []), "[] should be non-empty"),
    "no parameters": (changed("spec.parameters", MISSING), "'parameters' is a required property"),
    "empty categorical": (parameter(type="categorical", values=[]), "[] should be non-empty"),
    "duplicate values": (parameter(type="categorical", values=["a", "a"]), "Duplicate value"),
    "duplicate names": (changed("spec.parameters.1.name", "C"), "Duplicate value"),
    "maxTrials 0": (changed("spec.limits.maxTrials", 0), "0 is less than the minimum of 1"),
    "a name with a dash": (changed("spec.parameters.0.name", "learning-rate"), "'learning-rate' does not match"),
    "unknown goal": (changed("spec.objectives.0.goal", "max"), "'max' is not one of ['maximize', 'minimize']"),
    "template without containers": (changed("spec.template.spec.containers", MISSING), "'containers' is a required"),
    "template with no containers": (changed("spec.template.spec.containers", []), "[] should be non-empty"),
    "restartPolicy Always": (changed("spec.template.spec.restartPolicy", "Always"), "'Always' is not one of ['Never']"),
}

ACCEPTED = {
    "every field": good(),
    "nothing but what is required": changed(
        "spec", {k: good()["spec"][k] for k in ("objectives", "parameters", "template")} | {"limits": {"maxTrials": 1}}
    ),
    "a grid ends by itself": changed("spec", {**good()["spec"], "limits": {}, "search": {"algorithm": "grid"}}),
    "two profiles": changed("spec.profiles.1", {"name": "b", "resources": {}, "wait": "10m"}),
    "a time limit alone": changed("spec.limits", {"maxDuration": "90s"}),
    "one value": parameter(type="int", min=3, max=3),
    "a step that rounds": parameter(type="float", min=0.1, max=0.3, step=0.2),
    "a step as wide as the range": parameter(**INT, step=8),
    "negative bounds": parameter(type="int", min=-5, max=-1),
    "2^53": parameter(type="int", min=-(2**53), max=2**53),
    "a dotted file name": changed("spec.metrics.path", "a..b/..c"),
    "metrics from stdout": changed("spec.metrics", {"source": "stdout", "format": "text"}),
    "metrics from event files": changed("spec.metrics", {"source": "tensorboard", "path": "logs/run"}),
    "metrics from an endpoint": changed(
        "spec.metrics", {"source": "prometheus", "endpoint": {"port": 8000, "path": "/m"}}
    ),
}


@pytest.mark.parametrize("manifest", ACCEPTED.values(), ids=ACCEPTED)
def test_accepts(manifest: Any) -> None:
    assert server.admit(manifest) == []


@pytest.mark.parametrize(("manifest", "message"), REFUSED.values(), ids=REFUSED)
def test_refuses(manifest: Any, message: str) -> None:
    messages = server.admit(manifest)
    assert any(text.startswith(message) for text in messages), messages


def test_every_rule_refuses_something() -> None:
    said = {text for manifest, _ in REFUSED.values() for text in server.admit(manifest)}
    tables = (rules.PARAMETER, rules.LIMITS, sources.RULES, rules.SPEC, served.UNSERVED)
    assert {rule.sentence() for table in tables for rule in table} <= said


CHANGES_REFUSED = {
    "objective": ("spec.objectives.0.goal", "minimize", "objectives"),
    "target added": ("spec.objectives.0.target", MISSING, "objectives"),
    "range": ("spec.parameters.0.max", 2000, "parameters"),
    "parameter removed": ("spec.parameters.3", MISSING, "parameters"),
    "condition removed": ("spec.parameters.3.when", MISSING, "parameters"),
    "choices": ("spec.parameters.2.values", ["rbf", "poly", "3"], "parameters"),
    "constraint": ("spec.constraints.0", "layers < 3", "constraints"),
    "repeats": ("spec.trial.repeats", 4, "trial.repeats"),
    "outcome constraint": ("spec.outcomeConstraints.0", "duration < 1", "outcomeConstraints"),
    "constraints removed": ("spec.constraints", MISSING, "constraints"),
    "algorithm": ("spec.search.algorithm", "random", "search.algorithm"),
    "seed": ("spec.search.seed", 8, "search.seed"),
    "seed removed": ("spec.search.seed", MISSING, "search.seed"),
    "search removed": ("spec.search", MISSING, "search.algorithm"),
    "warm start added": ("spec.search.warmStartFrom", [], "search.warmStartFrom"),
}


@pytest.mark.parametrize(("path", "value", "field"), CHANGES_REFUSED.values(), ids=CHANGES_REFUSED)
def test_refuses_a_change_of_what_the_search_rests_on(path: str, value: Any, field: str) -> None:
    before = changed("spec.search.algorithm", "grid") if path == "spec.search" else good()
    message = f"{field} may not change once the job exists; create a new job"
    assert message in server.admit(changed(path, value), before)
    assert message in server.admit(before, changed(path, value)), "adding is a change as well as removing"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.limits.maxTrials", 80),
        ("spec.limits.parallelTrials", 1),
        ("spec.limits.maxDuration", MISSING),
        ("spec.suspend", True),
        ("spec.limits", {"maxTrials": 4}),
    ],
)
def test_accepts_a_change_of_limits_and_suspension(path: str, value: Any) -> None:
    assert server.admit(changed(path, value), good()) == []


TRIAL: dict[str, Any] = {
    "apiVersion": "tuning-operator.dev/v1alpha1",
    "kind": "TuningTrial",
    "metadata": {"name": "digits-0"},
    "spec": {
        "job": {"name": "digits", "uid": "1"},
        "number": 0,
        "parameters": {"C": 1.5, "kernel": "rbf"},
        "origin": "model",
        "basedOn": "0-3",
    },
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("job", {"name": "digits", "uid": "2"}),
        ("number", 1),
        ("origin", "random"),
        ("basedOn", "0-4"),
        ("basedOn", None),
    ],
)
def test_refuses_a_change_of_a_trial(field: str, value: Any) -> None:
    after = copy.deepcopy(TRIAL)
    after["spec"][field] = value
    if value is None:
        del after["spec"][field]
    assert server.admit(TRIAL, TRIAL, "tuningtrials.yaml") == []
    assert server.admit(after, TRIAL, "tuningtrials.yaml") == [
        f"{field} may not change: it records how the trial came about"
    ]


@pytest.mark.parametrize("file", crds.definitions())
def test_no_rule_reaches_into_a_map_that_cel_cannot_read(file: str) -> None:
    def rules_of(node: Any) -> list[str]:
        if isinstance(node, list):
            return [rule for item in node for rule in rules_of(item)]
        if not isinstance(node, dict):
            return []
        own = [rule["rule"] for rule in node.get("x-kubernetes-validations", ())]
        return own + [rule for child in node.values() for rule in rules_of(child)]

    found = rules_of(server.root(file))
    assert found
    assert not [rule for rule in found if any(word in rule for word in ("settings", "startFrom", "template"))]
    for closed in ("parameters", "search"):
        assert f"self.{closed} ==" not in " ".join(found)


numbers = (
    st.none() | st.sampled_from([0.0, 1.0, 0.5, -1.0, 3.0, 2.0**53, 2.0**54, -1e300]) | st.integers(-9, 9).map(float)
)
parameters = st.fixed_dictionaries(
    {"name": st.just("x"), "type": st.sampled_from(["float", "int", "categorical", "ordinal"])},
    optional={
        "min": numbers,
        "max": numbers,
        "step": numbers,
        "scale": st.sampled_from(["linear", "log"]),
        "values": st.just(["a"]),
    },
).map(lambda fields: {key: value for key, value in fields.items() if value is not None})


def agree(table: Any, model: Any, raw: dict[str, Any], path: str) -> None:
    schema = crds.at(server._root("tuningjobs.yaml"), path)
    scope = {"self": server.typed(schema, server.defaulted(schema, raw))}
    subject = model.model_validate(raw)
    for rule in table:
        assert rule.holds(subject) == server.evaluate(rule.cel, scope), rule.cel


@settings(deadline=None)
@given(parameters)
def test_both_forms_of_a_parameter_rule_agree(raw: dict[str, Any]) -> None:
    agree(rules.PARAMETER, Parameter, raw, "spec.parameters[]")


@settings(deadline=None)
@given(st.fixed_dictionaries({}, optional={"maxTrials": st.integers(1, 9), "parallelTrials": st.integers(1, 9)}))
def test_both_forms_of_a_limits_rule_agree(raw: dict[str, Any]) -> None:
    agree(rules.LIMITS, Limits, raw, "spec.limits")


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "path": st.text("a./", min_size=1, max_size=8),
            "format": st.sampled_from(["json", "text"]),
            "pattern": st.just("(a)(b)"),
            "source": st.sampled_from(["file", "stdout", "tensorboard", "prometheus"]),
            "endpoint": st.sampled_from([{"port": 80}, {"port": 9464, "path": "/m"}]),
        },
    )
)
def test_both_forms_of_a_metrics_rule_agree(raw: dict[str, Any]) -> None:
    agree(sources.RULES, Metrics, raw, "spec.metrics")


@pytest.mark.parametrize("manifest", [m for m, _ in REFUSED.values()] + list(ACCEPTED.values()))
def test_both_forms_of_a_spec_rule_agree(manifest: Any) -> None:
    try:
        JobSpec.model_validate(manifest["spec"])
    except ValueError:
        return
    agree((*rules.SPEC, *served.UNSERVED), JobSpec, manifest["spec"], "spec")
