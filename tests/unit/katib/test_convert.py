"""An Experiment and the job that it becomes mean the same."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.katib import experiments
from tests.unit.katib.experiments import container, experiment, job, replica, replicas, uses
from tuning_operator.api.errors import SpecError
from tuning_operator.katib import convert


def spec_of(document: Any, **maps: Any) -> dict[str, Any]:
    """The spec of the job that an Experiment becomes."""
    found: dict[str, Any] = convert.convert(document, **maps).job["spec"]
    return found


def warnings_of(document: Any) -> dict[str, str]:
    """The warnings, by field."""
    return {problem.field: problem.message for problem in convert.convert(document).warnings}


def errors_of(document: Any, **maps: Any) -> dict[str, str]:
    """The errors, by field, of an Experiment that cannot be converted."""
    with pytest.raises(SpecError) as caught:
        convert.convert(document, **maps)
    return {problem.field: f"{problem.message}; {problem.mend}" for problem in caught.value.problems}


def test_whole_experiment() -> None:
    conversion = convert.convert(experiment())
    assert conversion.job == {
        "apiVersion": "tuning-operator.dev/v1alpha1",
        "kind": "TuningJob",
        "metadata": {"name": "fake", "namespace": "kubeflow"},
        "spec": {
            "objectives": [{"metric": "accuracy", "goal": "maximize", "from": "best", "target": 0.99}],
            "parameters": [{"name": "lr", "type": "float", "min": 0.01, "max": 0.03}],
            "search": {"algorithm": "random"},
            "limits": {"maxTrials": 12, "parallelTrials": 3, "maxFailedTrials": 3},
            "metrics": {"source": "file", "path": "metrics.log", "format": "json"},
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [
                        {
                            "name": "training-container",
                            "image": "docker.io/example/train:1",
                            "command": ["python3", "/opt/train.py", "--lr=$(HP_lr)", "--log=$(TUNING_METRICS_FILE)"],
                        }
                    ],
                }
            },
        },
    }
    assert not conversion.warnings


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(
            experiments.parameter("lr", "double", min="0.01", max="0.05", step="0.01"),
            {"name": "lr", "type": "float", "min": 0.01, "max": 0.05, "step": 0.01},
            id="double with step",
        ),
        pytest.param(
            experiments.parameter("lr", "double", min="1e-5", max="1", distribution="logUniform"),
            {"name": "lr", "type": "float", "min": 1e-5, "max": 1, "scale": "log"},
            id="log scale",
        ),
        pytest.param(
            experiments.parameter("lr", "double", min="1", max="5", distribution="uniform"),
            {"name": "lr", "type": "float", "min": 1, "max": 5},
            id="uniform",
        ),
        pytest.param(
            experiments.parameter("lr", "int", min="32", max="64", distribution="logUniform"),
            {"name": "lr", "type": "int", "min": 32, "max": 64, "scale": "log"},
            id="int on a log scale",
        ),
        pytest.param(
            experiments.parameter("lr", "int", min=2, max=8, step=2),
            {"name": "lr", "type": "int", "min": 2, "max": 8, "step": 2},
            id="bounds as numbers",
        ),
        pytest.param(
            experiments.parameter("lr", "discrete", list=["16", "32", "64"]),
            {"name": "lr", "type": "categorical", "values": [16, 32, 64]},
            id="discrete, whole",
        ),
        pytest.param(
            experiments.parameter("lr", "discrete", list=["0.10", "0.5"]),
            {"name": "lr", "type": "categorical", "values": ["0.10", "0.5"]},
            id="discrete keeps its text",
        ),
        pytest.param(
            experiments.parameter("lr", "categorical", list=["sgd", "1", "true"]),
            {"name": "lr", "type": "categorical", "values": ["sgd", "1", "true"]},
            id="categorical",
        ),
    ],
)
def test_parameter(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert spec_of(experiment(parameters=[given]))["parameters"] == [expected]


def test_parameter_gets_a_name_that_a_variable_can_have() -> None:
    document = experiment(
        trial_spec=job(container("--layers=${trialParameters.layers}", "--log=/katib/metrics.log")),
        parameters=[experiments.parameter("num-layers", "int", min="2", max="5")],
        trialTemplate={"trialParameters": uses(layers="num-layers")},
    )
    assert spec_of(document)["parameters"][0]["name"] == "num_layers"
    assert spec_of(document)["template"]["spec"]["containers"][0]["command"][2] == "--layers=$(HP_num_layers)"
    assert "HP_num_layers" in warnings_of(document)["spec.parameters[0].name"]


def test_names_that_become_one_are_refused() -> None:
    twins = [experiments.double("a-b"), experiments.double("a_b")]
    assert "as 'a-b' does" in errors_of(experiment(parameters=twins))["spec.parameters[1].name"]


@pytest.mark.parametrize(
    ("given", "prior"),
    [
        pytest.param(
            experiments.double(low="1", high="7", distribution="normal"), {"mean": 4, "sigma": 1}, id="normal"
        ),
        pytest.param(
            experiments.double(low="1e-6", high="1", distribution="logNormal"),
            {"mean": 0.001, "sigma": 1},
            id="logNormal",
        ),
    ],
)
def test_a_bell_shaped_distribution_is_a_prior_and_told(given: dict[str, Any], prior: dict[str, float]) -> None:
    document = experiment(parameters=[given])
    assert spec_of(document)["parameters"][0]["prior"] == pytest.approx(prior)
    assert "spec.parameters[0].feasibleSpace.distribution" in warnings_of(document)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        pytest.param({"goal": None}, {"goal": "maximize", "from": "best"}, id="no goal"),
        pytest.param(
            {"type": "minimize", "goal": 0}, {"goal": "minimize", "from": "best", "target": 0}, id="goal of 0"
        ),
        *(
            pytest.param(
                {"type": goal, "goal": None, "metricStrategies": [{"name": "accuracy", "value": strategy}]},
                {"goal": goal, "from": source},
                id=f"{goal} {strategy}",
            )
            for goal, strategy, source in (
                ("maximize", "max", "best"),
                ("maximize", "min", "worst"),
                ("maximize", "latest", "last"),
                ("minimize", "min", "best"),
                ("minimize", "max", "worst"),
                ("minimize", "latest", "last"),
            )
        ),
    ],
)
def test_objective(objective: dict[str, Any], expected: dict[str, Any]) -> None:
    assert spec_of(experiment(objective=objective))["objectives"] == [{"metric": "accuracy", **expected}]


def test_additional_metrics_need_nothing() -> None:
    more = {
        "additionalMetricNames": ["loss"],
        "metricStrategies": [{"name": "accuracy", "value": "max"}, {"name": "loss", "value": "latest"}],
    }
    document = experiment(objective=more)
    assert len(spec_of(document)["objectives"]) == 1
    assert set(warnings_of(document)) == {"spec.objective.additionalMetricNames", "spec.objective.metricStrategies[1]"}


@pytest.mark.parametrize(
    ("change", "limits"),
    [
        pytest.param(
            {"parallelTrialCount": None}, {"maxTrials": 12, "parallelTrials": 3, "maxFailedTrials": 3}, id="3 at a time"
        ),
        pytest.param(
            {"parallelTrialCount": None, "maxTrialCount": 2, "maxFailedTrialCount": None},
            {"maxTrials": 2, "parallelTrials": 2, "maxFailedTrials": 100_000},
            id="fewer than 3 trials",
        ),
        pytest.param(
            {"maxTrialCount": None}, {"maxTrials": 100_000, "parallelTrials": 3, "maxFailedTrials": 3}, id="no end"
        ),
        pytest.param(
            {
                "maxTrialCount": None,
                "algorithm": {"algorithmName": "grid"},
                "parameters": [experiments.double(step="0.01")],
            },
            {"parallelTrials": 3, "maxFailedTrials": 3},
            id="a grid ends by itself",
        ),
    ],
)
def test_limits(change: dict[str, Any], limits: dict[str, Any]) -> None:
    assert spec_of(experiment(**change))["limits"] == limits


def algorithm(name: str, **settings: str) -> dict[str, Any]:
    """The `algorithm` of an Experiment."""
    return {
        "algorithmName": name,
        "algorithmSettings": [{"name": key, "value": text} for key, text in settings.items()],
    }


def test_settings_get_our_types_and_the_seed_its_place() -> None:
    given = algorithm("bayesianoptimization", random_state="10", n_initial_points="8", base_estimator="RF")
    search = spec_of(experiment(algorithm=given))["search"]
    assert search == {
        "algorithm": "bayesian",
        "seed": 10,
        "settings": {"n_initial_points": 8, "base_estimator": "RF"},
    }


def test_setting_without_an_equivalent_is_told() -> None:
    given = algorithm("bayesianoptimization", acq_func="gp_hedge", acq_optimizer="lbfgs")
    conversion = convert.convert(experiment(algorithm=given))
    assert conversion.job["spec"]["search"] == {"algorithm": "bayesian"}
    told = [problem.message for problem in conversion.warnings if problem.field == "spec.algorithm.algorithmSettings"]
    assert [message.partition(" is left out")[0] for message in told] == ["acq_func=gp_hedge", "acq_optimizer=lbfgs"]


@pytest.mark.parametrize(
    ("name", "settings", "search"),
    [
        pytest.param(
            "tpe",
            {"n_EI_candidates": "25", "random_state": "1", "gamma": "0.25", "prior_weight": "1.0"},
            {"algorithm": "tpe", "seed": 1, "settings": {"n_ei_candidates": 25, "gamma": 0.25, "prior_weight": 1.0}},
            id="tpe",
        ),
        pytest.param(
            "multivariate-tpe",
            {"startup_trials": "5", "ei_candidates": "30"},
            {"algorithm": "multivariate-tpe", "settings": {"n_startup_trials": 5, "n_ei_candidates": 30}},
            id="multivariate-tpe",
        ),
        pytest.param("cmaes", {"sigma": "0.3"}, {"algorithm": "cmaes", "settings": {"sigma": 0.3}}, id="cmaes"),
        pytest.param("sobol", {}, {"algorithm": "sobol"}, id="sobol"),
        pytest.param("random", {"random_state": "7"}, {"algorithm": "random", "seed": 7}, id="random"),
    ],
)
def test_every_algorithm_has_its_equivalent(name: str, settings: dict[str, str], search: dict[str, Any]) -> None:
    assert (
        spec_of(
            experiment(
                algorithm=algorithm(name, **settings), parameters=[experiments.double(), experiments.double("b")]
            )
        )["search"]
        == search
    )


def stops(name: str, **settings: str) -> dict[str, Any]:
    """The `earlyStopping` of an Experiment."""
    return algorithm(name, **settings)


def test_median_stopping_keeps_its_settings() -> None:
    given = stops("medianstop", min_trials_required="1", start_step="2")
    rule = spec_of(experiment(earlyStopping=given))["earlyStopping"]
    assert rule == {"algorithm": "median", "settings": {"min_trials_required": 1, "start_step": 2.0}}


def test_hyperband_is_a_rule_and_its_resource_is_spent_in_full() -> None:
    document = experiment(
        trial_spec=job(container("${trialParameters.learningRate}", "${trialParameters.epochs}", "/katib/metrics.log")),
        parameters=[experiments.double(), experiments.parameter("num-epochs", "int", min="1", max="1")],
        algorithm=algorithm("hyperband", resource_name="num-epochs", eta="2", r_l="8"),
        trialTemplate={"trialParameters": uses(learningRate="lr", epochs="num-epochs")},
    )
    spec = spec_of(document)
    assert spec["search"] == {"algorithm": "random"}
    assert spec["earlyStopping"] == {"algorithm": "hyperband", "maxSteps": 8, "settings": {"reduction_factor": 2}}
    assert spec["parameters"][1] == {"name": "num_epochs", "type": "int", "min": 8, "max": 8}
    assert "spec.algorithm.algorithmSettings" in warnings_of(document)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"r_l": "9"}, "resource_name names no parameter", id="no resource"),
        pytest.param({"resource_name": "lr"}, "r_l: '' is no positive number", id="no amount"),
        pytest.param({"resource_name": "lr", "r_l": "9", "eta": "x"}, "eta: 'x' is no positive number", id="eta"),
    ],
)
def test_hyperband_that_katib_refuses_is_refused(settings: dict[str, str], message: str) -> None:
    errors = errors_of(experiment(algorithm=algorithm("hyperband", **settings)))
    assert message in errors["spec.algorithm.algorithmSettings"]


@pytest.mark.parametrize("name", ["enas", "darts"])
def test_architecture_search_is_refused_by_name(name: str) -> None:
    assert "architectures" in errors_of(experiment(algorithm=algorithm(name)))["spec.algorithm.algorithmName"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("--lr=${trialParameters.learningRate}", "--lr=$(HP_lr)", id="alone"),
        pytest.param(
            "a${trialParameters.learningRate}b${trialParameters.learningRate}", "a$(HP_lr)b$(HP_lr)", id="twice"
        ),
        pytest.param("$${trialParameters.learningRate}", "$$$(HP_lr)", id="behind a dollar"),
        pytest.param("$$${trialParameters.learningRate}", "$$$(HP_lr)", id="behind an escaped dollar"),
        pytest.param("${HOME} $(X) ${trialParameters.learningRate}", "${HOME} $(X) $(HP_lr)", id="others stay"),
    ],
)
def test_placeholder(text: str, expected: str) -> None:
    document = experiment(trial_spec=job(container(text, "--log=/katib/metrics.log")))
    assert spec_of(document)["template"]["spec"]["containers"][0]["command"][2] == expected


def test_placeholders_in_args_and_env() -> None:
    trial = container(
        args=["${trialParameters.learningRate}"], env=[{"name": "LR", "value": "${trialParameters.learningRate}"}]
    )
    made = spec_of(experiment(trial_spec=job(trial)))["template"]["spec"]["containers"][0]
    assert (made["args"], made["env"]) == (["$(HP_lr)"], [{"name": "LR", "value": "$(HP_lr)"}])


@pytest.mark.parametrize(
    ("trial", "field"),
    [
        pytest.param(container(image="train:${trialParameters.learningRate}"), ".image", id="image"),
        pytest.param(
            container(resources={"limits": {"cpu": "${trialParameters.learningRate}"}}),
            ".resources.limits.cpu",
            id="cpu",
        ),
        pytest.param(
            container(env=[{"name": "${trialParameters.learningRate}", "value": "x"}]),
            ".env[0].name",
            id="name of a variable",
        ),
    ],
)
def test_parameter_where_nothing_can_change_is_refused(trial: dict[str, Any], field: str) -> None:
    path = f"spec.trialTemplate.trialSpec.spec.template.spec.containers[0]{field}"
    assert "cannot stand here" in errors_of(experiment(trial_spec=job(trial)))[path]


def test_metadata_of_the_trial() -> None:
    names = {
        "name": "${trialSpec.Name}",
        "namespace": "${trialSpec.Namespace}",
        "kind": "${trialSpec.Kind}",
        "version": "${trialSpec.APIVersion}",
        "label": "${trialSpec.Labels[custom-key]}",
        "note": "${trialSpec.Annotations[custom-key]}",
    }
    environment = [{"name": name.upper(), "value": f"${{trialParameters.{name}}}"} for name in names]
    trial_spec = job(container("--lr=${trialParameters.learningRate}", env=environment))
    trial_spec["metadata"] = {"labels": {"custom-key": "a label"}, "annotations": {"custom-key": "a note"}}
    template = {"trialParameters": uses(learningRate="lr", **names)}
    made = spec_of(experiment(trial_spec=trial_spec, trialTemplate=template))
    assert {item["name"]: item["value"] for item in made["template"]["spec"]["containers"][0]["env"]} == {
        "NAME": "$(TUNING_TRIAL)",
        "NAMESPACE": "kubeflow",
        "KIND": "Job",
        "VERSION": "batch/v1",
        "LABEL": "a label",
        "NOTE": "a note",
    }


def test_namespace_that_is_not_known_is_asked_of_the_pod() -> None:
    document = experiment(
        trial_spec=job(container("${trialParameters.learningRate}", "${trialParameters.where}")),
        trialTemplate={"trialParameters": uses(learningRate="lr", where="${trialSpec.Namespace}")},
    )
    del document["metadata"]["namespace"]
    trial = spec_of(document)["template"]["spec"]["containers"][0]
    assert trial["command"][3] == "$(TRIAL_NAMESPACE)"
    assert trial["env"][0]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.namespace"}}


def test_metadata_that_is_not_there_is_refused() -> None:
    template = {"trialParameters": uses(learningRate="lr", label="${trialSpec.Labels[nope]}")}
    errors = errors_of(experiment(trialTemplate=template))
    assert "is not there" in errors["spec.trialTemplate.trialParameters[1].reference"]


def test_the_container_that_trains_comes_first() -> None:
    beside = {"name": "proxy", "image": "proxy"}
    made = spec_of(experiment(trial_spec=job(beside, container("${trialParameters.learningRate}"))))
    assert [item["name"] for item in made["template"]["spec"]["containers"]] == ["training-container", "proxy"]


def test_what_a_job_has_and_a_pod_has_not() -> None:
    document = experiment(
        trial_spec=job(
            container("${trialParameters.learningRate}"),
            backoffLimit=4,
            activeDeadlineSeconds=90,
            completions=1,
            ttlSecondsAfterFinished=5,
        )
    )
    path = "spec.trialTemplate.trialSpec.spec"
    assert spec_of(document)["trial"] == {"maxDuration": "90s"}
    told = {f"{path}.{name}" for name in ("activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")}
    assert told < set(warnings_of(document))


def test_container_that_restarts_does_not_any_more() -> None:
    trial_spec = job(container("${trialParameters.learningRate}"))
    trial_spec["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    document = experiment(trial_spec=trial_spec)
    assert "restartPolicy" not in spec_of(document)["template"]["spec"]
    assert "spec.trialTemplate.trialSpec.spec.template.spec.restartPolicy" in warnings_of(document)


ROLES = {
    "one master": ({"Master": 1}, 1),
    "master and workers": ({"Master": 1, "Worker": 3}, 4),
}


@pytest.mark.parametrize(("roles", "workers"), ROLES.values(), ids=ROLES)
@pytest.mark.parametrize(
    ("kind", "field"),
    [("PyTorchJob", "pytorchReplicaSpecs"), ("TFJob", "tfReplicaSpecs"), ("XGBoostJob", "xgbReplicaSpecs")],
)
def test_replicas_that_are_alike_are_workers(
    kind: str, field: str, roles: dict[str, int], workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "_admit", lambda job, found: None)
    trial = container("${trialParameters.learningRate}")
    made = {role: replica(count, trial) for role, count in roles.items()}
    spec = spec_of(experiment(trial_spec=replicas(kind, field, **made)))
    assert spec.get("trial", {}).get("workers", 1) == workers
    assert spec["template"]["spec"]["containers"][0]["command"][2] == "$(HP_lr)"


@pytest.mark.parametrize(
    ("roles", "field", "message"),
    [
        pytest.param(
            {
                "Master": replica(1, container("${trialParameters.learningRate}")),
                "Worker": replica(1, container("other")),
            },
            "Worker.template",
            "all workers of a trial are alike",
            id="workers do something else",
        ),
        pytest.param({"PS": replica(1, container())}, "PS", "does something else than train", id="parameter server"),
        pytest.param(
            {"Worker": replica(0, container("${trialParameters.learningRate}"))},
            "Worker.replicas",
            "no number",
            id="none",
        ),
    ],
)
def test_replicas_that_are_not_alike_are_refused(roles: dict[str, Any], field: str, message: str) -> None:
    errors = errors_of(experiment(trial_spec=replicas("TFJob", "tfReplicaSpecs", **roles)))
    assert message in errors[f"spec.trialTemplate.trialSpec.spec.tfReplicaSpecs.{field}"]


@pytest.mark.parametrize("kind", ["MPIJob", "TrainJob", "PipelineRun"])
def test_other_kinds_are_refused_by_name(kind: str) -> None:
    trial_spec = {"apiVersion": "kubeflow.org/v1", "kind": kind, "spec": {}}
    assert kind in errors_of(experiment(trial_spec=trial_spec))["spec.trialTemplate.trialSpec.kind"]


def test_template_in_a_config_map() -> None:
    document = experiment()
    trial_spec = document["spec"]["trialTemplate"].pop("trialSpec")
    place = {"configMapName": "templates", "configMapNamespace": "kubeflow", "templatePath": "a.yaml"}
    document["spec"]["trialTemplate"]["configMap"] = place
    assert "kubectl get configmap" in errors_of(document)["spec.trialTemplate.configMap"]
    text = str(trial_spec)  # a mapping of Python's is YAML, too
    assert spec_of(document, config_maps={("kubeflow", "templates"): {"a.yaml": text}}) == spec_of(experiment())
    nothing = errors_of(document, config_maps={("kubeflow", "templates"): {}})
    assert "has no a.yaml" in nothing["spec.trialTemplate.configMap.templatePath"]


def test_file_that_the_command_does_not_name_is_mounted() -> None:
    document = experiment(trial_spec=job(container("${trialParameters.learningRate}")))
    spec = spec_of(document)
    assert spec["template"]["spec"]["containers"][0]["volumeMounts"] == [
        {"name": "tuning-metrics", "mountPath": "/katib"}
    ]
    assert spec["metrics"]["path"] == "metrics.log"


def test_text_metrics_with_a_filter() -> None:
    pattern = r"{metricName: ([\w|-]+), metricValue: ((-?\d+)(\.\d+)?)}"
    collector = experiments.file(form="TEXT", filter={"metricsFormat": [pattern]})
    metrics = spec_of(experiment(metricsCollectorSpec=collector))["metrics"]
    assert metrics == {"source": "file", "path": "metrics.log", "format": "text", "pattern": pattern}


@pytest.mark.parametrize(
    ("collector", "metrics"),
    [
        pytest.param(None, {"source": "stdout", "format": "text"}, id="none is StdOut"),
        pytest.param({"collector": {"kind": "StdOut"}}, {"source": "stdout", "format": "text"}, id="StdOut"),
        pytest.param(
            {"collector": {"kind": "StdOut"}, "source": {"filter": {"metricsFormat": ["([a-z]+)=([0-9.]+)"]}}},
            {"source": "stdout", "format": "text", "pattern": "([a-z]+)=([0-9.]+)"},
            id="StdOut with a filter",
        ),
        pytest.param(
            {"collector": {"kind": "PrometheusMetric"}, "source": {"httpGet": {"port": 9090, "path": "/m"}}},
            {"source": "prometheus", "endpoint": {"port": 9090, "path": "/m"}},
            id="Prometheus",
        ),
        pytest.param(
            {"collector": {"kind": "PrometheusMetric"}},
            {"source": "prometheus", "endpoint": {"port": 8080, "path": "/metrics"}},
            id="Prometheus at Katib's own port",
        ),
    ],
)
def test_collector(collector: dict[str, Any] | None, metrics: dict[str, Any]) -> None:
    document = experiment()
    document["spec"]["metricsCollectorSpec"] = collector
    assert spec_of(document)["metrics"] == metrics


def test_folder_of_event_files_is_told_by_its_variable() -> None:
    source = {"fileSystemPath": {"path": "/train", "kind": "Directory"}}
    document = experiment(trial_spec=job(container("--log_dir=/train/metrics", "${trialParameters.learningRate}")))
    document["spec"]["metricsCollectorSpec"] = {"collector": {"kind": "TensorFlowEvent"}, "source": source}
    spec = spec_of(document)
    assert spec["metrics"] == {"source": "tensorboard"}
    assert spec["template"]["spec"]["containers"][0]["command"][2] == "--log_dir=$(TUNING_TENSORBOARD_DIR)/metrics"
    source["fileSystemPath"]["path"] = "/elsewhere"
    assert (
        "no volume can be mounted at /" in errors_of(document)["spec.metricsCollectorSpec.source.fileSystemPath.path"]
    )


def test_folder_of_event_files_that_the_command_does_not_name_is_mounted() -> None:
    """Katib's example for TensorFlow: the command names the folder above."""
    trial = container("--log-path=/logs", "${trialParameters.learningRate}")
    document = experiment(trial_spec=replicas("TFJob", "tfReplicaSpecs", Worker=replica(1, trial)))
    source = {"fileSystemPath": {"path": "/logs/test", "kind": "Directory"}}
    document["spec"]["metricsCollectorSpec"] = {"collector": {"kind": "TensorFlowEvent"}, "source": source}
    spec = spec_of(document)
    assert spec["metrics"] == {"source": "tensorboard", "path": "test"}
    mounts = spec["template"]["spec"]["containers"][0]["volumeMounts"]
    assert mounts == [{"name": "tuning-metrics", "mountPath": "/logs"}]


@pytest.mark.parametrize("kind", ["Custom", "Push", "None"])
def test_collectors_without_an_equivalent_are_refused_by_name(kind: str) -> None:
    collector = {"collector": {"kind": kind, "customCollector": {"name": "c"}}, "source": None}
    assert "spec.metricsCollectorSpec.collector.kind" in errors_of(experiment(metricsCollectorSpec=collector))


@pytest.mark.parametrize("policy", ["Never", "LongRunning", "FromVolume"])
def test_resume_policy_is_told(policy: str) -> None:
    assert "spec.resumePolicy" in warnings_of(experiment(resumePolicy=policy))


def test_unknown_fields_are_told() -> None:
    document = experiment(trialTemplate={"retian": True}, objective={"gaol": 1}, colour="red")
    assert {"spec.trialTemplate.retian", "spec.objective.gaol", "spec.colour"} == set(warnings_of(document))


def test_what_a_cluster_has_added_is_passed_over() -> None:
    document = experiment()
    document["metadata"] |= {
        "uid": "1",
        "creationTimestamp": None,
        "labels": {"team": "a"},
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
    }
    document["status"] = {"trials": 3}
    conversion = convert.convert(document)
    assert conversion.job["metadata"] == {"name": "fake", "namespace": "kubeflow", "labels": {"team": "a"}}
    assert not conversion.warnings


def test_what_the_operator_refuses_is_named_by_its_field_in_the_experiment() -> None:
    trial = container("${trialParameters.learningRate}", env=[{"name": "HP_X", "value": "1"}])
    errors = errors_of(experiment(trial_spec=job(trial)))
    assert "set by the operator" in errors["spec.trialTemplate.trialSpec"]
