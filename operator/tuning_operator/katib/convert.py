"""An Experiment of Katib's as a TuningJob of the same meaning."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import pydantic

from tuning_operator.api.errors import Problem, SpecError, join, plain, quoted
from tuning_operator.api.job import API_VERSION
from tuning_operator.katib import collectors, experiment, parameters, placeholders, search, stopping, templates
from tuning_operator.katib.findings import Findings
from tuning_operator.tuner import admission

RESUME = {
    "Never": "a finished job goes on only where somebody raises its limits",
    "LongRunning": "a finished job goes on where its limits are raised; nothing runs for it until then",
    "FromVolume": "a finished job goes on where its limits are raised; its trials are its memory, no volume is needed",
}

ORIGINS: Mapping[str, str] = {
    "spec.metrics": "spec.metricsCollectorSpec",
    "spec.earlyStopping": "spec.earlyStopping",
    "spec.trial.workers": "spec.trialTemplate.trialSpec",
    "spec.template": "spec.trialTemplate.trialSpec",
    "spec.search": "spec.algorithm",
    "spec.objectives[0]": "spec.objective",
    "spec.objectives": "spec.objective",
}
"""Where in an Experiment a field of the job came from."""


@dataclasses.dataclass(frozen=True, slots=True)
class Conversion:
    """A TuningJob, and what is other than in the Experiment."""

    job: dict[str, Any]
    warnings: tuple[Problem, ...]


def convert(document: Any, config_maps: Mapping[tuple[str, str], Mapping[str, Any]] | None = None) -> Conversion:
    """The Experiment as a TuningJob that this version serves.

    `config_maps` holds the data of the ConfigMaps at hand, by namespace and name. Raises SpecError with everything that
    is wrong in the Experiment, or that cannot be said in a TuningJob.
    """
    given = _read(document)
    found = Findings()
    for path in experiment.unknown(given):
        if not path.startswith(("metadata.", "status")):
            found.warn(path, "unknown field; Katib passes it over, too")
    job = _job(given, config_maps or {}, found)
    if not found.errors:
        _admit(job, found)
    if found.errors:
        raise SpecError(dict.fromkeys(found.errors))
    return Conversion(job, tuple(dict.fromkeys(found.warnings)))


def _read(document: Any) -> experiment.Experiment:
    if not isinstance(document, Mapping):
        raise SpecError([Problem("manifest", f"a mapping is needed, this is {plain(document)}", "write an Experiment")])
    for field, wanted in (("apiVersion", experiment.API_VERSION), ("kind", "Experiment")):
        if (value := document.get(field)) != wanted:
            mend = "only Experiments of Katib's are converted"
            raise SpecError([Problem(field, f"{wanted} is needed, this is {plain(value)}", mend)])
    try:
        return experiment.Experiment.model_validate(experiment.absent(document))
    except pydantic.ValidationError as error:
        raise SpecError(
            Problem(join("", *detail["loc"]), detail["msg"][:1].lower() + detail["msg"][1:], "see Katib's reference")
            for detail in error.errors(include_url=False)
        ) from None


def _job(
    given: experiment.Experiment, config_maps: Mapping[tuple[str, str], Mapping[str, Any]], found: Findings
) -> dict[str, Any]:
    spec = given.spec
    _names(given, found)
    if spec.nas_config is not None:
        mend = "NAS has no equivalent here; list the choices as parameters, or keep this Experiment in Katib"
        found.error("spec.nasConfig", "it describes neural architectures", mend)
    elif not spec.parameters:
        found.error("spec.parameters", "required field is missing", "list what to tune")
    trial = _trial(given, config_maps, found)
    metrics = collectors.convert(spec.metrics_collector_spec, trial.template if trial else None, found)
    tuned = parameters.convert(spec.parameters, found)
    rule = stopping.convert(spec, tuned, found)
    settings = {
        **({"maxDuration": trial.max_duration} if trial and trial.max_duration else {}),
        **({"workers": trial.workers} if trial and trial.workers > 1 else {}),
    }
    body = {
        "objectives": [search.objective(spec.objective, found)],
        "parameters": tuned,
        "search": search.search(spec.algorithm, found),
        **({"earlyStopping": rule} if rule else {}),
        "limits": search.limits(spec, found),
        "metrics": metrics,
        **({"trial": settings} if settings else {}),
        "template": trial.template if trial else {},
    }
    return {"apiVersion": API_VERSION, "kind": "TuningJob", "metadata": _metadata(given), "spec": body}


def _names(given: experiment.Experiment, found: Findings) -> None:
    if not re.match(r"[a-z]([-a-z0-9]*[a-z0-9])?", given.metadata.name):
        message = f"{quoted(given.metadata.name)} is no name of an Experiment"
        found.error("metadata.name", message, "begin with a lower case letter; letters, digits and - may follow")
    policy = given.spec.resume_policy
    if policy and policy not in RESUME:
        found.error("spec.resumePolicy", f"{quoted(policy)} is no policy", f"write one of {', '.join(RESUME)}")
    elif policy:
        found.warn("spec.resumePolicy", f"not needed: {RESUME[policy]}")


def _metadata(given: experiment.Experiment) -> dict[str, Any]:
    metadata = given.metadata.model_dump(include={"name", "namespace", "labels", "annotations"})
    metadata["annotations"].pop("kubectl.kubernetes.io/last-applied-configuration", None)
    return {key: value for key, value in metadata.items() if value}


def _trial(
    given: experiment.Experiment, config_maps: Mapping[tuple[str, str], Mapping[str, Any]], found: Findings
) -> templates.Converted | None:
    template = given.spec.trial_template
    trial_spec = templates.source(template, config_maps, found)
    if template is None or trial_spec is None:
        return None
    names = {item.name for item in given.spec.parameters}
    known = placeholders.values(template, names, trial_spec, given.metadata.namespace, found)
    filler = placeholders.Filler(known, found)
    result = templates.convert(template, trial_spec, filler, found)
    if result is not None:
        for index, item in enumerate(template.trial_parameters or ()):
            if item.name in known and item.name not in filler.used:
                path = join("spec.trialTemplate.trialParameters", index)
                found.error(f"{path}.name", f"the template does not use {quoted(item.name)}", "remove it, or use it")
    return result


def _admit(job: Mapping[str, Any], found: Findings) -> None:
    """Holds the job against everything that the operator would refuse."""
    try:
        admission.admit(job)
    except SpecError as error:
        for problem in error.problems:
            found.error(_origin(problem.field), f"({problem.field}) {problem.message}", problem.mend)


def _origin(field: str) -> str:
    for ours, theirs in ORIGINS.items():
        if field == ours or field.startswith((f"{ours}.", f"{ours}[")):
            return theirs
    return field
