"""The Experiment of Katib (kubeflow.org/v1beta1), as far as a person writes it, with the defaults that Katib fills in.

Fields and defaults as in Katib's pkg/apis/controller/{experiments,common}/v1beta1. Values that Katib keeps as text, such
as the bounds of a parameter, may also be written as numbers here. Fields that Katib does not know are kept apart, to be
told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import pydantic
from pydantic.alias_generators import to_camel

from tuning_operator.api.errors import join

API_VERSION = "kubeflow.org/v1beta1"
PARALLEL_TRIALS = 3
FILE = "/var/log/katib/metrics.log"
EVENTS = "/var/log/katib/tfevent/"
PROMETHEUS_PATH, PROMETHEUS_PORT = "/metrics", 8080


class Model(pydantic.BaseModel):
    """Immutable, camelCase; unknown fields are kept in `model_extra`."""

    model_config = pydantic.ConfigDict(
        frozen=True, extra="allow", alias_generator=to_camel, populate_by_name=True, coerce_numbers_to_str=True
    )


def _names(value: Any) -> Any:
    return [] if value is None else value


Texts = Annotated[list[str], pydantic.BeforeValidator(_names)]


class Strategy(Model):
    """Which of a metric's observations counts: min, max or latest."""

    name: str = ""
    value: str = ""


class Objective(Model):
    """The metric to optimise, and those to be collected beside it."""

    type: str = ""
    goal: float | None = None
    objective_metric_name: str = ""
    additional_metric_names: Texts = []
    metric_strategies: list[Strategy] = []


class Setting(Model):
    """One setting of an algorithm."""

    name: str = ""
    value: str = ""


class Algorithm(Model):
    """A search algorithm or a rule for early stopping."""

    algorithm_name: str = ""
    algorithm_settings: list[Setting] = []


class FeasibleSpace(Model):
    """The values of a parameter."""

    min: str = ""
    max: str = ""
    step: str = ""
    list_: Annotated[Texts, pydantic.Field(alias="list")] = []
    distribution: str = ""


class Parameter(Model):
    """A hyperparameter."""

    name: str = ""
    parameter_type: str = ""
    feasible_space: FeasibleSpace = FeasibleSpace()


class FileSystemPath(Model):
    """A file, or a folder, that metrics are written to."""

    path: str = ""
    kind: str = ""
    format: str = ""


class Filter(Model):
    """Regular expressions that find a name and a value."""

    metrics_format: Texts = []


class Source(Model):
    """Where metrics come from."""

    http_get: dict[str, Any] | None = None
    file_system_path: FileSystemPath | None = None
    filter: Filter | None = None


class Collector(Model):
    """What collects the metrics."""

    kind: str = "StdOut"
    custom_collector: dict[str, Any] | None = None


class MetricsCollector(Model):
    """How metrics are collected."""

    source: Source | None = None
    collector: Collector = Collector()


class TrialParameter(Model):
    """A name that the trial's template may use, and what it stands for."""

    name: str = ""
    description: str = ""
    reference: str = ""


class ConfigMap(Model):
    """A ConfigMap that holds the trial's template."""

    config_map_name: str = ""
    config_map_namespace: str = ""
    template_path: str = ""


class TrialTemplate(Model):
    """What a trial runs."""

    retain: bool = False
    trial_spec: dict[str, Any] | None = None
    config_map: ConfigMap | None = None
    trial_parameters: list[TrialParameter] | None = None
    primary_pod_labels: dict[str, str] = {}
    primary_container_name: str = ""
    success_condition: str = ""
    failure_condition: str = ""


class Spec(Model):
    """What to tune, and how."""

    parameters: list[Parameter] = []
    objective: Objective | None = None
    algorithm: Algorithm | None = None
    early_stopping: Algorithm | None = None
    trial_template: TrialTemplate | None = None
    parallel_trial_count: int | None = None
    max_trial_count: int | None = None
    max_failed_trial_count: int | None = None
    metrics_collector_spec: MetricsCollector = MetricsCollector()
    nas_config: dict[str, Any] | None = None
    resume_policy: str = ""


class Metadata(Model):
    """What is read of the metadata."""

    name: str = ""
    namespace: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Experiment(Model):
    """An Experiment."""

    api_version: str
    kind: str
    metadata: Metadata = Metadata()
    spec: Spec


def unknown(value: Any, path: str = "") -> Iterator[str]:
    """The fields, by path, that Katib does not know and passes over."""
    if isinstance(value, pydantic.BaseModel):
        fields = type(value).model_fields
        yield from (join(path, name) for name in value.model_extra or {})
        for name, field in fields.items():
            yield from unknown(getattr(value, name), join(path, field.alias or name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from unknown(item, join(path, index))


def absent(value: Any) -> Any:
    """The value without nulls and empty texts, which Go takes for fields that are not set."""
    match value:
        case Mapping():
            return {key: absent(item) for key, item in value.items() if item is not None and item != ""}
        case list():
            return [absent(item) for item in value]
        case _:
            return value
