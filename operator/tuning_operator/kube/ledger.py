"""Who may start what: the room that jobs ask for, the room that they were given, and the rounds that decide it.

Decisions are `scheduling.sharing`'s, for all jobs at once. This keeps the books in between: what a job wants, which of
its Pods the cluster's view does not show yet (they count as if they ran), and what was promised and not yet used. All
of it is derived; a restarted operator opens new books.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from tuning_operator.kube import capacity, store
from tuning_operator.scheduling import cluster, nodes, pods, quantities, quotas, sharing
from tuning_operator.tuner import state

log = logging.getLogger(__name__)

MOST = 64
"""How many trials get room in one round, so that a round does not hold up the event loop."""
LEAST_PAUSE_SECONDS = 0.02
SHARE_OF_TIME = 5
"""A round is followed by a pause of so many times its own length at least."""
QUOTA_LAG_SECONDS = 1.0
"""A quota may be heard of so much later than the Pod that it counts."""
RETELL_SECONDS = 30.0
"""A shortage that only reads a little different is told again after this time."""
TRIALS = "trials"
"""What is shared where nodes cannot be seen."""

HIDDEN = "; what nodes have free is not known, as the operator may not read nodes"


@dataclasses.dataclass(frozen=True, slots=True)
class Live:
    """A Pod that runs or is going to."""

    uid: str
    profile: str
    node: str


@dataclasses.dataclass(frozen=True, slots=True)
class Mold:
    """What trials in one profile look like: a Pod's manifest, and how long the job waits before it uses it."""

    profile: str
    manifest: Mapping[str, Any]
    after: datetime.timedelta = datetime.timedelta()


@dataclasses.dataclass(frozen=True, slots=True)
class Party:
    """What a job asks for, as of its last look."""

    molds: tuple[Mold, ...]
    wants: int
    base: int
    live: tuple[Live, ...] = ()
    waits_since: datetime.datetime | None = None
    """Since when it waits, by its status; for an operator that has just started."""


@dataclasses.dataclass(slots=True, eq=False)
class Claim:
    """Room that is being used at this moment."""

    key: store.Key
    grant: sharing.Grant
    at: float
    uid: str = ""
    """The Pod that uses it, once it is made."""


class Ledger:
    """The books. `changed` is told of each job that may start something, or is to tell something else."""

    def __init__(
        self,
        view: capacity.Capacity,
        policy: sharing.Policy,
        clock: Callable[[], datetime.datetime],
        changed: Callable[[store.Key], None],
    ) -> None:
        self._view = view
        self._policy = policy
        self._clock = clock
        self._changed = changed
        self._parties: dict[store.Key, Party] = {}
        self._since: dict[store.Key, datetime.datetime] = {}
        self._grants: dict[store.Key, list[sharing.Grant]] = {}
        self._told: dict[store.Key, tuple[cluster.Shortage | None, float]] = {}
        self._claims: list[Claim] = []
        self._needs: dict[tuple[store.Key, str], tuple[Mapping[str, Any], tuple[Any, ...], pods.Need]] = {}
        self._news = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None

    def offer(self, key: store.Key) -> state.Offer:
        """What the job may start."""
        if key not in self._told:
            return state.Offer(known=False)
        return state.Offer(tuple(grant.profile for grant in self._grants.get(key, ())), self._told[key][0])

    def report(self, key: store.Key, party: Party) -> None:
        """What the job asks for now."""
        before = self._parties.get(key)
        self._parties[key] = party
        uids = {live.uid for live in party.live}
        self._claims = [one for one in self._claims if one.key != key or not one.uid or one.uid in uids]
        if party.wants == 0:
            self._since.pop(key, None)
        if before != party:
            self.wake()

    def forget(self, key: store.Key) -> None:
        """The job is over or gone."""
        for book in (self._parties, self._since, self._grants, self._told):
            book.pop(key, None)
        for known in [known for known in self._needs if known[0] == key]:
            del self._needs[known]
        self._claims = [one for one in self._claims if one.key != key]
        self.wake()

    def claim(self, key: store.Key, profile: str) -> Claim | None:
        """Takes up room that was granted; None if it is no longer."""
        granted = self._grants.get(key, [])
        found = next((grant for grant in granted if grant.profile == profile), None)
        if found is None:
            return None
        granted.remove(found)
        self._since.pop(key, None)
        claim = Claim(key, found, asyncio.get_running_loop().time())
        self._claims.append(claim)
        return claim

    def release(self, claim: Claim) -> None:
        """Room that was taken up was not used after all."""
        if claim in self._claims:
            self._claims.remove(claim)
            self.wake()

    def wake(self) -> None:
        """Something is other than before: decide again, if anybody wants anything."""
        if any(party.wants for party in self._parties.values()):
            self._news.set()

    async def run(self) -> None:
        """Decides whenever there is reason to, until cancelled."""
        await self._view.settled()
        loop = asyncio.get_running_loop()
        while True:
            await self._news.wait()
            self._news.clear()
            began = loop.time()
            self._decide(began)
            await asyncio.sleep(max(LEAST_PAUSE_SECONDS, SHARE_OF_TIME * (loop.time() - began)))

    def close(self) -> None:
        """Cancels the appointment for the next round."""
        if self._alarm is not None:
            self._alarm.cancel()

    def _decide(self, now: float) -> None:
        """One round for all jobs."""
        moment = self._clock()
        model = self._view.cluster if self._view.sees_nodes else _blank()
        room = model.room()
        demands = [self._demand(key, party, moment) for key, party in self._parties.items()]
        self._reserve(room, model)
        limits, lags = self._limits(now)
        silent = {key for key, (told, at) in self._told.items() if told is not None and now - at < RETELL_SECONDS}
        verdicts = sharing.allocate(room, model.total, limits, demands, moment, self._policy, MOST, silent)
        given = 0
        for demand in demands:
            key: store.Key = demand.key  # type: ignore[assignment]
            given += len(verdicts[key].grants)
            self._publish(key, verdicts[key], now)
        if given >= MOST:
            self._news.set()
        wakes = [verdict.wake for verdict in verdicts.values() if verdict.wake is not None]
        wakes += [at + self._policy.patience for key, at in self._since.items() if at + self._policy.patience > moment]
        pauses = [(at - moment).total_seconds() for at in wakes] + ([QUOTA_LAG_SECONDS] if lags else [])
        self._set_alarm(min(pauses, default=None))

    def _publish(self, key: store.Key, verdict: sharing.Verdict, now: float) -> None:
        shortage, (before, at) = verdict.shortage, self._told.get(key, (None, now))
        if shortage is None or shortage.message:
            at = now
            if shortage is not None and not self._view.sees_nodes:
                shortage = dataclasses.replace(shortage, message=shortage.message + HIDDEN)
        elif _alike(before, shortage):
            shortage = before
        else:
            # It is another one than was told: the next round is to put it into words.
            shortage, at = before, -math.inf
            self._news.set()
        first = key not in self._told
        self._told[key] = (shortage, at)
        if first or shortage != before or self._grants.get(key, []) != list(verdict.grants):
            self._grants[key] = list(verdict.grants)
            self._changed(key)

    def _demand(self, key: store.Key, party: Party, moment: datetime.datetime) -> sharing.Demand:
        shapes = tuple(sharing.Shape(mold.profile, self._need(key, mold), mold.after) for mold in party.molds)
        if party.wants:
            self._since.setdefault(key, party.waits_since or moment)
        by_profile = {shape.profile: shape.need for shape in shapes}
        seen = {live.uid for live in party.live}
        claims = [one for one in self._claims if one.key == key and one.uid not in seen]
        holding = [by_profile.get(live.profile, shapes[0].need) for live in party.live]
        holding += [one.grant.need for one in claims]
        return sharing.Demand(
            key=key,
            namespace=key.namespace,
            shapes=shapes,
            wants=max(0, party.wants - len(claims)),
            runs=len(holding),
            holds=quantities.total(dict(need.requests) for need in holding),
            base=party.base,
            since=self._since.get(key),
        )

    def _need(self, key: store.Key, mold: Mold) -> pods.Need:
        ranges = self._view.ranges(key.namespace)
        known = self._needs.get((key, mold.profile))
        if known is None or known[0] is not mold.manifest or known[1] != ranges:
            known = self._needs[key, mold.profile] = (mold.manifest, ranges, pods.need(mold.manifest, ranges))
        if self._view.sees_nodes:
            return known[2]
        return dataclasses.replace(known[2], requests=((TRIALS, 1),), placement=pods.Placement())

    def _reserve(self, room: cluster.Room, model: cluster.Cluster) -> None:
        """What our own Pods take that the view does not show yet."""
        known = {one.uid: one.grant for one in self._claims if one.uid}
        listed = {live.uid for party in self._parties.values() for live in party.live}
        for one in self._claims:
            if one.uid not in listed and one.uid not in model.pods and one.grant.node in model.nodes:
                room.reserve(one.grant.need, one.grant.node)
        for key, party in self._parties.items():
            for live in party.live:
                if live.uid in model.pods:
                    continue
                need = self._need(key, next((m for m in party.molds if m.profile == live.profile), party.molds[0]))
                node = live.node or (known[live.uid].node if live.uid in known else "")
                if node in model.nodes:
                    room.reserve(need, node)
                else:
                    room.place(need)

    def _limits(self, now: float) -> tuple[dict[str, tuple[quotas.Quota, ...]], bool]:
        """The quotas, less what our newest Pods take that they may not count yet; and whether there are such Pods."""
        found, lags = self._view.quotas(), False
        for one in self._claims:
            namespace = one.key.namespace
            if namespace not in found or (one.uid and one.at <= self._view.told_at(namespace) - QUOTA_LAG_SECONDS):
                continue
            if one.uid and one.at <= now - 2 * QUOTA_LAG_SECONDS:
                continue
            lags = True
            found[namespace] = tuple(_charged(quota, one.grant.need) for quota in found[namespace])
        return found, lags

    def _set_alarm(self, seconds: float | None) -> None:
        self.close()
        if seconds is not None:
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_later(max(0.0, seconds), self._news.set)


def _charged(quota: quotas.Quota, need: pods.Need) -> quotas.Quota:
    if not quotas.counts(quota, need):
        return quota
    return dataclasses.replace(quota, used=quantities.total((quota.used, dict(need.charges))))


def _alike(one: cluster.Shortage | None, other: cluster.Shortage | None) -> bool:
    """Whether two shortages differ in their numbers at most."""
    if one is None or other is None:
        return one is other
    return (one.reason, one.forever) == (other.reason, other.forever)


def _blank() -> cluster.Cluster:
    """A cluster that has room for everything: what there is has to be found out by trying."""
    made = cluster.Cluster()
    made.set_node(nodes.Node("", {}, (), {TRIALS: 2**31}))
    return made
