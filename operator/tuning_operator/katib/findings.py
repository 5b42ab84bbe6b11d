"""What a conversion has to tell: mistakes and gaps that forbid it, and what is other than it was.

Nothing of an Experiment is dropped in silence, so each part of the conversion reports to one list, with the field as it
stands in the Experiment.
"""

from __future__ import annotations

import dataclasses

from tuning_operator.api.errors import Problem


@dataclasses.dataclass(slots=True)
class Findings:
    """Errors, for which there is no job, and warnings, with which there is one."""

    errors: list[Problem] = dataclasses.field(default_factory=list)
    warnings: list[Problem] = dataclasses.field(default_factory=list)

    def error(self, field: str, message: str, mend: str = "") -> None:
        """Something that is wrong in the Experiment, or that cannot be said in a TuningJob."""
        self.errors.append(Problem(field, message, mend))

    def warn(self, field: str, message: str, mend: str = "") -> None:
        """Something that the TuningJob does in another way, or has no need of."""
        self.warnings.append(Problem(field, message, mend))
