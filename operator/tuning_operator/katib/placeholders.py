"""``${trialParameters.lr}`` becomes ``$(HP_lr)``: what Katib replaces in the text of a template, Kubernetes expands in a
container's command, args and variables.

Only there, and only in the trial's own container, has a value a place. What stands elsewhere and is known beforehand
(the kind, a label) is written in; what changes from trial to trial is refused.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping
from typing import Any

from tuning_operator.api.errors import closest, join, quoted
from tuning_operator.katib import experiment, parameters
from tuning_operator.katib.findings import Findings

PLACEHOLDER = re.compile(r"(\$*)\$\{trialParameters\.(.+?)\}")
METADATA = re.compile(r"\$\{trialSpec\.(.+?)\}")
INDEXED = re.compile(r"(Labels|Annotations)\[(.+)\]")
NAMESPACE = "TRIAL_NAMESPACE"
"""The variable that holds the namespace where the Experiment does not name it."""

PLACES = "only command, args and env of the trial's own container can hold a value that changes from trial to trial"


@dataclasses.dataclass(frozen=True, slots=True)
class Value:
    """What a placeholder stands for: a variable of the trial's environment, or a text."""

    variable: str = ""
    text: str = ""


def values(
    given: experiment.TrialTemplate,
    names: Collection[str],
    trial_spec: Mapping[str, Any],
    namespace: str,
    found: Findings,
) -> dict[str, Value]:
    """What each name of `trialParameters` stands for; `names` are those of the Experiment's parameters."""
    path = "spec.trialTemplate.trialParameters"
    if given.trial_parameters is None:
        found.error(path, "required field is missing", "list what the template uses")
        return {}
    result: dict[str, Value] = {}
    references: set[str] = set()
    for index, item in enumerate(given.trial_parameters):
        place = join(path, index)
        if not item.name or not item.reference or "{" in item.name or "}" in item.name:
            found.error(place, "name and reference are required, without { or } in the name", "write both")
        elif item.name in result:
            found.error(f"{place}.name", f"{quoted(item.name)} is there twice", "remove one")
        elif item.reference in references:
            found.error(f"{place}.reference", f"{quoted(item.reference)} is there twice", "remove one")
        elif item.reference in names:
            result[item.name] = Value(variable=f"HP_{parameters.renamed(item.reference)}")
        elif match := METADATA.search(item.reference):
            if (value := _metadata(match[1], trial_spec, namespace)) is None:
                found.error(f"{place}.reference", f"{item.reference} is not there", "see the trialSpec's metadata")
            else:
                result[item.name] = value
        else:
            mend = closest(item.reference, names)
            found.error(f"{place}.reference", f"{quoted(item.reference)} is no parameter", mend)
        references.add(item.reference)
    return result


def _metadata(key: str, trial_spec: Mapping[str, Any], namespace: str) -> Value | None:
    metadata = trial_spec.get("metadata") or {}
    if match := INDEXED.fullmatch(key):
        text = (metadata.get(match[1].lower()) or {}).get(match[2])
        return None if text is None else Value(text=str(text))
    match key:
        case "Name":
            return Value(variable="TUNING_TRIAL")
        case "Namespace":
            return Value(text=namespace) if namespace else Value(variable=NAMESPACE)
        case "Kind":
            return Value(text=str(trial_spec.get("kind")))
        case "APIVersion":
            return Value(text=str(trial_spec.get("apiVersion")))
        case _:
            return None


class Filler:
    """Replaces placeholders; remembers which were used."""

    def __init__(self, known: Mapping[str, Value], found: Findings) -> None:
        self._known = known
        self._found = found
        self.used: set[str] = set()

    def variables(self) -> set[str]:
        """The variables that what was filled in needs."""
        return {self._known[name].variable for name in self.used}

    def fill(self, node: Any, path: str, *, expanded: bool = False) -> Any:
        """A part of a template; `expanded` where Kubernetes expands variables."""
        match node:
            case str():
                return self._text(node, path, expanded)
            case list():
                return [self.fill(item, join(path, index), expanded=expanded) for index, item in enumerate(node)]
            case Mapping():
                return {
                    self._text(key, path, expanded=False): self.fill(item, join(path, key), expanded=expanded)
                    for key, item in node.items()
                }
            case _:
                return node

    def container(self, node: Mapping[str, Any], path: str) -> dict[str, Any]:
        """The trial's own container."""
        result: dict[str, Any] = {}
        for key, item in node.items():
            place = join(path, key)
            if key in ("command", "args"):
                result[key] = self.fill(item, place, expanded=True)
            elif key == "env" and isinstance(item, list):
                result[key] = [self._variable(entry, join(place, index)) for index, entry in enumerate(item)]
            else:
                result[key] = self.fill(item, place)
        return result

    def _variable(self, entry: Any, path: str) -> Any:
        if not isinstance(entry, Mapping):
            return entry
        return {key: self.fill(item, join(path, key), expanded=key == "value") for key, item in entry.items()}

    def _text(self, text: str, path: str, expanded: bool) -> str:
        def replacement(match: re.Match[str]) -> str:
            dollars, name = match[1], match[2]
            value = self._known.get(name)
            if value is None:
                mend = closest(name, self._known) if self._known else "add it to trialParameters"
                self._found.error(path, f"{quoted(name)} is not among the trialParameters", mend)
                return match[0]
            self.used.add(name)
            if not value.variable:
                return dollars + value.text
            if not expanded:
                self._found.error(path, f"a parameter cannot stand here: {quoted(text)}", PLACES)
                return match[0]
            # Kubernetes reads $$ as one $: an odd one would take the reference's own.
            return dollars + "$" * (len(dollars) % 2) + f"$({value.variable})"

        return PLACEHOLDER.sub(replacement, text)
