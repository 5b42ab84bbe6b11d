"""One holder at a time, by a clock that nobody turns; and no write after the term, whoever was asleep."""

from __future__ import annotations

import copy
import datetime
from typing import Any

import pytest

from tuning_operator.kube import client, election, gate

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
PLACE = election.Place("system", "tuning-operator")
TERMS = election.Terms()


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Server:
    """Keeps one Lease as an API server does: by versions."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.down = False
        self.deaf = False
        """Carries calls out and does not answer."""
        self.slow = 0.0

    async def get(self, path: str) -> client.Object:
        self._answer()
        if self.lease is None:
            raise client.NotFound(404, "NotFound", path)
        return copy.deepcopy(self.lease)

    async def create(self, path: str, body: client.Object) -> client.Object:
        assert path == "/apis/coordination.k8s.io/v1/namespaces/system/leases"
        self._answer()
        if self.lease is not None:
            raise client.Conflict(409, "AlreadyExists", path)
        return self._store(body["spec"])

    async def merge(self, path: str, change: client.Object) -> client.Object:
        self._answer()
        if self.lease is None:
            raise client.NotFound(404, "NotFound", path)
        if change["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise client.Conflict(409, "Conflict", path)
        found = self._store({**self.lease["spec"], **change["spec"]})
        if self.deaf:
            raise TimeoutError
        return found

    def _store(self, spec: dict[str, Any]) -> client.Object:
        self.version += 1
        held = {name: value for name, value in spec.items() if value is not None}
        self.lease = {"metadata": {"resourceVersion": str(self.version)}, "spec": held}
        return copy.deepcopy(self.lease)

    def _answer(self) -> None:
        self.clock.seconds += self.slow
        if self.down:
            raise ConnectionError("refused")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Server:
    return Server(clock)


def elector(server: Server, identity: str, clock: Clock | None = None) -> election.Elector:
    dates = iter(NOW + datetime.timedelta(seconds=number) for number in range(1000))
    return election.Elector(server, PLACE, identity, lambda: next(dates), clock or server.clock)  # type: ignore[arg-type]


async def test_a_free_lease_is_taken_at_once(server: Server) -> None:
    one = elector(server, "one")
    await one.turn()
    assert one.won.is_set()
    assert one.gate.left() == pytest.approx(TERMS.work)
    assert server.lease is not None
    assert server.lease["spec"]["holderIdentity"] == "one"
    assert "acquireTime" in server.lease["spec"]


async def test_the_second_waits_for_as_long_as_the_first_renews(server: Server, clock: Clock) -> None:
    one, two = elector(server, "one"), elector(server, "two")
    for _ in range(20):
        await one.turn()
        await two.turn()
        clock.seconds += TERMS.renew
    assert one.won.is_set()
    assert not two.won.is_set()
    with pytest.raises(gate.NotLeading):
        two.gate.passage()


async def test_the_second_takes_over_within_15_seconds_and_after_the_first_has_stopped(
    server: Server, clock: Clock
) -> None:
    one, two = elector(server, "one"), elector(server, "two")
    await one.turn()
    began = clock.seconds
    while not two.won.is_set():
        await two.turn()
        clock.seconds += TERMS.look
        assert not (two.won.is_set() and one.gate.left())
    assert TERMS.work < clock.seconds - began <= 15
    one.expire()
    assert one.lost.is_set()
    await one.turn()
    assert one.lost.is_set()
    assert server.lease is not None
    assert server.lease["spec"]["leaseTransitions"] == 1


async def test_a_released_lease_is_taken_at_the_next_look(server: Server) -> None:
    one, two = elector(server, "one"), elector(server, "two")
    await one.turn()
    await two.turn()
    await one.release()
    with pytest.raises(gate.NotLeading):
        one.gate.passage()
    await two.turn()
    assert two.won.is_set()


async def test_a_container_that_starts_again_need_not_wait_for_itself(server: Server) -> None:
    await elector(server, "one").turn()
    again = elector(server, "one")
    await again.turn()
    assert again.won.is_set()


async def test_a_holder_that_cannot_renew_stops_before_anybody_else_starts(server: Server, clock: Clock) -> None:
    one = elector(server, "one")
    await one.turn()
    server.down = True
    while one.won.is_set():
        clock.seconds += await one.turn()
        one.expire()
    assert clock.seconds - 1000 < election.LEASE_SECONDS
    server.down = False
    await one.turn()
    assert one.won.is_set(), "nobody has taken it meanwhile"


async def test_time_counts_from_before_the_renewal_was_sent(server: Server) -> None:
    one = elector(server, "one")
    server.slow = 3.0
    await one.turn()
    await one.turn()
    assert one.gate.left() == pytest.approx(TERMS.work - 3.0)


async def test_a_renewal_that_was_carried_out_but_not_answered_is_no_loss(server: Server) -> None:
    one = elector(server, "one")
    await one.turn()
    server.deaf = True
    await one.turn()
    server.deaf = False
    await one.turn()
    assert one.won.is_set()


@pytest.mark.parametrize("thief", [None, "two"], ids=["deleted", "stolen"])
async def test_a_lease_that_is_gone_is_a_term_that_is_over(server: Server, thief: str | None) -> None:
    one = elector(server, "one")
    await one.turn()
    if thief is None:
        server.lease = None
    else:
        server._store({"holderIdentity": thief, "leaseDurationSeconds": 10, "renewTime": "x"})
    await one.turn()
    assert one.lost.is_set()
    assert not one.gate.left()


async def test_the_wall_clock_does_not_matter(server: Server, clock: Clock) -> None:
    """A holder whose date is an hour behind, or ahead, is no holder that has ended."""
    one, two = elector(server, "one"), elector(server, "two")
    await one.turn()
    assert server.lease is not None
    server.lease["spec"]["renewTime"] = "1999-01-01T00:00:00.000000Z"
    await two.turn()
    clock.seconds += election.LEASE_SECONDS - 1
    await two.turn()
    assert not two.won.is_set()


async def test_a_refused_lease_is_told_once(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    one = elector(server, "one")
    server.down = True
    for _ in range(5):
        await one.turn()
    assert len([record for record in caplog.records if "out of reach" in record.getMessage()]) == 1


def test_a_gate_lets_a_write_take_no_longer_than_the_term(clock: Clock) -> None:
    guard = gate.Gate(clock)
    with pytest.raises(gate.NotLeading):
        guard.passage()
    guard.open(clock() + 5)
    clock.seconds += 3
    assert guard.passage() == pytest.approx(2)
    clock.seconds += 2
    with pytest.raises(gate.NotLeading):
        guard.passage()
