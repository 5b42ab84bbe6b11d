"""What a stopping rule is, and which there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import pydantic

from tuning_operator.stopping import alone, case, halving, median


class Rule(Protocol):
    """A stopping rule: a pure function of curves, and the settings that it knows."""

    @property
    def settings(self) -> type[pydantic.BaseModel]:
        """The model of `earlyStopping.settings`: frozen, strict, closed to unknown names; each field has a docstring."""

    @property
    def bounded(self) -> bool:
        """Whether the rule needs `earlyStopping.maxSteps`."""

    def judge(self, about: case.Case) -> case.Verdict:
        """Whether the trial goes on. The same case gives the same verdict; entries that are there are not repeated."""


RULES: Mapping[str, Rule] = {
    "asha": halving.Asha(),
    "hyperband": halving.Hyperband(),
    "bohb": halving.Hyperband(),
    "median": median.Median(),
    "medianstop": median.Median(),
    "patience": alone.Patient(),
    "threshold": alone.Bounded(),
    "none": alone.Unstopped(),
}
"""The rules by the name that a manifest calls them; medianstop is what Katib calls median."""
