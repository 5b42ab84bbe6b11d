"""Looks at one job: observe, plan, carry out, until there is nothing left to do.

Any event only means "look again". Everything kept here between two looks (proposals, refusals, calls under way) is a
cache that a restarted operator makes anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import logging
from collections.abc import Callable, Coroutine, Iterator

from tuning_operator.api import errors, job
from tuning_operator.kube import (
    attention,
    booking,
    client,
    executor,
    following,
    ledger,
    metrics,
    observing,
    obstacles,
    store,
    volumes,
    workqueue,
)
from tuning_operator.search import worker
from tuning_operator.tuner import (
    actions,
    admission,
    parameters,
    plan,
    proposing,
    report,
    state,
    trials,
)

log = logging.getLogger(__name__)

FIRST_PAUSE, LAST_PAUSE = datetime.timedelta(seconds=1), datetime.timedelta(seconds=60)
"""How long the search's process is left alone after it has failed; doubled each time."""

MAX_ROUNDS = 2000


@dataclasses.dataclass(slots=True)
class Memory:
    """What is remembered of one job between two looks."""

    uid: str
    generation: int = -1
    spec: job.JobSpec | None = None
    problems: tuple[errors.Problem, ...] = ()
    rehearsed: bool = False
    """Whether the API server was asked if the template makes a Pod."""
    past: state.Past | None = None
    """The trials that need nothing any more, as of this epoch of the store's openings."""
    epoch: int = 0
    proposals: dict[int, state.Proposal] = dataclasses.field(default_factory=dict)
    exhausted_at: int | None = None
    insight: job.Insight | None = None
    draining: dict[str, datetime.datetime] = dataclasses.field(default_factory=dict)
    """Since when a trial, by its uid, has been seen to have ended without its sidecar."""
    thinking: asyncio.Task[None] | None = None
    """The search's process is checking the spec or looking for configurations."""
    stumbles: int = 0
    trouble: str = ""
    """What is wrong with the search, once it has failed more than once in a row."""
    """How often it failed in a row."""
    think_after: datetime.datetime | None = None
    status_written: datetime.datetime | None = None
    obstacle: state.Obstacle | None = None
    retry_at: datetime.datetime | None = None


class Reconciler:
    """Looks at jobs on behalf of the work queue."""

    def __init__(
        self,
        known: store.Store,
        queue: workqueue.WorkQueue[store.Key],
        hands: executor.Executor,
        search: worker.Worker,
        reach: observing.Reach,
        streams: following.Logs,
        clock: Callable[[], datetime.datetime],
        books: ledger.Ledger | None = None,
    ) -> None:
        self._booking = booking.Booking(known, hands, books)
        self._store = known
        self._queue = queue
        self._hands = hands
        self._worker = search
        self._clock = clock
        self._attention = attention.Attention(known, queue, hands, reach, streams, clock)
        self._memories: dict[store.Key, Memory] = {}

    async def look(self, key: store.Key) -> None:
        """Brings one job as far as it can be brought now. Raises ApiError when the API server is in the way."""
        for _ in range(MAX_ROUNDS):
            record = self._store.jobs.get(key)
            if record is None or record.deleting:
                self._forget(key)
                return
            with contextlib.suppress(executor.Stale):
                if not await self._round(record):
                    return
        raise RuntimeError(f"{key.namespace}/{key.name} does not settle after {MAX_ROUNDS} rounds")

    async def _round(self, record: store.JobRecord) -> bool:
        """One look; answers whether something was changed, so that another one is due."""
        memory = self._recall(record)
        if memory.generation != record.generation:
            memory.past = None  # what was derived from the trials may have depended on the spec
            self._inspect(record, memory)
            return False
        if memory.spec is None:
            return await self._refuse(record, memory)
        if not memory.problems and not memory.rehearsed and not record.status.spec_digest:
            await self._rehearse(record, memory, memory.spec)
        now = self._clock()
        if memory.retry_at is not None and now >= memory.retry_at:
            memory.obstacle, memory.retry_at = None, None
        snapshot = self._snapshot(record, memory, memory.spec, now)
        self._attention.attend(record.key, snapshot)
        with metrics.PLAN_SECONDS.time():
            todo = plan.plan(snapshot)
        self._booking.ask(record, snapshot, todo.wants)
        changed = False
        for action in todo.actions:
            changed |= await self._act(record, memory, snapshot, action)
        if not changed:
            for moment in filter(None, (todo.wake, memory.retry_at)):
                self._queue.add_at(record.key, moment, self._clock())
        return changed

    def _recall(self, record: store.JobRecord) -> Memory:
        memory = self._memories.get(record.key)
        if memory is None or memory.uid != record.uid:
            self._forget(record.key)
            memory = self._memories[record.key] = Memory(record.uid)
        return memory

    def _inspect(self, record: store.JobRecord, memory: Memory) -> None:
        """Starts to check the spec, which takes time and may have to wait for another job's search."""
        manifest = {
            "apiVersion": job.API_VERSION,
            "kind": "TuningJob",
            "metadata": {"name": record.key.name, "namespace": record.key.namespace},
            "spec": record.spec,
        }

        async def inspect() -> None:
            memory.spec, memory.problems = await self._worker.run(admission.inspect, manifest)
            memory.problems = (*memory.problems, *volumes.problems(memory.spec))
            memory.generation, memory.rehearsed = record.generation, False
            self._booking.renew(record.key)

        self._think(record.key, memory, inspect)

    async def _rehearse(self, record: store.JobRecord, memory: Memory, spec: job.JobSpec) -> None:
        """Asks the API server whether the template makes a Pod, before anything is made."""
        try:
            for profile in booking.profiles(spec):
                await self._hands.rehearse(record, _job(record, spec), profile)
        except client.Refused as refusal:
            if not refusal.circumstance:
                mend = "mend the template; nothing was started"
                memory.problems = (errors.Problem("spec.template", refusal.message, mend),)
        except client.Failing as failure:
            log.warning("the template was not tried", extra={"job": record.key, "why": str(failure)})
        memory.rehearsed = True

    async def _refuse(self, record: store.JobRecord, memory: Memory) -> bool:
        if record.status.observed_generation == record.generation and record.status.phase.is_finished():
            return False
        status = report.refused(record.status, record.generation, memory.problems, self._clock())
        told = actions.Announce(f"refused-{record.generation}", "InvalidSpec", status.message, actions.Severity.WARNING)
        await self._hands.announce(record, told)
        await self._hands.record_job(record, status)
        return True

    def _snapshot(
        self, record: store.JobRecord, memory: Memory, spec: job.JobSpec, now: datetime.datetime
    ) -> state.Snapshot:
        return state.Snapshot(
            job=_job(record, spec),
            trials=self._trials(record, memory, spec, now),
            now=now,
            proposals=memory.proposals,
            exhausted_at=memory.exhausted_at,
            problems=memory.problems,
            obstacle=memory.obstacle,
            trouble=memory.trouble,
            offer=self._booking.offer(record.key),
            status_written=memory.status_written,
            insight=memory.insight,
            sources=tuple(self._sources(record, spec)),
        )

    def _sources(self, record: store.JobRecord, spec: job.JobSpec) -> Iterator[state.Source]:
        """The jobs that are to be learnt from, as far as they exist, until that is done."""
        if record.status.warm_start is not None:
            return
        for reference in spec.search.warm_start_from:
            key = store.Key(record.key.namespace, reference.name)
            other = self._store.jobs.get(key)
            if other is not None:
                known = self._store.trials(key, other.uid)
                trials = tuple(state.Trial(item.name, item.uid, item.spec, item.status) for item in known)
                yield state.Source(key.name, other.uid, trials)

    def _trials(
        self, record: store.JobRecord, memory: Memory, spec: job.JobSpec, now: datetime.datetime
    ) -> state.Trials:
        """All trials. Those that need nothing any more are put away, and not even looked at the next time."""
        owner, openings = store.Owner(record.key.namespace, record.uid), self._store.openings
        if memory.past is None:
            openings.reopen(owner)
        if memory.past is None or memory.epoch != openings.epoch(owner):
            memory.past, memory.epoch = state.Past(), openings.epoch(owner)
        live = []
        for known in self._store.trials_open(record.key, record.uid):
            item = self._trial(record, memory, spec, known, now)
            if trials.is_over(item):
                memory.past.add(item)
                openings.close(owner, item.number)
            else:
                live.append(item)
        return state.Trials(memory.past, live)

    def _trial(
        self,
        record: store.JobRecord,
        memory: Memory,
        spec: job.JobSpec,
        item: store.TrialRecord,
        now: datetime.datetime,
    ) -> state.Trial:
        pod = self._store.pod(record.key.namespace, item.uid)
        typed = item.spec.model_copy(update={"parameters": parameters.typed(spec, item.spec.parameters)})
        attempt = self._attention.attempt(record.key, item, pod)
        if attempt is None or not attempt.draining:
            memory.draining.pop(item.uid, None)
        else:
            attempt = dataclasses.replace(attempt, draining_since=memory.draining.setdefault(item.uid, now))
        curves = self._attention.curves(record.key, spec, item, pod)
        return state.Trial(item.name, item.uid, typed, item.status, attempt, curves)

    async def _act(
        self, record: store.JobRecord, memory: Memory, snapshot: state.Snapshot, action: actions.Action
    ) -> bool:
        """Carries out one action; answers whether the store knows more than before."""
        match action:
            case actions.Suggest():
                self._search(record.key, memory, snapshot, action)
                return False
            case actions.Study():
                self._study(record.key, memory, snapshot, action)
                return False
            case actions.StartAttempt() if self._leaves(record, action.trial):
                return False
            case actions.StartAttempt() | actions.CreateTrial():
                return memory.obstacle is None and await self._make(record, memory, snapshot, action)
            case actions.RecordJob():
                await self._hands.record_job(record, action.status)
                memory.status_written = snapshot.now
                return True
            case actions.RecordTrial():
                await self._hands.record_trial(record, action)
                return True
            case actions.StopAttempt():
                return await self._hands.stop(record, action)
            case actions.Collect():
                self._hands.collect(record, action)
                return False
            case actions.Announce():
                await self._hands.announce(record, action)
                return False

    async def _make(
        self,
        record: store.JobRecord,
        memory: Memory,
        snapshot: state.Snapshot,
        action: actions.StartAttempt | actions.CreateTrial,
    ) -> bool:
        """Makes a Pod or a trial. A refusal is no error but an obstacle, told in the status, and tried again later."""
        try:
            if isinstance(action, actions.StartAttempt):
                return await self._booking.start(record, snapshot.job, action)
            await self._hands.create_trial(record, snapshot.job, action)
            memory.proposals.pop(action.proposal.number, None)
        except (client.Refused, client.Failing, executor.Taken) as refusal:
            memory.obstacle, patience = obstacles.of(refusal)
            memory.retry_at = self._clock() + patience
            log.warning(str(memory.obstacle), extra={"job": record.key})
        return True

    def _leaves(self, record: store.JobRecord, item: state.Trial) -> bool:
        """Whether the trial is being deleted: a Pod that is made now would be deleted with it."""
        known = self._store.trial(record.key, record.uid, item.number)
        return known is None or known.deleting

    def _search(self, key: store.Key, memory: Memory, snapshot: state.Snapshot, action: actions.Suggest) -> None:
        """Starts the search for the wanted configurations."""
        requests = proposing.requests(snapshot.job, snapshot.trials, action.wanted)

        async def find() -> None:
            with metrics.SUGGEST_SECONDS.labels(snapshot.job.spec.search.algorithm).time():
                answers = await proposing.ask(self._worker, requests)
            memory.proposals = proposing.proposals(action.wanted, answers)
            if len(answers) < len(action.wanted):
                memory.exhausted_at = action.wanted[len(answers)][0]

        self._think(key, memory, find)

    def _study(self, key: store.Key, memory: Memory, snapshot: state.Snapshot, action: actions.Study) -> None:
        """Starts a study of the search."""
        subject = proposing.subject(snapshot.job, snapshot.trials)

        async def find_out() -> None:
            memory.insight = await self._worker.run(proposing.studied, subject, action.trials)

        self._think(key, memory, find_out)

    def _think(self, key: store.Key, memory: Memory, thought: Callable[[], Coroutine[None, None, None]]) -> None:
        """Lets the search's process work in the background, one thing at a time; the key is looked at afterwards."""
        if memory.thinking is not None and not memory.thinking.done():
            return
        now = self._clock()
        if memory.think_after is not None and now < memory.think_after:
            self._queue.add_at(key, memory.think_after, now)
            return
        memory.thinking = asyncio.create_task(thought())
        memory.thinking.add_done_callback(lambda task: self._thought(key, memory, task))

    def _thought(self, key: store.Key, memory: Memory, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error, now = task.exception(), self._clock()
        if error is None:
            memory.stumbles, memory.think_after, memory.trouble = 0, None, ""
        else:
            memory.think_after = now + min(LAST_PAUSE, FIRST_PAUSE * 2 ** min(memory.stumbles, 16))
            memory.stumbles += 1
            if memory.stumbles > 1:
                memory.trouble = f"no new trials: the search has failed {memory.stumbles} times in a row: {error}"
            log.error("the search failed; it is tried again", extra={"job": key}, exc_info=error)
        self._queue.add(key)

    def _forget(self, key: store.Key) -> asyncio.Task[None] | None:
        """Drops what is remembered of a job; answers what was under way and is being cancelled."""
        memory = self._memories.pop(key, None)
        self._booking.forget(key)
        self._queue.forget(key)
        self._attention.forget(key)
        if memory is None or memory.thinking is None:
            return None
        memory.thinking.cancel()
        return memory.thinking

    async def close(self) -> None:
        """Ends what is under way."""
        tasks = [task for key in list(self._memories) if (task := self._forget(key)) is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._attention.close()


def _job(record: store.JobRecord, spec: job.JobSpec) -> state.Job:
    return state.Job(record.key.name, record.uid, record.generation, spec, record.status)
