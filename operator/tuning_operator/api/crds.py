"""The CustomResourceDefinitions, made from the models: ``python -m tuning_operator.api.crds [DIR]``.

The models say what a manifest may hold. This module adds what only the API server has a use for: keys of lists, rules
in CEL, printer columns. A server that is too old for CEL (before 1.25) drops the rules and accepts the rest; the
operator checks every job again with the Python forms of the same rules.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tuning_operator.api import base, job, rules, schema, served, sources, trial
from tuning_operator.api.rule import Rule

HEADER = "# Made from the models in operator/tuning_operator/api by `make crds`; edit those.\n"
CHART = Path("charts/tuning-operator/files/crds")

KEYS = {"spec.objectives": "metric", "spec.parameters": "name", "spec.profiles": "name", "status.conditions": "type"}
"""Lists whose items are told apart by a field. The API server refuses two items with the same one, also without CEL."""

SETS = ("spec.parameters[].values",)
"""Lists of scalars without repetition."""

RULES: Mapping[str, Iterable[Rule[Any]]] = {
    "spec": (*rules.SPEC, *served.UNSERVED),
    "spec.parameters[]": rules.PARAMETER,
    "spec.limits": rules.LIMITS,
    "spec.metrics": sources.RULES,
}

FIXED_IN_JOB = (
    *("spec.objectives", "spec.parameters", "spec.constraints", "spec.outcomeConstraints", "spec.trial.repeats"),
    *("spec.search.algorithm", "spec.search.seed", "spec.search.warmStartFrom"),
)
"""What may not change once a job exists. CEL cannot compare the open maps `settings` and `startFrom`; the operator
does, through the digest in the job's status."""

FIXED_IN_TRIAL = ("spec.job", "spec.number", "spec.origin", "spec.algorithm", "spec.why", "spec.basedOn")
"""What may not change once a trial exists; its parameters are an open map, which CEL cannot compare."""

_OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}

TEMPLATE = _OPEN | {
    "required": ["spec"],
    "properties": {
        "spec": _OPEN
        | {
            "description": "Specification of the Pod, as in a Kubernetes Job.",
            "required": ["containers"],
            "properties": {
                "containers": {
                    "description": 'The containers. The one named "trial", or else the first one, is the trial.',
                    "type": "array",
                    "minItems": 1,
                    "items": _OPEN,
                    "x-kubernetes-list-type": "atomic",
                },
                "restartPolicy": {
                    "description": "Never, or left out: a trial that fails is not run again by the kubelet.",
                    "type": "string",
                    "enum": ["Never"],
                },
            },
        }
    },
}
"""All of a Pod template is passed on as it is; only what no trial can do without is looked at here."""

Column = tuple[str, str, str, int]
"""Name, type, JSON path, and 1 for the columns of ``kubectl get -o wide`` only."""

JOB_COLUMNS: tuple[Column, ...] = (
    ("Phase", "string", ".status.phase", 0),
    ("Trials", "string", ".status.progress", 0),
    ("Running", "integer", ".status.trials.running", 0),
    ("Best", "string", ".status.bestValue", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Algorithm", "string", ".spec.search.algorithm", 1),
    ("Objective", "string", ".spec.objectives[0].metric", 1),
    ("Message", "string", ".status.message", 1),
)
TRIAL_COLUMNS: tuple[Column, ...] = (
    ("Job", "string", ".spec.job.name", 0),
    ("Phase", "string", ".status.phase", 0),
    ("Values", "string", ".status.values", 0),
    ("Reason", "string", ".status.reason", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Parameters", "string", ".spec.parameters", 1),
    ("Message", "string", ".status.message", 1),
)


def definitions() -> dict[str, dict[str, Any]]:
    """Both CustomResourceDefinitions, by file name."""
    tuning_job = _object(job.JobSpec, job.JobStatus, "A search for the best hyperparameters, as a set of trials.")
    tuning_trial = _object(trial.TrialSpec, trial.TrialStatus, "One evaluation of one configuration of a TuningJob.")
    for root in (tuning_job, tuning_trial):
        _drop_defaults(at(root, "spec"), all_of_them=False)
        _drop_defaults(at(root, "status"), all_of_them=True)
    _decorate_job(tuning_job)
    _forbid_change(tuning_trial, FIXED_IN_TRIAL, "may not change: it records how the trial came about")
    return {
        "tuningjobs.yaml": _definition("TuningJob", "tj", tuning_job, JOB_COLUMNS),
        "tuningtrials.yaml": _definition("TuningTrial", "tt", tuning_trial, TRIAL_COLUMNS),
    }


def _object(spec: type[base.Model], status: type[base.Model], description: str) -> dict[str, Any]:
    return {
        "description": description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"{job.API_VERSION}."},
            "kind": {"type": "string", "description": "The kind of this object."},
            "metadata": {"type": "object"},
            "spec": schema.structural(spec),
            "status": schema.structural(status),
        },
    }


def _decorate_job(root: dict[str, Any]) -> None:
    template = at(root, "spec.template")
    del template["additionalProperties"]
    template |= TEMPLATE
    for path, key in KEYS.items():
        at(root, path).update({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]})
    for path in SETS:
        at(root, path)["x-kubernetes-list-type"] = "set"
    for path, table in RULES.items():
        for rule in table:
            _validate(at(root, path), rule.cel, rule.sentence())
    _forbid_change(root, FIXED_IN_JOB, "may not change once the job exists; create a new job")


def _forbid_change(root: dict[str, Any], paths: Iterable[str], message: str) -> None:
    for path in paths:
        parent, _, name = path.rpartition(".")
        sentence = f"{path.removeprefix('spec.')} {message}"
        _validate(at(root, path), "self == oldSelf", sentence)
        optional = name not in at(root, parent).get("required", ()) and "default" not in at(root, path)
        if optional:
            # The rule above runs only where the field is there before and after.
            _validate(at(root, parent), f"has(self.{name}) == has(oldSelf.{name})", sentence)


def _validate(node: dict[str, Any], rule: str, message: str) -> None:
    if rule:
        node.setdefault("x-kubernetes-validations", []).append({"rule": rule, "message": message})


def at(root: dict[str, Any], path: str) -> dict[str, Any]:
    """The schema of a field such as ``spec.parameters[].values`` below the schema of an object."""
    node = root
    for name in path.replace("[]", ".[]").split("."):
        node = node["items"] if name == "[]" else node["properties"][name]
    return node


def _drop_defaults(node: dict[str, Any], *, all_of_them: bool) -> None:
    """Drop empty defaults, which only clutter stored objects (and Kubernetes 1.20 takes an empty string for null).

    A status keeps none at all: the operator writes it and finds it as written.
    """
    for child in _children(node):
        if all_of_them or (child.get("default") in ("", [], {}) and "properties" not in child):
            child.pop("default", None)
        _drop_defaults(child, all_of_them=all_of_them)


def _children(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from node.get("properties", {}).values()
    yield from (node[key] for key in ("items", "additionalProperties") if isinstance(node.get(key), dict))


def _definition(kind: str, short: str, root: dict[str, Any], columns: Iterable[Column]) -> dict[str, Any]:
    plural = f"{kind.lower()}s"
    version = {
        "name": job.VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": name, "type": form, "jsonPath": path} | ({"priority": priority} if priority else {})
            for name, form, path, priority in columns
        ],
        "schema": {"openAPIV3Schema": root},
    }
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{job.GROUP}"},
        "spec": {
            "group": job.GROUP,
            "names": names | {"shortNames": [short], "categories": ["all", "tuning"]},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


class _Dumper(yaml.SafeDumper):
    """Repeats shared parts instead of writing anchors, which Kubernetes' tools do not show well."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def render(definition: Mapping[str, Any]) -> str:
    """The definition as YAML."""
    return HEADER + yaml.dump(definition, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


def main(arguments: list[str] | None = None) -> int:
    """Write the definitions, or with --check compare them; returns the exit status."""
    parser = argparse.ArgumentParser(description="Write the CustomResourceDefinitions.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("crds"), metavar="DIR", help="default: ./crds")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is out of date")
    options = parser.parse_args(arguments)
    files = {
        folder / name: render(definition)
        for folder in [options.folder, *([CHART] if CHART.is_dir() else [])]
        for name, definition in definitions().items()
    }
    stale = [path for path, text in files.items() if not path.exists() or path.read_text("utf-8") != text]
    if options.check:
        sys.stderr.writelines(f"{path} is out of date; run `make crds`\n" for path in stale)
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
