"""One rule about how the fields of a model go together, said twice: for an API server that knows CEL, and for all else."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from tuning_operator.api import base
from tuning_operator.api.errors import Problem

T = TypeVar("T", bound=base.Model)


@dataclasses.dataclass(frozen=True)
class Rule(Generic[T]):
    """One cross-field rule of a model.

    `field` is the one to blame, relative to the model. `holds` and `cel` say the same; `cel` is evaluated by the API
    server with `self` bound to the object after defaulting, and is empty where CEL cannot say it.
    """

    field: str
    message: str
    mend: str
    holds: Callable[[T], bool]
    cel: str = ""

    def sentence(self) -> str:
        """What is wrong and how to mend it, in one line."""
        return f"{self.message}; {self.mend}"


def broken(rules: Iterable[Rule[T]], model: T, path: str) -> Iterator[Problem]:
    """The rules that the model breaks."""
    return (Problem(f"{path}.{rule.field}", rule.message, rule.mend) for rule in rules if not rule.holds(model))
