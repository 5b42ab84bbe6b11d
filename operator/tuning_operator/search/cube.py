"""A space as arrays: thousands of candidates at once, where one at a time would take longer than the model.

A row of places holds one number in the unit interval for each parameter, also for those that the configuration does not
have: a neighbour in which they exist finds them there. A row of features is what a model sees.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tuning_operator.search import candidates
from tuning_operator.search.dimension import Categorical, Configuration, Dimension, Stepped
from tuning_operator.search.process import Array, Groups
from tuning_operator.search.space import Slot, Space

MOST_LEVELS = 4096
"""Values up to which a parameter's places are put on them exactly."""

FINE = 50
"""Grid points from which on a parameter is moved as if it were continuous, and then put on its grid."""

NEIGHBOURS = 24
"""Values of one parameter that are tried around a place; the nearest ones where it has more."""

MOST_SCALES = 40
"""Parameters beyond which they share one length scale: that many cannot be learnt from so few results."""


@dataclasses.dataclass(frozen=True)
class Cube:
    """The arrays of one space."""

    space: Space

    @functools.cached_property
    def slots(self) -> tuple[Slot, ...]:
        """The parameters that have more than one value, in the space's own order."""
        return tuple(slot for slot in self.space.slots if slot.dimension.count != 1)

    @functools.cached_property
    def groups(self) -> Groups:
        """For each column of the features the parameter whose it is; all the same where there are too many."""
        widths = [width(slot.dimension) for slot in self.slots]
        if len(widths) > MOST_SCALES:
            return np.zeros(sum(widths), dtype=np.int64)
        return np.repeat(np.arange(len(widths)), widths)

    @functools.cached_property
    def movable(self) -> NDArray[np.bool_]:
        """Which parameters can be moved by small amounts."""
        return np.array([_fine(slot.dimension) for slot in self.slots])

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """Random places, constraints ignored."""
        return self.snap(rng.random((count, len(self.slots))))

    def places(self, configurations: Sequence[Configuration]) -> Array:
        """Where configurations lie."""
        return np.array(
            [
                [slot.dimension.unit(one[slot.name]) if slot.name in one else candidates.ABSENT for slot in self.slots]
                for one in configurations
            ]
        ).reshape(len(configurations), len(self.slots))

    def configuration(self, places: Array) -> Configuration:
        """The configuration at a place."""
        return candidates.placed(self.space, {slot.name: float(u) for slot, u in zip(self.slots, places, strict=True)})

    def snap(self, places: Array) -> Array:
        """The places of the values that the places stand for."""
        return np.stack([_snap(slot.dimension, column) for slot, column in zip(self.slots, places.T, strict=True)], 1)

    def features(self, places: Array) -> Array:
        """What a model sees; parameters that a configuration does not have are all at the same place."""
        active = self._active(places)
        columns: list[Array] = []
        for index, slot in enumerate(self.slots):
            exists = active[index]
            for column in _columns(slot.dimension, places[:, index]):
                columns.append(column if exists is None else np.where(exists, column, candidates.ABSENT))
        return np.stack(columns, 1)

    def _active(self, places: Array) -> list[NDArray[np.bool_] | None]:
        """For each parameter the rows in which it exists; None for all."""
        found: dict[str, NDArray[np.bool_] | None] = {}
        column = {slot.name: places[:, index] for index, slot in enumerate(self.slots)}
        for slot in self.space.slots:
            exists: NDArray[np.bool_] | None = None
            for parent, allowed in slot.when:
                dimension = next(one.dimension for one in self.space.slots if one.name == parent)
                if parent in column:
                    here = np.array([dimension.at(place) in allowed for place in column[parent].tolist()])
                else:
                    here = np.full(len(places), dimension.nth(0) in allowed)
                for condition in (found[parent], exists):
                    here = here if condition is None else here & condition
                exists = here
            found[slot.name] = exists
        return [found[slot.name] for slot in self.slots]

    def around(self, place: Array) -> Array:
        """All places that differ in one parameter with countable values, in one of the nearest of these."""
        found: list[Array] = []
        for index, slot in enumerate(self.slots):
            values = _around(slot.dimension, float(place[index]))
            rows = np.repeat(place[None], len(values), 0)
            rows[:, index] = values
            found.append(rows)
        return np.concatenate(found)

    def shaken(self, rng: np.random.Generator, centres: Array, each: int, radius: float) -> Array:
        """Places near each centre: some of the parameters moved, choices made anew."""
        rows = np.repeat(centres, each, 0)
        width = rows.shape[1]
        chosen = rng.random(rows.shape) < max(0.3, 1.5 / width) if width <= 12 else rng.random(rows.shape) < 4 / width
        chosen[np.arange(len(rows)), rng.integers(0, width, len(rows))] = True
        moved = np.clip(rows + radius * rng.standard_normal(rows.shape), 0.0, 1.0)
        anew = rng.random(rows.shape)
        choice = np.array([isinstance(slot.dimension, Categorical) for slot in self.slots])
        return self.snap(np.where(chosen, np.where(choice, anew, moved), rows))


def width(dimension: Dimension) -> int:
    """How many columns a parameter has in the features."""
    return len(dimension.choices) if isinstance(dimension, Categorical) and len(dimension.choices) > 2 else 1


def _fine(dimension: Dimension) -> bool:
    return not isinstance(dimension, Categorical) and (dimension.count is None or dimension.count >= FINE)


def _columns(dimension: Dimension, places: Array) -> list[Array]:
    """One column, or one for each of several choices, half the squared distance of two of which is one."""
    if width(dimension) == 1:
        return [places]
    count = dimension.count or 1
    index = np.minimum((places * count).astype(int), count - 1)
    return [np.where(index == choice, 0.5**0.5, 0.0) for choice in range(count)]


def _snap(dimension: Dimension, places: Array) -> Array:
    count = dimension.count
    if count is None or count > MOST_LEVELS:
        return places
    if isinstance(dimension, Stepped) and dimension.log:
        return np.array([dimension.unit(dimension.at(place)) for place in places.tolist()])
    return (np.minimum(np.floor(places * count), count - 1) + 0.5) / count


def _levels(dimension: Dimension) -> Array:
    if not isinstance(dimension, Stepped) or not dimension.log:
        return (np.arange(dimension.count or 0) + 0.5) / (dimension.count or 1)
    return np.array([dimension.unit(dimension.nth(index)) for index in range(dimension.count or 0)])


def _around(dimension: Dimension, place: float) -> Array:
    if dimension.count is None or dimension.count > MOST_LEVELS:
        return np.empty(0)
    levels = _levels(dimension)
    order = np.argsort(np.abs(levels - place), kind="stable")
    return levels[order[1 : NEIGHBOURS + 1]]
