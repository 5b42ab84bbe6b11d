"""Points that cover a space evenly, whatever the results: the Sobol and Halton sequences, and Latin hypercubes.

A sequence has no state here: a trial's number is the index of its point. So a lost or deleted trial, a restart or any
number of parallel ones change nothing.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator
from typing import Annotated, Literal

import pydantic

from tuning_operator.api import trial
from tuning_operator.search import candidates, randomly
from tuning_operator.search.dimension import Configuration
from tuning_operator.search.request import Request, Suggestion, stream

RESERVE, SPARE = 2**16, 64
"""Where a trial's own point violates the constraints or was proposed before, it has so many others, further on in the
sequence, and no other trial has the same; after those, it is drawn at random."""


class Settings(pydantic.BaseModel, frozen=True, extra="forbid", strict=True):
    """The sequences have no settings."""


class HypercubeSettings(pydantic.BaseModel, frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True):
    """The settings of Latin hypercube sampling."""

    points: Annotated[int, pydantic.Field(ge=1, le=100_000)] = 20
    """Points of a hypercube: each parameter's range is cut into so many parts. When they are used up, another one follows."""


@dataclasses.dataclass(frozen=True)
class Sequence:
    """A scrambled low-discrepancy sequence.

    Sobol, USSR Computational Mathematics and Mathematical Physics 7 (1967), scrambled as by Matousek (1998); Halton,
    Numerische Mathematik 2 (1960), scrambled as by Owen (2017).
    """

    kind: Literal["sobol", "halton"]
    settings: type[pydantic.BaseModel] = Settings
    finite: bool = False
    needs: tuple[str, ...] = ()

    def propose(self, request: Request) -> Suggestion:
        """The next point of the sequence."""
        return _first(request, self._points(request))

    def _points(self, request: Request) -> Iterator[Configuration]:
        from scipy.stats import qmc

        names = [slot.name for slot in request.space.slots if slot.dimension.count != 1]
        if not names:
            return
        kind = qmc.Sobol if self.kind == "sobol" else qmc.Halton
        sequence = kind(len(names), scramble=True, rng=stream(request.seed, self.kind).getrandbits(32))
        begin = max(0, request.number - len(request.start_from))
        with warnings.catch_warnings():
            # That balance needs powers of two: a point that is drawn alone has no balance to lose.
            warnings.simplefilter("ignore")
            for skipped, wanted in ((begin, 1), (RESERVE + SPARE * begin - begin - 1, SPARE)):
                if skipped:  # scipy 1.17 fails to skip none
                    sequence.fast_forward(skipped)
                for point in sequence.random(wanted).tolist():
                    yield candidates.placed(request.space, dict(zip(names, point, strict=True)))


@dataclasses.dataclass(frozen=True)
class Hypercube:
    """One Latin hypercube after the other (McKay, Beckman and Conover, Technometrics 21, 1979)."""

    settings: type[pydantic.BaseModel] = HypercubeSettings
    finite: bool = False
    needs: tuple[str, ...] = ()

    def propose(self, request: Request) -> Suggestion:
        """The next point of the current hypercube."""
        return _first(request, self._points(request))

    def _points(self, request: Request) -> Iterator[Configuration]:
        total = HypercubeSettings.model_validate(dict(request.settings)).points
        begin = max(0, request.number - len(request.start_from))
        for index in range(begin, begin + SPARE):
            block, place = divmod(index, total)
            seed = stream(request.seed, "hypercube", block).getrandbits(32)
            point = candidates.stratified(request.space, seed, place, total)
            yield {} if point is None else point


def _first(request: Request, points: Iterator[Configuration]) -> Suggestion:
    space = request.space
    for point in points:
        if point and space.key(point) not in request.used and all(one.holds(point) for one in space.constraints):
            return Suggestion(point, trial.Origin.DESIGN)
    return Suggestion(randomly.unused(request), trial.Origin.RANDOM)
