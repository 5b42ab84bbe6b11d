"""The cluster as the scheduler sees it: nodes, what is taken on them, and where one more Pod would fit best.

Best fit: the node on which least is left over, so that what is free stays in large pieces and big trials stay possible;
nodes with devices that a Pod does not want come last. Each need keeps a heap of the nodes that it fits on. Only nodes
that have changed are scored again, so that a decision costs about the same with fifty nodes and with five thousand.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from tuning_operator.scheduling import nodes, quantities
from tuning_operator.scheduling.nodes import Bar, Node
from tuning_operator.scheduling.pods import Need, Pairs, Placement
from tuning_operator.scheduling.quantities import Amounts

KEPT_NEEDS = 256
"""For how many different needs the order of the nodes is kept."""

Score = tuple[int, int, int, float]
"""How much of a node would be wasted: kinds of device that the Pod does not want, how many of those that it wants would be
left, how many of them the node has in all (the large nodes are for those who need them), and what is left of the rest."""


@dataclasses.dataclass(frozen=True, slots=True)
class Shortage:
    """Why a Pod cannot run now: one word for programs, a sentence for people, and whether waiting cannot help."""

    reason: str
    message: str
    forever: bool = False


@dataclasses.dataclass(slots=True)
class Doors:
    """The nodes that are open to a placement, and why the others are not."""

    open: dict[str, None] = dataclasses.field(default_factory=dict)
    """A set that keeps its order."""
    barred: dict[str, tuple[Bar, str]] = dataclasses.field(default_factory=dict)

    def observe(self, node: Node, placement: Placement) -> None:
        """Takes in a node as it is now."""
        bar = nodes.bar(node, placement)
        if bar is None:
            self.barred.pop(node.name, None)
            self.open[node.name] = None
        else:
            self.open.pop(node.name, None)
            self.barred[node.name] = bar

    def forget(self, name: str) -> None:
        """A node is gone."""
        self.open.pop(name, None)
        self.barred.pop(name, None)


@dataclasses.dataclass(frozen=True, slots=True)
class Prospect:
    """Whether a need could ever be met: by nodes that are open to it, and by how many that are closed, by reason."""

    open: bool
    closed: Mapping[tuple[Bar, str], int]

    @property
    def never(self) -> bool:
        """Whether waiting cannot help."""
        return not self.open and not any(kind in (Bar.CORDONED, Bar.NOT_READY) for kind, _ in self.closed)


class Order:
    """The nodes on which a need fits, best first: a heap that may hold out-of-date scores of a node beside its right one."""

    def __init__(self, need: Need, barred: Mapping[str, object]) -> None:
        self.heap: list[tuple[Score, str]] = []
        self._requests = need.requests
        self._wanted = frozenset(key for key, _ in need.requests)
        self.barred = barred

    def push(self, node: Node, free: Amounts) -> None:
        """Takes in what is free on a node now."""
        if node.name not in self.barred and (score := self.score(node, free)) is not None:
            heapq.heappush(self.heap, (score, node.name))

    def score(self, node: Node, free: Amounts) -> Score | None:
        """How much of the node would be wasted; None where the need does not fit."""
        left, spare, size, given = 0.0, 0, 0, node.allocatable
        for key, value in self._requests:
            rest = free.get(key, 0) - value
            if rest < 0:
                return None
            if "/" in key:
                spare += rest
                size += given.get(key, 0)
            else:
                left += rest / (given.get(key) or 1)
        unwanted = sum(value > 0 for key, value in free.items() if "/" in key and key not in self._wanted)
        return unwanted, spare, size, round(left, 9)


class Cluster:
    """Nodes and the Pods on them. Not thread-safe."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.version = 0
        """Grows with every change."""
        self._pods: dict[str, tuple[str, Pairs]] = {}
        self._shapes: dict[Pairs, Pairs] = {}
        self._used: dict[str, dict[str, int]] = {}
        self._free: dict[str, dict[str, int]] = {}
        self._total: dict[str, int] = {}
        self._doors: dict[Placement, Doors] = {}
        self._prospects: dict[Need, Prospect] = {}
        self._orders: dict[Need, Order] = {}
        self._dirty: set[str] = set()

    @property
    def pods(self) -> Mapping[str, tuple[str, Pairs]]:
        """Node and requests of each Pod that takes room, by uid."""
        return self._pods

    @property
    def total(self) -> Amounts:
        """What all nodes have together."""
        return self._total

    def free(self, name: str) -> Amounts:
        """What is free on a node; less than nothing where more is taken than there is."""
        return self._free[name]

    def set_node(self, node: Node) -> None:
        """Takes in a node."""
        before = self.nodes.get(node.name)
        if before == node:
            return
        self._forget_total(before)
        for name, value in node.allocatable.items():
            self._total[name] = self._total.get(name, 0) + value
        self.nodes[node.name] = node
        self._recount(node.name)
        self._prospects.clear()
        for placement, doors in self._doors.items():
            doors.observe(node, placement)

    def drop_node(self, name: str) -> None:
        """A node is gone; its Pods may be seen for a while longer."""
        self._forget_total(self.nodes.pop(name, None))
        if self._free.pop(name, None) is not None:
            self.version += 1
            self._prospects.clear()
            for doors in self._doors.values():
                doors.forget(name)

    def set_pod(self, uid: str, node: str, requests: Pairs) -> None:
        """Takes in a Pod that takes room on a node."""
        requests = self._shapes.setdefault(requests, requests)
        before = self._pods.get(uid)
        if before == (node, requests):
            return
        if before is not None:
            self.drop_pod(uid)
        self._pods[uid] = (node, requests)
        self._shift(node, requests, 1)

    def drop_pod(self, uid: str) -> None:
        """A Pod takes no room any more."""
        known = self._pods.pop(uid, None)
        if known is not None:
            self._shift(*known, -1)

    def room(self) -> Room:
        """A working copy for one round of decisions. Its reservations end with it; one can be in use at a time."""
        renewed = False
        for need, order in list(self._orders.items()):
            if not renewed and len(order.heap) > 4 * len(self.nodes) + 64:
                del self._orders[need]
                renewed = True  # one in a round, as all nodes are scored for it
                continue
            for name in self._dirty & self.nodes.keys():
                order.push(self.nodes[name], self._free[name])
        self._dirty.clear()
        return Room(self)

    def doors(self, placement: Placement) -> Doors:
        """The nodes that are open to a placement."""
        known = self._doors.get(placement)
        if known is None:
            if len(self._doors) >= KEPT_NEEDS:
                self._doors.clear()
                self._orders.clear()
            known = self._doors[placement] = Doors()
            for node in self.nodes.values():
                known.observe(node, placement)
        return known

    def prospect(self, need: Need) -> Prospect:
        """Whether the need could ever be met, were all nodes empty."""
        known = self._prospects.get(need)
        if known is None:
            if len(self._prospects) >= KEPT_NEEDS:
                self._prospects.clear()
            doors = self.doors(need.placement)
            # A node that is closed and too small besides would not help if it were opened.
            closed = Counter(why for name, why in doors.barred.items() if fits(need, self.nodes[name].allocatable))
            able = any(fits(need, self.nodes[name].allocatable) for name in doors.open)
            known = self._prospects[need] = Prospect(able, closed)
        return known

    def order(self, need: Need, free: Callable[[str], Amounts]) -> Order:
        """The nodes on which the need fits, best first."""
        known = self._orders.get(need)
        if known is None:
            if len(self._orders) >= KEPT_NEEDS:
                del self._orders[next(iter(self._orders))]
            known = self._orders[need] = Order(need, self.doors(need.placement).barred)
            for name in self.doors(need.placement).open:
                known.push(self.nodes[name], free(name))
        return known

    def orders(self) -> Iterable[Order]:
        """The orders that are kept."""
        return self._orders.values()

    def touch(self, name: str) -> None:
        """What is free on a node is not what the heaps say."""
        self._dirty.add(name)

    def _shift(self, node: str, requests: Pairs, sign: int) -> None:
        used = self._used.setdefault(node, {})
        free = self._free.get(node)
        for name, value in requests:
            used[name] = used.get(name, 0) + sign * value
            if free is not None:
                free[name] = free.get(name, 0) - sign * value
        if free is None and not any(used.values()):
            del self._used[node]
        self._dirty.add(node)
        self.version += 1

    def _recount(self, name: str) -> None:
        used, given = self._used.get(name, {}), self.nodes[name].allocatable
        self._free[name] = {key: given.get(key, 0) - used.get(key, 0) for key in {**given, **used}}
        self._dirty.add(name)
        self.version += 1

    def _forget_total(self, node: Node | None) -> None:
        for name, value in node.allocatable.items() if node else ():
            self._total[name] -= value


class Room:
    """What is free in one round of decisions, less what has been given away in it."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._taken: dict[str, dict[str, int]] = {}
        self._held: set[str] = set()

    def free(self, name: str) -> Amounts:
        """What is left on a node."""
        return self._taken.get(name) or self._cluster.free(name)

    def find(self, need: Need) -> str | None:
        """The node that the need fits on best; None where there is none."""
        cluster = self._cluster
        order = cluster.order(need, self.free)
        found, held = None, []
        while order.heap and found is None:
            score, name = order.heap[0]
            node = cluster.nodes.get(name)
            if node is None or name in order.barred or score != order.score(node, self.free(name)):
                heapq.heappop(order.heap)
                # Out of date; where it fits in another way, its right score is in the heap beside.
                cluster.touch(name)
            elif name in self._held:
                held.append(heapq.heappop(order.heap))
            else:
                found = name
        for entry in held:
            heapq.heappush(order.heap, entry)
        return found

    def reserve(self, need: Need, name: str) -> None:
        """Gives room on a node away."""
        cluster = self._cluster
        left = self._taken.get(name)
        if left is None:
            left = self._taken[name] = dict(cluster.free(name))
        for key, value in need.requests:
            left[key] = left.get(key, 0) - value
        cluster.touch(name)
        for order in cluster.orders():
            order.push(cluster.nodes[name], left)

    def place(self, need: Need) -> str | None:
        """Reserves room on the best node and answers which one; None where there is no room."""
        name = self.find(need)
        if name is not None:
            self.reserve(need, name)
        return name

    def hold(self, need: Need) -> str | None:
        """Keeps everybody off the node that will soonest have room for the need; None if no node ever has."""
        cluster = self._cluster
        able = [
            name
            for name in cluster.doors(need.placement).open
            if name not in self._held and fits(need, cluster.nodes[name].allocatable)
        ]
        best = max(able, key=lambda name: (self._nearness(need, name), name), default=None)
        if best is not None:
            self._held.add(best)
        return best

    def _nearness(self, need: Need, name: str) -> float:
        free = self.free(name)
        return min((free.get(key, 0) / value for key, value in need.requests), default=0.0)

    def shortage(self, need: Need, *, brief: bool = False) -> Shortage:
        """Why the need fits nowhere now. To say it in words takes a look at all nodes; `brief` leaves them out."""
        prospect = self._cluster.prospect(need)
        reason = "FitsNoNode" if prospect.never else "NodesFull"
        return Shortage(reason, "" if brief else self._words(need, prospect), prospect.never)

    def _words(self, need: Need, prospect: Prospect) -> str:
        doors = self._cluster.doors(need.placement)
        phrases = [*self._lacking(need, doors.open), *nodes.describe(prospect.closed, "more " if doors.open else "")]
        if not doors.open:
            phrases.insert(0, f"needs {_whole(need)}; no node that could take it is open to it")
        return "; ".join(phrases)

    def _lacking(self, need: Need, names: Collection[str]) -> Iterator[str]:
        """What is too little, on the nodes that are open to the need."""
        if not names:
            return
        short = False
        for key, value in sorted(need.requests, key=lambda item: (not quantities.is_device(item[0]), item[0])):
            left = [max(0, self.free(name).get(key, 0)) for name in names]
            if max(left) >= value:
                continue
            short = True
            have = [amount for name in names if (amount := self._cluster.nodes[name].allocatable.get(key, 0)) > 0]
            yield _phrase(key, value, left, have)
        if not short:
            yield f"needs {_whole(need)} on one node; none has all of it free at once"


def _whole(need: Need) -> str:
    parts = (f"{quantities.say(key, value)} {key}" for key, value in need.requests if key != quantities.PODS)
    return " and ".join(parts) or "room for a Pod"


def _phrase(key: str, value: int, left: list[int], have: list[int]) -> str:
    needs = f"needs {quantities.say(key, value)} {key}"
    if not have:
        return f"{needs}; no node that is open to it has any"
    where = f"on {len(have)} node{'' if len(have) == 1 else 's'}"
    free = f"{quantities.say(key, sum(left))} of {quantities.say(key, sum(have))} free {where}"
    if max(have) < value:
        return f"{needs}; no node that is open to it has more than {quantities.say(key, max(have))}"
    return f"{needs}; {free}" + (f", at most {quantities.say(key, max(left))} on one" if sum(left) >= value else "")


def fits(need: Need, free: Amounts) -> bool:
    """Whether so much is free."""
    return all(free.get(key, 0) >= value for key, value in need.requests)
