"""The kinds of parameter, each as a two-way map between its values and the unit interval.

Everything a sampler does with a single parameter is done on that interval: a uniform number becomes a value that is
uniform on the parameter's scale, a low-discrepancy point becomes a stratified one, a small step becomes a nearby value,
and a model sees all parameters with the same range. What is integer, stepped or logarithmic is known here only.
"""

from __future__ import annotations

import dataclasses
import decimal
import functools
import math
from collections.abc import Iterator, Mapping
from typing import Protocol

from tuning_operator.api import job

Scalar = int | float | str
Configuration = Mapping[str, Scalar]

TOLERANCE = 1e-9
"""How far, relative to a step, a given value may lie from the grid."""

MOST_STEPS = 2**53
"""A float's grid with more points than this is finer than floats are, and the same as no grid."""


class Dimension(Protocol):
    """One parameter."""

    @property
    def name(self) -> str:
        """The parameter's name."""

    @property
    def count(self) -> int | None:
        """How many values it has; None for a continuous one."""

    def at(self, unit: float) -> Scalar:
        """The value at a place in [0, 1); uniform places give values uniform on the parameter's scale."""

    def unit(self, value: Scalar) -> float:
        """The place of a value, in [0, 1]: `at` gives the value back (to rounding, where continuous)."""

    def coerce(self, value: object) -> Scalar | None:
        """The value with the parameter's own type, such as 5 for a float as 5.0; None where it is not one of its values."""

    def nth(self, index: int) -> Scalar:
        """The value at an index below `count`, in ascending or the manifest's order."""


@dataclasses.dataclass(frozen=True)
class Continuous:
    """A float without a step."""

    name: str
    low: float
    high: float
    log: bool = False

    @property
    def count(self) -> int | None:
        """One where the bounds are equal."""
        return 1 if self.low == self.high else None

    def at(self, unit: float) -> float:
        """Interpolated; never outside the bounds, whatever is lost to rounding."""
        if self.log:
            value = math.exp((1 - unit) * math.log(self.low) + unit * math.log(self.high))
        else:
            value = (1 - unit) * self.low + unit * self.high
        return min(max(value, self.low), self.high)

    def unit(self, value: Scalar) -> float:
        """Halved before subtracting, since a range may be wider than the largest float."""
        low, high, place = self.low, self.high, float(value)
        if low == high:
            return 0.5
        if self.log:
            low, high, place = math.log(low), math.log(high), math.log(place)
        return (place / 2 - low / 2) / (high / 2 - low / 2)

    def coerce(self, value: object) -> float | None:
        """Whole numbers become floats: JSON does not tell 5 from 5.0."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if self.low <= value <= self.high else None

    def nth(self, index: int) -> float:
        """Only the one value of equal bounds can be counted."""
        return self.low


@dataclasses.dataclass(frozen=True)
class Stepped:
    """An int, or a float with a step: the values low, low + step, … counted from low.

    Values are computed in decimals, so that 0.1 with step 0.1 gives 0.3 and not 0.30000000000000004.
    """

    name: str
    low: float
    step: float
    steps: int
    whole: bool
    log: bool = False

    @property
    def count(self) -> int:
        """The number of grid points."""
        return self.steps

    @functools.cached_property
    def _exact(self) -> tuple[decimal.Decimal, decimal.Decimal]:
        return decimal.Decimal(repr(self.low)), decimal.Decimal(repr(self.step))

    @functools.cached_property
    def _range(self) -> tuple[float, float]:
        """On a log scale, the logarithms of half a step below the first value and above the last one."""
        low, high = float(self.nth(0)), float(self.nth(self.steps - 1))
        half = self.step / 2
        return math.log(low - half if low > half else low), math.log(high + half)

    def nth(self, index: int) -> int | float:
        """Low plus so many steps."""
        if self.whole:
            return int(self.low) + index * int(self.step)
        low, step = self._exact
        return float(low + index * step)

    def at(self, unit: float) -> int | float:
        """Each value has a cell of the interval; on a log scale the cells narrow towards the larger values."""
        if not self.log:
            return self.nth(min(int(unit * self.steps), self.steps - 1))
        low, high = self._range
        return self.nth(self._nearest(math.exp((1 - unit) * low + unit * high)))

    def unit(self, value: Scalar) -> float:
        """The middle of the value's cell on a linear scale, the value itself on a log scale."""
        if not self.log:
            return (self._nearest(float(value)) + 0.5) / self.steps
        low, high = self._range
        return min(max((math.log(float(value)) - low) / (high - low), 0.0), 1.0)

    def coerce(self, value: object) -> int | float | None:
        """The grid point that the value is, apart from rounding."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
        if self.whole and value != int(value):
            return None
        if self.whole:
            index, rest = divmod(int(value) - int(self.low), int(self.step))
            return int(value) if rest == 0 and 0 <= index < self.steps else None
        index = self._nearest(value)
        nearest = self.nth(index)
        return nearest if abs(nearest - value) <= TOLERANCE * self.step else None

    def _nearest(self, value: float) -> int:
        return min(max(round((value / 2 - self.low / 2) / (self.step / 2)), 0), self.steps - 1)


@dataclasses.dataclass(frozen=True)
class Choices:
    """Several choices, each with an equal part of the interval."""

    name: str
    choices: tuple[int | str, ...]

    @property
    def count(self) -> int:
        """The number of choices."""
        return len(self.choices)

    def at(self, unit: float) -> int | str:
        """The choice in whose part the place is."""
        return self.choices[min(int(unit * len(self.choices)), len(self.choices) - 1)]

    def unit(self, value: Scalar) -> float:
        """The middle of the choice's part."""
        return (self.choices.index(value) + 0.5) / len(self.choices)

    def coerce(self, value: object) -> int | str | None:
        """The choice itself: the text "1" is not the number 1."""
        if isinstance(value, bool) or not isinstance(value, int | str):
            return None
        return value if value in self.choices else None

    def nth(self, index: int) -> int | str:
        """The choices in the manifest's order."""
        return self.choices[index]


@dataclasses.dataclass(frozen=True)
class Categorical(Choices):
    """One of several choices without an order."""


@dataclasses.dataclass(frozen=True)
class Ordinal(Choices):
    """One of several choices in order: neighbours on the interval are alike."""


def values(dimension: Dimension) -> Iterator[Scalar]:
    """All values of a dimension that can be counted."""
    return (dimension.nth(index) for index in range(dimension.count or 0))


def from_parameter(parameter: job.Parameter) -> Dimension:
    """The dimension that a manifest's parameter describes.

    Raises ValueError where its fields do not make one; the API's own rules say in detail what is wrong.
    """
    log = parameter.scale is job.Scale.LOG
    match parameter.type:
        case job.ParameterType.CATEGORICAL | job.ParameterType.ORDINAL:
            if not parameter.values:
                raise ValueError(f"{parameter.name} has no values")
            choices = tuple(dict.fromkeys(parameter.values))
            categorical = parameter.type is job.ParameterType.CATEGORICAL
            return Categorical(parameter.name, choices) if categorical else Ordinal(parameter.name, choices)
        case job.ParameterType.INT:
            low, high = _bounds(parameter)
            return _whole(parameter.name, low, high, 1.0 if parameter.step is None else parameter.step, log)
        case job.ParameterType.FLOAT:
            low, high = _bounds(parameter)
            if parameter.step is None or low == high:
                return Continuous(parameter.name, low, high, log)
            return _stepped(parameter.name, low, high, parameter.step, log)


def _bounds(parameter: job.Parameter) -> tuple[float, float]:
    low, high = parameter.min, parameter.max
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)) or low > high:
        raise ValueError(f"{parameter.name} has no proper bounds")
    if parameter.scale is job.Scale.LOG and low <= 0:
        raise ValueError(f"{parameter.name} has a log scale that does not begin above 0")
    return low, high


def _whole(name: str, low: float, high: float, step: float, log: bool) -> Dimension:
    if not (step >= 1 and step.is_integer() and low.is_integer()):
        raise ValueError(f"{name} has a minimum or step that is not a whole number")
    steps = (math.floor(high) - int(low)) // int(step) + 1
    return Stepped(name, low, step, steps, whole=True, log=log)


def _stepped(name: str, low: float, high: float, step: float, log: bool) -> Dimension:
    if not step / 2 > 0:
        raise ValueError(f"{name} has a step that is not above 0")
    steps = (decimal.Decimal(repr(high)) - decimal.Decimal(repr(low))) / decimal.Decimal(repr(step))
    if steps > MOST_STEPS:
        return Continuous(name, low, high, log)
    return Stepped(name, low, step, int(steps) + 1, whole=False, log=log)
