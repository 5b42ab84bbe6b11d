"""What the API can say and this version cannot do yet.

The schema is complete from the start so that manifests stay valid from version to version; a field that nothing serves
yet is refused by name, because a field that is ignored in silence misleads. To serve one, delete its line.
"""

from __future__ import annotations

from tuning_operator.api.errors import Problem
from tuning_operator.api.job import JobSpec
from tuning_operator.api.rule import Rule, broken

UNSERVED: tuple[Rule[JobSpec], ...] = (
    Rule(
        "trial.workers",
        "more than one worker a trial is not served by this version",
        "remove the field",
        lambda spec: spec.trial.workers == 1,
        "self.trial.workers == 1",
    ),
)


def check(spec: JobSpec) -> list[Problem]:
    """The fields of a spec that this version does not serve."""
    return list(broken(UNSERVED, spec, "spec"))
