"""Whose turn it is: what each job may start now, and why it may not start more.

Weighted dominant-resource fairness (Ghodsi et al., NSDI 2011), first among namespaces and then among the jobs of one:
the next trial goes to whoever holds the smallest share of the resource that it holds most of. Jobs of a higher priority
go first. A job that has been kept waiting too long goes before all others, and a node is kept free for it, so that no
stream of small trials keeps a big one from ever starting. What is idle after that goes to those that take more than
they asked for at least. No room is left unused while anybody could use it, except on nodes that are kept free.
"""

from __future__ import annotations

import dataclasses
import datetime
import heapq
from collections.abc import Collection, Hashable, Mapping, Sequence

from tuning_operator.scheduling import cluster, quantities, quotas
from tuning_operator.scheduling.pods import Need
from tuning_operator.scheduling.quantities import Amounts


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """One way to run a trial; those before it are preferred until they have been waited for long enough."""

    profile: str
    need: Need
    after: datetime.timedelta = datetime.timedelta()
    """How long the job has to have waited before this shape is taken."""


@dataclasses.dataclass(frozen=True, slots=True)
class Demand:
    """What a job wants to start."""

    key: Hashable
    namespace: str
    shapes: tuple[Shape, ...]
    wants: int
    """How many more trials."""
    runs: int = 0
    """How many have room already."""
    holds: Amounts = dataclasses.field(default_factory=dict)
    """What those take."""
    base: int = 1_000_000
    """Up to so many trials are the job's due; those beyond it are for idle room only."""
    weight: float = 1.0
    since: datetime.datetime | None = None
    """Since when the job has waited for room."""


@dataclasses.dataclass(frozen=True, slots=True)
class Policy:
    """How the cluster's administrator wants it shared."""

    weights: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Weights of namespaces; 1 where nothing is said."""
    patience: datetime.timedelta = datetime.timedelta(minutes=10)
    """A job of which nothing runs goes before all others after this time."""


EQUAL = Policy()
"""All namespaces are worth the same."""


@dataclasses.dataclass(frozen=True, slots=True)
class Grant:
    """Room for one trial."""

    profile: str
    need: Need
    node: str


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What a job may start, and if it wants more: why not, and when that may change by itself."""

    grants: tuple[Grant, ...] = ()
    shortage: cluster.Shortage | None = None
    wake: datetime.datetime | None = None


def allocate(
    room: cluster.Room,
    total: Amounts,
    namespaces: Mapping[str, Sequence[quotas.Quota]],
    demands: Sequence[Demand],
    now: datetime.datetime,
    policy: Policy = EQUAL,
    most: int = 1_000_000,
    silent: Collection[Hashable] = (),
) -> dict[Hashable, Verdict]:
    """A verdict for each demand. `total` is what the whole cluster has, `namespaces` are the quotas of each.

    At most `most` trials get room in this round: a caller that may not block for long asks again. The shortages of the
    demands in `silent` are not put into words, which takes a look at all nodes.
    """
    return _Round(room, total, namespaces, demands, now, policy, silent).run(most)


@dataclasses.dataclass(slots=True)
class _Standing:
    """A demand in the course of a round."""

    demand: Demand
    shapes: list[Shape]
    share: float
    grants: list[Grant] = dataclasses.field(default_factory=list)
    blocked: list[cluster.Shortage] = dataclasses.field(default_factory=list)

    @property
    def runs(self) -> int:
        return self.demand.runs + len(self.grants)


class _Round:
    """One round of decisions."""

    def __init__(
        self,
        room: cluster.Room,
        total: Amounts,
        namespaces: Mapping[str, Sequence[quotas.Quota]],
        demands: Sequence[Demand],
        now: datetime.datetime,
        policy: Policy,
        silent: Collection[Hashable],
    ) -> None:
        self._silent = silent
        self._room = room
        self._total = total
        self._quotas = namespaces
        self._now = now
        self._policy = policy
        self._charged = {(name, one.name): dict(one.used) for name, several in namespaces.items() for one in several}
        self._held: dict[str, dict[str, int]] = {}
        for demand in demands:
            mine = self._held.get(demand.namespace, {})
            self._held[demand.namespace] = quantities.total((mine, demand.holds))
        self._shares = {name: share(holds, total) for name, holds in self._held.items()}
        self._standings = [
            _Standing(demand, self._allowed(demand), share(demand.holds, total) / demand.weight) for demand in demands
        ]
        self._holdings = {id(one): dict(one.demand.holds) for one in self._standings}

    def run(self, most: int) -> dict[Hashable, Verdict]:
        """Gives room away one trial at a time, until nobody wants or finds any, or `most` have some."""
        order = [(self._rank(one), index) for index, one in enumerate(self._standings) if one.demand.wants > 0]
        heapq.heapify(order)
        while order and most > 0:
            rank, index = heapq.heappop(order)
            one = self._standings[index]
            now = self._rank(one)
            if now != rank:  # a sibling of its namespace was served meanwhile
                heapq.heappush(order, (now, index))
            elif self._serve(one):
                most -= 1
                if len(one.grants) < one.demand.wants:
                    heapq.heappush(order, (self._rank(one), index))
        return {one.demand.key: self._verdict(one) for one in self._standings}

    def _allowed(self, demand: Demand) -> list[Shape]:
        """The shapes that have been waited for long enough; the first one always."""
        waited = self._now - demand.since if demand.since is not None else datetime.timedelta()
        return [shape for index, shape in enumerate(demand.shapes) if index == 0 or waited >= shape.after]

    def _starves(self, one: _Standing) -> bool:
        since = one.demand.since
        return one.runs == 0 and since is not None and self._now - since >= self._policy.patience

    def _rank(self, one: _Standing) -> tuple[object, ...]:
        """The smallest rank is served next."""
        demand = one.demand
        since = demand.since or self._now
        weight = self._policy.weights.get(demand.namespace, 1.0)
        return (
            not self._starves(one),
            one.runs >= demand.base,
            -demand.shapes[0].need.priority,
            self._shares.get(demand.namespace, 0.0) / weight,
            one.share,
            since,
            str(demand.key),
        )

    def _serve(self, one: _Standing) -> bool:
        """Gives one trial room, in the first shape for which there is any."""
        one.blocked = []
        for shape in one.shapes:
            if shortage := self._refused(one.demand.namespace, shape.need):
                one.blocked.append(shortage)
                continue
            node = self._room.place(shape.need)
            if node is None:
                one.blocked.append(self._room.shortage(shape.need, brief=one.demand.key in self._silent))
                continue
            one.blocked = []
            self._charge(one, shape.need)
            one.grants.append(Grant(shape.profile, shape.need, node))
            return True
        if self._starves(one):
            any(self._room.hold(shape.need) for shape in one.shapes)
        return False

    def _refused(self, namespace: str, need: Need) -> cluster.Shortage | None:
        """The shortage that the namespace's quotas make."""
        for one in self._quotas.get(namespace, ()):
            if why := quotas.describe(one, need, self._charged[namespace, one.name]):
                forever = quotas.too_small(one, need)
                return cluster.Shortage("QuotaTooSmall" if forever else "QuotaExceeded", why, forever)
        return None

    def _charge(self, one: _Standing, need: Need) -> None:
        demand = one.demand
        for quota in self._quotas.get(demand.namespace, ()):
            if quotas.counts(quota, need):
                used = self._charged[demand.namespace, quota.name]
                for name, value in need.charges:
                    used[name] = used.get(name, 0) + value
        mine, family = self._holdings[id(one)], self._held[demand.namespace]
        for name, value in need.requests:
            mine[name] = mine.get(name, 0) + value
            family[name] = family.get(name, 0) + value
        one.share = share(mine, self._total) / demand.weight
        self._shares[demand.namespace] = share(family, self._total)

    def _verdict(self, one: _Standing) -> Verdict:
        demand = one.demand
        if len(one.grants) >= demand.wants or not one.blocked:
            return Verdict(tuple(one.grants))
        wake = None
        if len(one.shapes) < len(demand.shapes):
            wake = (demand.since or self._now) + demand.shapes[len(one.shapes)].after
        return Verdict(tuple(one.grants), _told(one, demand.key in self._silent), wake)


def _told(one: _Standing, brief: bool) -> cluster.Shortage:
    """The shortage of a job, by profile where it has several."""
    if len(one.demand.shapes) == 1:
        return dataclasses.replace(one.blocked[0], message="") if brief else one.blocked[0]
    lines = [f"{shape.profile}: {why.message}" for shape, why in zip(one.shapes, one.blocked, strict=True)]
    lines += [f"{shape.profile}: only after {shape.after} of waiting" for shape in one.demand.shapes[len(one.shapes) :]]
    forever = len(one.blocked) == len(one.demand.shapes) and all(why.forever for why in one.blocked)
    first = next((why for why in one.blocked if not why.forever), one.blocked[0])
    return cluster.Shortage(first.reason, "" if brief else "; ".join(lines), forever)


def share(holds: Amounts, total: Amounts) -> float:
    """The dominant share: the largest part of any resource that is held."""
    return max(
        (value / total[name] for name, value in holds.items() if name != quantities.PODS and total.get(name)),
        default=0.0,
    )
