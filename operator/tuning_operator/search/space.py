"""The set of configurations that a job may try: its parameters, which of them exist when, and its constraints.

Samplers never look at a manifest; they draw from, enumerate and move within a `Space`, which alone knows what belongs
to it. Parameters are visited in an order of their own: a conditional one after those it depends on, and those that
constraints mention as early as possible, so that a constraint is decided, and a hopeless branch left, once the last of
its parameters has a value.
"""

from __future__ import annotations

import dataclasses
import functools
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set

from tuning_operator.api import job
from tuning_operator.search import approach, belief, dimension, expressions
from tuning_operator.search.dimension import Configuration, Dimension, Scalar

Key = tuple[Scalar | None, ...]

REJECTIONS = 1000
"""Draws that may violate the constraints before a configuration is searched for value by value instead."""

RESTARTS, BUDGET, BREADTH, LAST_BUDGET = 8, 2000, 32, 200_000
"""That search: how often it begins anew, how many values it tries each time, how many of them at each parameter, and how
many it tries in the end, in order, where there is only a finite number."""

PATIENCE = 5_000_000
"""Values that a search for a configuration not yet used may try: seconds, where constraints leave hardly anything."""

MOST_CASES = 4096
"""Combinations of values that conditional parameters depend on, beyond which a space is not counted."""


class Infeasible(Exception):
    """No configuration that satisfies all constraints was found."""


@dataclasses.dataclass(frozen=True)
class Slot:
    """A parameter in its place: its values, and the values of other parameters with which it exists."""

    dimension: Dimension
    when: tuple[tuple[str, frozenset[int | str]], ...] = ()
    belief: belief.Belief | None = None
    """Where the user expects the best value."""

    @property
    def name(self) -> str:
        """The parameter's name."""
        return self.dimension.name

    def active(self, chosen: Mapping[str, Scalar]) -> bool:
        """Whether the parameter exists, given the values of those before it."""
        return all(parent in chosen and chosen[parent] in allowed for parent, allowed in self.when)


@dataclasses.dataclass(frozen=True)
class Space:
    """All configurations of a job. Immutable, comparable and picklable; make it with `from_spec`."""

    names: tuple[str, ...]
    """The parameters in the manifest's order."""
    slots: tuple[Slot, ...]
    """The same in the order in which they are given values."""
    constraints: tuple[expressions.Expression, ...] = ()

    @classmethod
    def from_spec(cls, spec: job.JobSpec) -> Space:
        """The space that a job's parameters and constraints describe.

        Raises ValueError (ExpressionError for a constraint) where they do not make one; `search.check` says in detail
        what is wrong.
        """
        slots = [_slot(parameter) for parameter in spec.parameters]
        constraints = tuple(expressions.parse(text) for text in spec.constraints)
        names = tuple(slot.name for slot in slots)
        mentioned = frozenset[str]().union(*(constraint.names for constraint in constraints))
        if unknown := mentioned - set(names):
            raise ValueError(f"a constraint names {', '.join(sorted(unknown))}, which is no parameter")
        return cls(names, _ordered(slots, mentioned), constraints)

    def contains(self, configuration: Configuration) -> bool:
        """Whether exactly the parameters that exist have values of theirs, and all constraints hold."""
        own = self.coerce(configuration)
        return own is not None and all(constraint.holds(own) for constraint in self.constraints)

    def coerce(self, configuration: Mapping[str, object]) -> Configuration | None:
        """The configuration with the parameters' own types, constraints apart; None where it is not one of the space's."""
        chosen: dict[str, Scalar] = {}
        for slot in self.slots:
            if not slot.active(chosen):
                continue
            value = slot.dimension.coerce(configuration.get(slot.name))
            if value is None:
                return None
            chosen[slot.name] = value
        return self._tidy(chosen) if len(chosen) == len(configuration) else None

    def key(self, configuration: Configuration) -> Key:
        """What makes two configurations the same: a value, or None, for each parameter. 5 and 5.0 are the same."""
        return tuple(map(configuration.get, self.names))

    @functools.cached_property
    def finite(self) -> bool:
        """Whether every parameter has a countable number of values."""
        return all(slot.dimension.count is not None for slot in self.slots)

    def size(self) -> int | None:
        """The number of distinct configurations, constraints ignored.

        None when it is infinite, or when so many parameters decide over others that counting would take long.
        """
        return _count(self.slots)

    def draw(self, rng: random.Random, given: Configuration | None = None) -> Configuration | None:
        """One attempt at `sample`: None where the constraints, or the given values, are not satisfied."""
        fixed = given or {}
        chosen: dict[str, Scalar] = {}
        for slot in self.slots:
            if slot.active(chosen):
                chosen[slot.name] = fixed[slot.name] if slot.name in fixed else slot.dimension.at(rng.random())
        if not fixed.keys() <= chosen.keys() or not all(constraint.holds(chosen) for constraint in self.constraints):
            return None
        return self._tidy(chosen)

    def hint(self, rng: random.Random, *, centre: bool) -> Configuration | None:
        """A configuration from the user's beliefs, at their centre or drawn from them; all else is uniform.

        None where there are no beliefs, or where constraints leave nothing near them.
        """
        if all(slot.belief is None for slot in self.slots):
            return None
        for _ in range(REJECTIONS):
            chosen: dict[str, Scalar] = {}
            for slot in self.slots:
                if slot.active(chosen):
                    place = rng.random()
                    if slot.belief is not None:
                        place = slot.belief.centre() if centre else slot.belief.quantile(place)
                    chosen[slot.name] = slot.dimension.at(place)
            if all(constraint.holds(chosen) for constraint in self.constraints):
                return self._tidy(chosen)
        return None

    def sample(self, rng: random.Random, given: Configuration | None = None) -> Configuration:
        """A configuration that satisfies all constraints and has the given values; the others are uniform on their scale.

        Where constraints leave so little that random draws miss it, parameters are given values one by one, and the
        distribution is no longer uniform. Raises Infeasible when that finds nothing either.
        """
        for _ in range(REJECTIONS):
            if (drawn := self.draw(rng, given)) is not None:
                return drawn
        return self.search(rng, given)

    def search(self, rng: random.Random, given: Configuration | None = None) -> Configuration:
        """A configuration found by giving the parameters random values one by one, turning back where a constraint fails,
        or else by moving random values towards what the constraints ask.

        Finds what random draws would not, and so is far from uniform. Raises Infeasible when it finds nothing.
        """
        fixed = given or {}
        for _ in range(RESTARTS):
            if (
                found := next(self._walk(functools.partial(_some, rng=rng, given=fixed), fixed, BUDGET), None)
            ) is not None:
                return found
            if (found := self._descend(rng, fixed)) is not None:
                return found
        if self.finite:
            every = self._walk(functools.partial(_all, given=fixed), fixed, LAST_BUDGET)
            if (found := next(every, None)) is not None:
                return found
        raise Infeasible("no configuration that satisfies the constraints was found")

    def _descend(self, rng: random.Random, given: Configuration) -> Configuration | None:
        """A configuration found by moving a random one towards what the constraints ask; None where that ends elsewhere."""

        def made(places: Sequence[float]) -> dict[str, Scalar]:
            chosen: dict[str, Scalar] = {}
            for slot, place in zip(self.slots, places, strict=True):
                if slot.active(chosen):
                    chosen[slot.name] = given[slot.name] if slot.name in given else slot.dimension.at(place)
            return chosen

        def missed(places: Sequence[float]) -> list[float]:
            chosen = made(places)
            absent = float(len(given.keys() - chosen.keys()))
            return [absent, *(constraint.violation(chosen) for constraint in self.constraints)]

        moved = [index for index, slot in enumerate(self.slots) if slot.dimension.count != 1]
        places = approach.descend(missed, [rng.random() for _ in self.slots], moved, rng)
        # A strict inequality that is missed by nothing at all is missed by too little for a sum of squares.
        if places is None or any(part > 0 for part in missed(places)):
            return None
        return self._tidy(made(places))

    def enumerate(self, budget: int | None = None) -> Iterator[Configuration]:
        """All configurations that satisfy the constraints, each once, lazily and always in the same order.

        Ends early once `budget` values have been tried, so that constraints that hardly anything satisfies cannot hold
        up the caller for ever. Raises ValueError for a space with a continuous parameter.
        """
        if not self.finite:
            raise ValueError("a space with a continuous parameter cannot be enumerated; give the parameter a step")
        return self._walk(functools.partial(_all, given={}), budget=budget)

    def _walk(
        self,
        options: Callable[[Slot], Iterable[Scalar]],
        given: Configuration | None = None,
        budget: int | None = None,
    ) -> Iterator[Configuration]:
        """Depth first over the slots, leaving a branch at the first constraint that is decided and violated."""
        chosen: dict[str, Scalar] = {}
        required = given or {}

        def choices(slot: Slot) -> Iterator[Scalar | None]:
            if slot.active(chosen):
                return iter(options(slot))
            return iter(() if slot.name in required else (None,))

        path = [choices(self.slots[0])]
        visited = 0
        while path:
            slot, due = self.slots[len(path) - 1], self._due[len(path) - 1]
            chosen.pop(slot.name, None)
            try:
                value = next(path[-1])
            except StopIteration:
                path.pop()
                continue
            visited += 1
            if budget is not None and visited > budget:
                return
            if value is not None:
                chosen[slot.name] = value
            if not all(constraint.holds(chosen) for constraint in due):
                continue
            if len(path) < len(self.slots):
                path.append(choices(self.slots[len(path)]))
            else:
                yield self._tidy(chosen)

    @functools.cached_property
    def _due(self) -> tuple[tuple[expressions.Expression, ...], ...]:
        """For each slot, the constraints that are decided once it has a value."""
        place = {slot.name: index for index, slot in enumerate(self.slots)}
        last = [max((place[name] for name in constraint.names), default=0) for constraint in self.constraints]
        return tuple(
            tuple(c for c, index in zip(self.constraints, last, strict=True) if index == here)
            for here in range(len(self.slots))
        )

    def _tidy(self, chosen: Mapping[str, Scalar]) -> Configuration:
        return {name: chosen[name] for name in self.names if name in chosen}


def _slot(parameter: job.Parameter) -> Slot:
    values = dimension.from_parameter(parameter)
    when = tuple((parent, frozenset(allowed)) for parent, allowed in (parameter.when or {}).items())
    return Slot(values, when, belief.from_parameter(parameter, values))


def _ordered(slots: Sequence[Slot], mentioned: Set[str]) -> tuple[Slot, ...]:
    """Parents before children; before that, what constraints mention; before that, the manifest's order."""
    by_name = {slot.name: slot for slot in slots}
    placed: dict[str, Slot] = {}

    def place(slot: Slot, descendants: tuple[str, ...]) -> None:
        if slot.name in descendants:
            raise ValueError(f"{slot.name} depends on itself")
        for parent, _ in slot.when:
            if parent not in by_name:
                raise ValueError(f"{slot.name} depends on {parent}, which is no parameter")
            if parent not in placed:
                place(by_name[parent], (*descendants, slot.name))
        placed.setdefault(slot.name, slot)

    for slot in sorted(slots, key=lambda slot: slot.name not in mentioned):
        place(slot, ())
    return tuple(placed.values())


def _all(slot: Slot, given: Configuration) -> Iterable[Scalar]:
    return (given[slot.name],) if slot.name in given else dimension.values(slot.dimension)


def _some(slot: Slot, rng: random.Random, given: Configuration) -> Iterable[Scalar]:
    """A few random values of a slot, or all of them in random order when they are few."""
    if slot.name in given:
        return (given[slot.name],)
    count = slot.dimension.count
    if count is not None and count <= BREADTH:
        shuffled = sorted(range(count), key=lambda _: rng.random())
        return (slot.dimension.nth(index) for index in shuffled)
    return (slot.dimension.at(rng.random()) for _ in range(BREADTH))


def _count(slots: Sequence[Slot]) -> int | None:
    """Slot by slot, how many configurations lead to each case: the values so far that later slots depend on.

    Values of a parameter that no later slot tells apart are one case.
    """
    cases: Counter[tuple[tuple[str, Scalar], ...]] = Counter({(): 1})
    for index, slot in enumerate(slots):
        count = slot.dimension.count
        if count is None or len(cases) > MOST_CASES:
            return None
        later = [condition for other in slots[index + 1 :] for condition in other.when]
        needed = {parent for parent, _ in later}
        telling = {
            v
            for parent, allowed in later
            if parent == slot.name
            for v in allowed
            if slot.dimension.coerce(v) is not None
        }
        after: Counter[tuple[tuple[str, Scalar], ...]] = Counter()
        for case, ways in cases.items():
            known = tuple((name, value) for name, value in case if name in needed)
            if not slot.active(dict(case)):
                after[known] += ways
                continue
            for value in telling:
                after[(*known, (slot.name, value))] += ways
            after[known] += ways * (count - len(telling))
        cases = after
    return cases.total()
