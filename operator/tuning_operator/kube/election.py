"""Which of several operators works: the one that holds the Lease.

Two operators at once would be safe, since names and versions make every write idempotent, but they would do the work
twice. The client library's own election measures time by the wall clock, which an administrator or NTP may turn: a
leader would then believe in a term that is over. Here only a clock that nobody can turn counts, and times written by
others are compared for equality alone.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import logging
from collections.abc import Callable
from typing import NamedTuple

from tuning_operator.kube import client, gate, names

log = logging.getLogger(__name__)

VERSION = "coordination.k8s.io/v1"
LEASE_SECONDS = 10
"""Whoever has seen no renewal for so long takes the Lease."""


class Place(NamedTuple):
    """Where the Lease is."""

    namespace: str
    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class Terms:
    """Durations in seconds. A holder stops to write well before anybody else may begin to."""

    work: float = 7.0
    """The holder works for so long after the moment at which it sent its last renewal."""
    renew: float = 2.0
    """From one renewal to the next."""
    look: float = 1.0
    """From one look of those that wait to the next; also until a failed call is made again."""


@dataclasses.dataclass(frozen=True, slots=True)
class Held:
    """A Lease as stored. `stamp` changes with each renewal and is never read as a time."""

    holder: str
    stamp: str
    seconds: float
    transitions: int
    version: str


@dataclasses.dataclass(frozen=True, slots=True)
class Sighting:
    """What was last seen of the Lease, and since when (by our clock) it has looked like that."""

    held: Held
    since: float


def sight(before: Sighting | None, held: Held, now: float) -> Sighting:
    """What is known after a look at the Lease."""
    if before is not None and (before.held.holder, before.held.stamp) == (held.holder, held.stamp):
        return Sighting(held, before.since)
    return Sighting(held, now)


def free(seen: Sighting, me: str, now: float) -> bool:
    """Whether the Lease may be taken: it was released, is ours, or was not renewed for its whole duration."""
    return seen.held.holder in ("", me) or now - seen.since > seen.held.seconds


class Elector:
    """Tries to hold the Lease, and keeps the gate open while it does."""

    def __init__(
        self,
        api: client.Api,
        place: Place,
        identity: str,
        now: Callable[[], datetime.datetime],
        clock: gate.Clock = gate.elapsed,
        terms: Terms = Terms(),
    ) -> None:
        self._api = api
        self._collection = names.leases_path(place.namespace)
        self._name = place.name
        self._me = identity
        self._now = now
        self._clock = clock
        self._terms = terms
        self._seen: Sighting | None = None
        self._trouble = ""
        self.gate = gate.Gate(clock)
        self.won, self.lost = asyncio.Event(), asyncio.Event()
        """Exactly one of them is set. Whoever works must stop when `lost` is; the gate may have closed before."""
        self.lost.set()

    async def run(self) -> None:
        """Waits for the Lease and renews it, until cancelled."""
        while True:
            pause = await self.turn()
            await asyncio.sleep(min(pause, self.gate.left()) if self.won.is_set() else pause)
            self.expire()

    def expire(self) -> None:
        """Ends the term if its time is over."""
        if self.won.is_set() and not self.gate.left():
            self._lose("it was not renewed in time")

    async def turn(self) -> float:
        """One call, or a few; answers after how many seconds to make the next."""
        trouble = ""
        try:
            async with asyncio.timeout(self.gate.left() or self._terms.work):
                await (self._renew() if self.won.is_set() else self._try())
        except (client.ApiError, OSError, TimeoutError) as error:
            trouble = str(error) or "no answer in time"
            if trouble != self._trouble:
                log.warning("the lease is out of reach", extra={"lease": self._name, "why": trouble})
        self._trouble = trouble
        return self._terms.renew if self.won.is_set() and not trouble else self._terms.look

    async def release(self) -> None:
        """Gives the Lease up, so that nobody has to wait; writes must have ended before. Never fails."""
        self.gate.close()
        if not self.won.is_set() or self._seen is None:
            return
        self.won.clear()
        try:
            async with asyncio.timeout(self._terms.renew):
                await self._write(self._seen.held, holder="")
        except (client.ApiError, OSError, TimeoutError) as error:
            log.warning("the lease was not released; it runs out by itself", extra={"why": str(error)})

    async def _try(self) -> None:
        """Takes the Lease if it is free."""
        try:
            body = await self._api.get(f"{self._collection}/{self._name}")
        except client.NotFound:
            began = self._clock()
            manifest = {"apiVersion": VERSION, "kind": "Lease", "metadata": {"name": self._name}}
            manifest["spec"] = self._spec(None, self._me)
            try:
                body = await self._api.create(self._collection, manifest)
            except client.Conflict:
                return
            self._win(_held(body), began)
            return
        seen = self._seen = sight(self._seen, _held(body), self._clock())
        if free(seen, self._me, self._clock()):
            await self._take(seen.held)

    async def _take(self, held: Held) -> None:
        began = self._clock()
        try:
            self._win(await self._write(held, self._me), began)
        except client.Conflict:
            log.info("another operator was quicker", extra={"lease": self._name})

    async def _renew(self) -> None:
        assert self._seen is not None
        began = self._clock()
        try:
            self._win(await self._write(self._seen.held, self._me), began)
        except (client.Conflict, client.NotFound):
            # A renewal of ours that was never answered, somebody's label, or another holder.
            found = await self._find()
            if found is None or found.holder != self._me:
                self._lose(f"{found.holder or 'nobody'} has it" if found else "it was deleted")
            else:
                self._seen = Sighting(found, began)
                await self._take(found)

    async def _find(self) -> Held | None:
        try:
            return _held(await self._api.get(f"{self._collection}/{self._name}"))
        except client.NotFound:
            return None

    async def _write(self, held: Held, holder: str) -> Held:
        change = {"metadata": {"resourceVersion": held.version}, "spec": self._spec(held, holder)}
        return _held(await self._api.merge(f"{self._collection}/{self._name}", change))

    def _win(self, held: Held, began: float) -> None:
        self._seen = Sighting(held, began)
        self.gate.open(began + self._terms.work)
        if not self.won.is_set():
            log.info("leading", extra={"lease": self._name, "identity": self._me})
            self.lost.clear()
            self.won.set()

    def _lose(self, why: str) -> None:
        self.gate.close()
        self._seen = None
        self.won.clear()
        self.lost.set()
        log.warning("the lease is lost", extra={"lease": self._name, "why": why})

    def _spec(self, held: Held | None, holder: str) -> client.Object:
        moment = self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": holder or None, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": moment}
        if holder and (held is None or held.holder != holder):
            spec |= {"acquireTime": moment, "leaseTransitions": held.transitions + 1 if held else 0}
        return spec


class Alone:
    """Stands in for an Elector where there is no Lease: leads from the start."""

    def __init__(self) -> None:
        self.gate = gate.Gate()
        self.gate.open()
        self.won, self.lost = asyncio.Event(), asyncio.Event()
        self.won.set()

    async def run(self) -> None:
        """Does nothing until cancelled."""
        await asyncio.Event().wait()

    async def release(self) -> None:
        """Nobody waits for it."""
        self.gate.close()


def _held(body: client.Object) -> Held:
    spec = body.get("spec") or {}
    return Held(
        holder=spec.get("holderIdentity") or "",
        stamp=spec.get("renewTime") or "",
        seconds=float(spec.get("leaseDurationSeconds") or LEASE_SECONDS),
        transitions=int(spec.get("leaseTransitions") or 0),
        version=body["metadata"]["resourceVersion"],
    )
