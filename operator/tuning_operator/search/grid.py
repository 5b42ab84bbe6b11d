"""Grid search: every configuration of a finite space, one after the other, the last parameter varying fastest."""

from __future__ import annotations

import dataclasses

import pydantic

from tuning_operator.api import trial
from tuning_operator.search import space
from tuning_operator.search.request import Exhausted, Request, Suggestion


class Settings(pydantic.BaseModel, frozen=True, extra="forbid", strict=True):
    """Grid search has no settings."""


@dataclasses.dataclass(frozen=True)
class Grid:
    """All configurations in a fixed order. Steps are the parameters' own; a float needs one."""

    settings: type[pydantic.BaseModel] = Settings
    finite: bool = True
    needs: tuple[str, ...] = ()

    def propose(self, request: Request) -> Suggestion:
        """The first configuration that was not proposed before.

        It is looked for from the beginning each time, which also finds what was left out or lost; a point is passed in
        about a microsecond.
        """
        used = request.used
        for configuration in request.space.enumerate(space.PATIENCE):
            if request.space.key(configuration) not in used:
                return Suggestion(configuration, trial.Origin.GRID)
        raise Exhausted(f"all {len(used)} points of the grid have been proposed")
