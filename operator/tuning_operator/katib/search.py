"""Objective, limits, algorithm and early stopping.

Which algorithms there are, and which settings they have, is asked of the registries, so that a conversion offers what
this version serves and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pydantic

from tuning_operator.api.errors import closest, join, quoted
from tuning_operator.katib import experiment
from tuning_operator.katib.findings import Findings
from tuning_operator.search import sampler

ALGORITHMS = {
    "random": "random",
    "grid": "grid",
    "bayesianoptimization": "bayesian",
    "tpe": "tpe",
    "multivariate-tpe": "multivariate-tpe",
    "cmaes": "cmaes",
    "sobol": "sobol",
    "pbt": "pbt",
}
"""Katib's algorithms, and what they are called here. (hyperband is a rule for early stopping here.)"""

ARCHITECTURES = ("enas", "darts")

SEED = "random_state"
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "startup_trials": ("n_startup_trials", "n_initial_points"),
    "ei_candidates": ("n_ei_candidates",),
    "n_EI_candidates": ("n_ei_candidates",),
    "sigma": ("sigma0",),
    "n_population": ("population",),
}
"""Katib's settings that may have another name here. One whose own name is known here keeps it."""

UNLIMITED = 100_000
"""The largest numbers that limits may have, where Katib has none."""


def objective(given: experiment.Objective | None, found: Findings) -> dict[str, Any]:
    """The objective."""
    path = "spec.objective"
    if given is None:
        found.error(path, "required field is missing", "say what to optimise")
        return {}
    if given.type not in ("minimize", "maximize"):
        found.error(f"{path}.type", f"{quoted(given.type)} is no direction", "write minimize or maximize")
    if not given.objective_metric_name:
        found.error(f"{path}.objectiveMetricName", "required field is missing", "name the metric")
    if given.objective_metric_name in given.additional_metric_names:
        message = f"{given.objective_metric_name} is the objective already"
        found.error(f"{path}.additionalMetricNames", message, "remove it here")
    elif given.additional_metric_names:
        found.warn(f"{path}.additionalMetricNames", "not needed: every metric that a trial reports is kept")
    result = {"metric": given.objective_metric_name, "goal": given.type, "from": _from(given, found)}
    return result if given.goal is None else result | {"target": given.goal}


def _from(given: experiment.Objective, found: Findings) -> str:
    best = {"maximize": "max", "minimize": "min"}.get(given.type, "")
    chosen = best
    for index, strategy in enumerate(given.metric_strategies):
        path = join("spec.objective.metricStrategies", index)
        if strategy.value not in ("min", "max", "latest"):
            found.error(f"{path}.value", f"{quoted(strategy.value)} is no strategy", "write min, max or latest")
        elif strategy.name == given.objective_metric_name:
            chosen = strategy.value
        else:
            found.warn(path, f"not needed: first, last, smallest, largest and mean {strategy.name} are all kept")
    if chosen == "latest":
        return "last"
    return "best" if chosen == best else "worst"


def limits(spec: experiment.Spec, found: Findings) -> dict[str, Any]:
    """How many trials."""
    total, failed = spec.max_trial_count, spec.max_failed_trial_count
    parallel = experiment.PARALLEL_TRIALS if spec.parallel_trial_count is None else spec.parallel_trial_count
    for name, value, least in (("maxTrialCount", total, 1), ("parallelTrialCount", parallel, 1)):
        if value is not None and value < least:
            found.error(f"spec.{name}", f"{value} is too small", f"write at least {least}")
    if failed is not None and failed < 0:
        found.error("spec.maxFailedTrialCount", f"{failed} is too small", "write at least 0")
    if total is not None:
        if failed is not None and failed > total:
            found.error("spec.maxFailedTrialCount", "it is above maxTrialCount", "lower it")
        if spec.parallel_trial_count is not None and parallel > total:
            found.error("spec.parallelTrialCount", "it is above maxTrialCount", "lower it")
        parallel = min(parallel, total)
    elif spec.algorithm is None or spec.algorithm.algorithm_name != "grid":
        message = f"without it Katib goes on until the goal is reached; here it ends after {UNLIMITED} trials"
        found.warn("spec.maxTrialCount", message, "set limits.maxTrials or limits.maxDuration")
        total = UNLIMITED
    return {
        **({} if total is None else {"maxTrials": total}),
        "parallelTrials": parallel,
        "maxFailedTrials": UNLIMITED if failed is None else failed,
    }


def search(given: experiment.Algorithm | None, found: Findings) -> dict[str, Any]:
    """The algorithm and its settings."""
    path = "spec.algorithm"
    if given is None or not given.algorithm_name:
        found.error(f"{path}.algorithmName", "required field is missing", "name the algorithm")
        return {}
    name = given.algorithm_name
    if name in ARCHITECTURES:
        mend = "NAS has no equivalent here; list the choices as parameters, or keep this Experiment in Katib"
        found.error(f"{path}.algorithmName", f"{name} searches for neural architectures", mend)
        return {}
    if name == "hyperband":
        found.warn(f"{path}.algorithmName", "hyperband samples at random and stops early: see earlyStopping")
        return {"algorithm": "random"}
    ours = ALGORITHMS.get(name)
    if ours is None:
        found.error(f"{path}.algorithmName", f"{quoted(name)} is no algorithm of Katib's", closest(name, ALGORITHMS))
        return {}
    chosen = sampler.SAMPLERS.get(ours)
    if chosen is None:
        mend = f"write one of {', '.join(sorted(name for name in ALGORITHMS if ALGORITHMS[name] in sampler.SAMPLERS))}"
        found.error(f"{path}.algorithmName", f"{name} is not served by this version", mend)
        return {}
    given_texts = texts(given, path, found)
    result: dict[str, Any] = {"algorithm": ours}
    if SEED in given_texts:
        seed = given_texts.pop(SEED)
        if seed.isdecimal() and int(seed) < 2**31:
            result["seed"] = int(seed)
        elif seed.lower() != "none":
            found.error(f"{path}.algorithmSettings", f"{SEED}: {quoted(seed)} is no seed", "write a whole number")
    settings = translate(given_texts, chosen.settings, f"{path}.algorithmSettings", ours, found)
    return {**result, "settings": settings} if settings else result


def texts(given: experiment.Algorithm, path: str, found: Findings) -> dict[str, str]:
    """The settings as Katib keeps them, by name."""
    result: dict[str, str] = {}
    for index, setting in enumerate(given.algorithm_settings):
        if not setting.name or setting.name in result:
            found.error(join(f"{path}.algorithmSettings", index), "a setting needs a name of its own", "mend it")
        result[setting.name] = setting.value
    return result


def translate(
    given: Mapping[str, str], model: type[pydantic.BaseModel], path: str, algorithm: str, found: Findings
) -> dict[str, Any]:
    """Settings as the model has them. One that the model does not know, or not with that value, is told."""
    result: dict[str, Any] = {}
    for name, text in given.items():
        ours = next((one for one in (name, *SETTINGS.get(name, ())) if one in model.model_fields), None)
        if ours is None:
            found.warn(path, f"{name}={text} is left out: {algorithm} has no such setting here")
            continue
        try:
            parsed = model.model_validate_strings({ours: text}, strict=False)
        except pydantic.ValidationError as error:
            reason = error.errors()[0]["msg"]
            found.warn(path, f"{name}={text} is left out: {reason[:1].lower()}{reason[1:]}")
            continue
        result[ours] = getattr(parsed, ours)
    return result
