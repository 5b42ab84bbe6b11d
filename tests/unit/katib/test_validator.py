"""Katib's own admission webhook has a table of good and bad Experiments; the conversion agrees with it.

The cases are those of pkg/webhook/v1beta1/experiment/validator/validator_test.go, each with the field that is to blame
here. Not among them are cases about the change of an Experiment that exists, and about Katib's own configuration.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.katib.experiments import container, experiment, job, parameter, uses
from tuning_operator.api.errors import SpecError
from tuning_operator.katib import convert

TEMPLATE = "spec.trialTemplate"
COLLECTOR = "spec.metricsCollectorSpec"


def fake(**spec: Any) -> dict[str, Any]:
    """The Experiment of Katib's table: an int and a categorical parameter, both used."""
    trial = container("--lr=${trialParameters.learningRate}", "--num-layers=${trialParameters.numberLayers}")
    body = {
        "parameters": [
            parameter("lr", "int", min="1", max="5"),
            parameter("num-layers", "categorical", list=["1", "2", "3"]),
        ],
        "maxTrialCount": 6,
        "trialTemplate": {"trialParameters": uses(learningRate="lr", numberLayers="num-layers")},
    }
    return experiment(trial_spec=job(trial), **{**body, **spec})


def with_parameter(index: int, **space: Any) -> dict[str, Any]:
    """The Experiment with another feasible space for a parameter."""
    made = fake()
    made["spec"]["parameters"][index]["feasibleSpace"] |= space
    return made


def with_template(**fields: Any) -> dict[str, Any]:
    """The Experiment with other fields in its trialTemplate; None removes one."""
    made = fake()
    template = {**made["spec"]["trialTemplate"], **fields}
    made["spec"]["trialTemplate"] = {key: value for key, value in template.items() if value is not None}
    return made


def with_trial_parameter(index: int, **fields: Any) -> dict[str, Any]:
    """The Experiment with another entry in trialParameters."""
    made = fake()
    made["spec"]["trialTemplate"]["trialParameters"][index] |= fields
    return made


def with_trial(*extra: str, **fields: Any) -> dict[str, Any]:
    """The Experiment with further arguments in its command, and other fields in its trialSpec."""
    made = fake()
    trial_spec = made["spec"]["trialTemplate"]["trialSpec"]
    trial_spec["spec"]["template"]["spec"]["containers"][0]["command"] += extra
    made["spec"]["trialTemplate"]["trialSpec"] = {**trial_spec, **fields}
    return made


def collected(kind: str, **source: Any) -> dict[str, Any]:
    """The Experiment with another metrics collector."""
    made = fake()
    made["spec"]["metricsCollectorSpec"] = {"collector": {"kind": kind}, **({"source": source} if source else {})}
    return made


def named(name: str) -> dict[str, Any]:
    made = fake()
    made["metadata"]["name"] = name
    return made


GOOD = {
    "correct experiment": fake(),
    "file collector": collected("File", fileSystemPath={"path": "/absolute/path", "kind": "File"}),
    "other resources": experiment(
        trial_spec=job(
            container(
                "${trialParameters.learningRate}",
                resources={"limits": {"nvidia.com/gpu": 1}, "requests": {"nvidia.com/gpu": 1}},
            )
        )
    ),
}

BAD = {
    "name": (named("1234-test"), "metadata.name"),
    "objective is nil": (fake(objective=None), "spec.objective"),
    "objective type is unknown": (fake(objective={"type": ""}), "spec.objective.type"),
    "objective metric name is empty": (
        fake(objective={"objectiveMetricName": ""}),
        "spec.objective.objectiveMetricName",
    ),
    "objective among the additional metrics": (
        fake(objective={"additionalMetricNames": ["accuracy"]}),
        "spec.objective.additionalMetricNames",
    ),
    "algorithm is nil": (fake(algorithm=None), "spec.algorithm.algorithmName"),
    "algorithm name is empty": (fake(algorithm={"algorithmName": ""}), "spec.algorithm.algorithmName"),
    "algorithm is not configured": (fake(algorithm={"algorithmName": "test"}), "spec.algorithm.algorithmName"),
    "early stopping without a name": (
        fake(earlyStopping={"algorithmSettings": []}),
        "spec.earlyStopping.algorithmName",
    ),
    "early stopping is not configured": (
        fake(earlyStopping={"algorithmName": "x"}),
        "spec.earlyStopping.algorithmName",
    ),
    "max failed trial count is negative": (fake(maxFailedTrialCount=-1), "spec.maxFailedTrialCount"),
    "max trial count is negative": (fake(maxTrialCount=-1), "spec.maxTrialCount"),
    "parallel trial count is negative": (fake(parallelTrialCount=-1), "spec.parallelTrialCount"),
    "more failures than trials": (fake(maxFailedTrialCount=7), "spec.maxFailedTrialCount"),
    "more at a time than trials": (fake(parallelTrialCount=7), "spec.parallelTrialCount"),
    "invalid resume policy": (fake(resumePolicy="invalid-policy"), "spec.resumePolicy"),
    "neither parameters nor NAS": (fake(parameters=[]), "spec.parameters"),
    "parameters and NAS": (fake(nasConfig={"operations": [{"operationType": "op1"}]}), "spec.nasConfig"),
    "trial template is nil": (fake(trialTemplate=None), TEMPLATE),
    "max for a categorical": (with_parameter(1, max="5"), "spec.parameters[1].feasibleSpace"),
    "step for a categorical": (with_parameter(1, step="5"), "spec.parameters[1].feasibleSpace"),
    "invalid parameter type": (
        fake(parameters=[parameter("lr", "invalid-type", min="1", max="5")]),
        "spec.parameters[0].parameterType",
    ),
    "feasible space is nil": (fake(parameters=[parameter("lr", "int")]), "spec.parameters[0].feasibleSpace"),
    "list for an int": (with_parameter(0, list=["invalid-list"]), "spec.parameters[0].feasibleSpace.list"),
    "neither max nor min for an int": (
        with_parameter(0, max="", min="", step="1"),
        "spec.parameters[0].feasibleSpace.max",
    ),
    "distribution": (with_parameter(0, distribution="cauchy"), "spec.parameters[0].feasibleSpace.distribution"),
    "bound is no number": (with_parameter(0, max="five"), "spec.parameters[0].feasibleSpace.max"),
    "trial parameters is nil": (with_template(trialParameters=None), f"{TEMPLATE}.trialParameters"),
    "trial spec nil": (with_template(trialSpec=None), f"{TEMPLATE}.trialSpec"),
    "trial spec and config map": (with_template(configMap={"configMapName": "x"}), TEMPLATE),
    "config map without a path": (
        with_template(trialSpec=None, configMap={"configMapName": "x", "configMapNamespace": "y"}),
        f"{TEMPLATE}.configMap",
    ),
    "config map with a wrong path": (
        with_template(
            trialSpec=None,
            configMap={"configMapName": "there", "configMapNamespace": "kubeflow", "templatePath": "wrong-path"},
        ),
        f"{TEMPLATE}.configMap.templatePath",
    ),
    "config map with what is no template": (
        with_template(
            trialSpec=None,
            configMap={"configMapName": "there", "configMapNamespace": "kubeflow", "templatePath": "broken"},
        ),
        f"{TEMPLATE}.configMap.templatePath",
    ),
    "empty reference": (with_trial_parameter(0, reference=""), f"{TEMPLATE}.trialParameters[0]"),
    "empty name": (with_trial_parameter(0, name=""), f"{TEMPLATE}.trialParameters[0]"),
    "wrong name": (with_trial_parameter(0, name="{invalid-name}"), f"{TEMPLATE}.trialParameters[0]"),
    "duplicate name": (with_trial_parameter(1, name="learningRate"), f"{TEMPLATE}.trialParameters[1].name"),
    "duplicate reference": (with_trial_parameter(1, reference="lr"), f"{TEMPLATE}.trialParameters[1].reference"),
    "reference to no parameter": (
        with_trial_parameter(1, reference="wrong-ref"),
        f"{TEMPLATE}.trialParameters[1].reference",
    ),
    "parameter that the template does not use": (
        with_template(
            trialParameters=[*uses(learningRate="lr", numberLayers="num-layers"), *uses(more="${trialSpec.Name}")]
        ),
        f"{TEMPLATE}.trialParameters[2].name",
    ),
    "template uses an unknown parameter": (
        with_trial("--extra-parameter=${trialParameters.extraParameter}"),
        f"{TEMPLATE}.trialSpec.spec.template.spec.containers[0].command[4]",
    ),
    "metadata with a name": (
        with_trial(metadata={"name": "trial-name", "namespace": "trial-namespace"}),
        f"{TEMPLATE}.trialSpec.metadata",
    ),
    "no api version": (with_trial(apiVersion=None), f"{TEMPLATE}.trialSpec"),
    "no kind": (with_trial(kind=None), f"{TEMPLATE}.trialSpec"),
    "no primary container": (with_template(primaryContainerName=None), f"{TEMPLATE}.primaryContainerName"),
    "primary container that is not there": (
        with_template(primaryContainerName="x"),
        f"{TEMPLATE}.primaryContainerName",
    ),
    "condition of its own": (with_template(successCondition="status.done==true"), f"{TEMPLATE}.successCondition"),
    "containers are no list": (
        with_trial(spec={"template": {"spec": {"containers": {"name": "container-must-be-list"}}}}),
        f"{TEMPLATE}.trialSpec.spec.template.spec.containers",
    ),
    "template with an unknown field": (
        with_trial(
            spec={
                "template": {
                    "invalidSpec": "not-job-format",
                    **fake()["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"],
                }
            }
        ),
        f"{TEMPLATE}.trialSpec",
    ),
    "job with an unknown field": (
        with_trial(spec={**fake()["spec"]["trialTemplate"]["trialSpec"]["spec"], "colour": "red"}),
        f"{TEMPLATE}.trialSpec.spec.colour",
    ),
    "invalid collector": (collected("invalid-kind"), f"{COLLECTOR}.collector.kind"),
    "file with a relative path": (
        collected("File", fileSystemPath={"path": "not/absolute/path"}),
        f"{COLLECTOR}.source.fileSystemPath.path",
    ),
    "file of another kind": (
        collected("File", fileSystemPath={"path": "/a/b", "kind": "Directory"}),
        f"{COLLECTOR}.source.fileSystemPath.kind",
    ),
    "file of another format": (
        collected("File", fileSystemPath={"path": "/a/b", "kind": "File", "format": "CSV"}),
        f"{COLLECTOR}.source.fileSystemPath.format",
    ),
    "filter for JSON": (
        collected(
            "File",
            fileSystemPath={"path": "/a/b", "kind": "File", "format": "JSON"},
            filter={"metricsFormat": ["(a)=(b)"]},
        ),
        f"{COLLECTOR}.source.filter",
    ),
    "events with a relative path": (
        collected("TensorFlowEvent", fileSystemPath={"path": "not/absolute/path"}),
        f"{COLLECTOR}.source.fileSystemPath.path",
    ),
    "events of another kind": (
        collected("TensorFlowEvent", fileSystemPath={"path": "/a/b", "kind": "File"}),
        f"{COLLECTOR}.source.fileSystemPath.kind",
    ),
    "events with a format": (
        collected("TensorFlowEvent", fileSystemPath={"path": "/a/b", "kind": "Directory", "format": "TEXT"}),
        f"{COLLECTOR}.source.fileSystemPath.format",
    ),
    "invalid port": (collected("PrometheusMetric", httpGet={"port": "Port"}), f"{COLLECTOR}.source.httpGet.port"),
    "invalid path of Prometheus": (
        collected("PrometheusMetric", httpGet={"port": 8888, "path": "not/valid/path"}),
        f"{COLLECTOR}.source.httpGet.path",
    ),
    "custom collector that is empty": (collected("Custom"), f"{COLLECTOR}.collector.kind"),
    "custom collector with a relative path": (
        collected("Custom", fileSystemPath={"path": "not/absolute/path"}),
        f"{COLLECTOR}.collector.kind",
    ),
    "filter that is no expression": (
        collected("File", filter={"metricsFormat": ["["]}, fileSystemPath={"path": "/absolute/path", "kind": "File"}),
        f"{COLLECTOR}.source.filter.metricsFormat",
    ),
    "filter with one group": (
        collected(
            "File",
            filter={"metricsFormat": [r"{metricName: ([\w|-]+)}"]},
            fileSystemPath={"path": "/absolute/path", "kind": "File"},
        ),
        f"{COLLECTOR}.source.filter.metricsFormat",
    ),
    "a count that is text": (fake(maxTrialCount="many"), "spec.maxTrialCount"),
    "parameters that are no list": (fake(parameters={"lr": 1}), "spec.parameters"),
}

MAPS = {("kubeflow", "there"): {"right-path": "kind: Job", "broken": "command: [a"}}


@pytest.mark.parametrize("document", GOOD.values(), ids=GOOD)
def test_what_katib_admits_is_converted(document: dict[str, Any]) -> None:
    assert convert.convert(document).job["kind"] == "TuningJob"


@pytest.mark.parametrize(("document", "field"), BAD.values(), ids=BAD)
def test_what_katib_refuses_is_refused_with_its_field(document: dict[str, Any], field: str) -> None:
    with pytest.raises(SpecError) as caught:
        convert.convert(document, MAPS)
    assert field in [problem.field for problem in caught.value.problems], str(caught.value)


@pytest.mark.parametrize(
    "document", [None, [], "x", {"kind": "Experiment"}, {"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment"}]
)
def test_what_is_no_experiment_is_refused(document: Any) -> None:
    with pytest.raises(SpecError):
        convert.convert(document)
