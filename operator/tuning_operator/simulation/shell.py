"""The third shell around the tuner: it observes the world, asks for a plan and carries it out, one step at a time.

What it remembers between two looks is what the operator remembers, and may be lost as easily: a crash is a shell that
is dropped between two steps and another one that takes its place.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Generator, Sequence

from tuning_operator.search import suggest
from tuning_operator.simulation import fates, world
from tuning_operator.tuner import actions, plan, proposing, state

PATIENCE = 15.0
"""Seconds after which an attempt that the world refused is tried again."""

MAX_ROUNDS = 1000

Propose = Callable[[Sequence[suggest.Request]], tuple[suggest.Suggestion, ...]]


class Restless(Exception):
    """The tuner does not come to rest: it would keep a processor busy, or an API server."""


@dataclasses.dataclass(frozen=True, slots=True)
class Search:
    """A search under way: what it was asked, and when it will be done."""

    wanted: tuple[tuple[int, frozenset[int]], ...]
    requests: tuple[suggest.Request, ...]
    due: float


class Shell:
    """One operator. `thinks` is how many seconds a search takes; `decide` stands for `plan.plan`."""

    def __init__(
        self,
        around: world.World,
        propose: Propose = proposing.propose,
        thinks: float = 0.0,
        decide: Callable[[state.Snapshot], actions.Plan] = plan.plan,
    ) -> None:
        self.wake = math.inf
        """When it wants to look again although nothing happened, in seconds since `fates.EPOCH`."""
        self._world = around
        self._propose = propose
        self._thinks = thinks
        self._decide = decide
        self._proposals: dict[int, state.Proposal] = {}
        self._exhausted_at: int | None = None
        self._search: Search | None = None
        self._obstacle: state.Obstacle | None = None
        self._retry = math.inf
        self._written: float | None = None

    def look(self) -> Generator[actions.Action, None, bool]:
        """Brings the job as far as it can be brought now, and answers whether it wrote anything.

        Yields before each action. Raises Restless.
        """
        wrote = False
        for _ in range(MAX_ROUNDS):
            changed = yield from self._round()
            if not changed:
                return wrote
            wrote = True
        raise Restless(f"no end after {MAX_ROUNDS} rounds")

    def _round(self) -> Generator[actions.Action, None, bool]:
        self._recall()
        snapshot, versions = self._snapshot()
        todo = self._decide(snapshot)
        changed = False
        for action in todo.actions:
            yield action
            try:
                changed |= self._act(snapshot, versions, action)
            except world.Conflict:
                return True
        if not changed:
            self._sleep(todo)
        return changed

    def _recall(self) -> None:
        """Takes in what has become due since the last look."""
        if self._search is not None and self._search.due <= self._world.now:
            search, self._search = self._search, None
            answers = self._propose(search.requests)
            self._proposals = proposing.proposals(search.wanted, answers)
            if len(answers) < len(search.wanted):
                self._exhausted_at = search.wanted[len(answers)][0]
        if self._retry <= self._world.now:
            self._obstacle, self._retry = None, math.inf

    def _snapshot(self) -> tuple[state.Snapshot, dict[int, int]]:
        """What is seen now, and the versions of the job (under -1) and of the trials."""
        around = self._world
        versions = {number: stored.version for number, stored in around.trials.items()} | {-1: around.version}
        return state.Snapshot(
            job=around.owner,
            trials=around.observe(),
            now=fates.moment(around.now),
            proposals=dict(self._proposals),
            exhausted_at=self._exhausted_at,
            obstacle=self._obstacle,
            status_written=None if self._written is None else fates.moment(self._written),
            sources=around.sources,
        ), versions

    def _act(self, snapshot: state.Snapshot, versions: dict[int, int], action: actions.Action) -> bool:
        """Carries out one action; answers whether the world changed."""
        match action:
            case actions.Suggest():
                return self._think(snapshot, action)
            case actions.Study():
                return False
            case actions.CreateTrial():
                self._world.create_trial(action)
                return True
            case actions.StartAttempt():
                return self._obstacle is None and self._start(action)
            case actions.StopAttempt():
                return self._world.stop(action)
            case actions.Collect():
                return self._world.collect(action)
            case actions.RecordTrial():
                self._world.record_trial(action, versions[action.trial.number])
                return True
            case actions.RecordJob():
                self._world.record_job(action, versions[-1])
                self._written = self._world.now
                return True
            case actions.Announce():
                self._world.announce(action)
                return False

    def _think(self, snapshot: state.Snapshot, action: actions.Suggest) -> bool:
        """Starts the search; answers whether it is done at once."""
        if self._search is None:
            requests = proposing.requests(snapshot.job, snapshot.trials, action.wanted)
            self._search = Search(action.wanted, requests, self._world.now + self._thinks)
        return self._search.due <= self._world.now

    def _start(self, action: actions.StartAttempt) -> bool:
        try:
            self._world.start(action)
        except world.Refused as refusal:
            self._obstacle = state.Obstacle("QuotaExceeded", str(refusal))
            self._retry = self._world.now + PATIENCE
        return True

    def _sleep(self, todo: actions.Plan) -> None:
        planned = fates.seconds(todo.wake) if todo.wake else math.inf
        thought = self._search.due if self._search is not None else math.inf
        self.wake = min(planned, thought, self._retry)
        if self.wake <= self._world.now:
            raise Restless(f"asks to be woken at {self.wake:g} s, and it is {self._world.now:g} s")
