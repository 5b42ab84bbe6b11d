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
from collections.abc import Callable

from tuning_operator.api import errors, job
from tuning_operator.kube import client, executor, store, workqueue
from tuning_operator.search import worker
from tuning_operator.tuner import actions, admission, parameters, plan, proposing, report, state

log = logging.getLogger(__name__)

PATIENCE = datetime.timedelta(seconds=15)
"""After the API server refused a Pod for now (a quota, say), the next try comes this much later."""

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
    proposals: dict[int, state.Proposal] = dataclasses.field(default_factory=dict)
    exhausted_at: int | None = None
    search: asyncio.Task[None] | None = None
    status_written: datetime.datetime | None = None
    obstacle: str = ""
    retry_at: datetime.datetime | None = None


class Reconciler:
    """Looks at jobs on behalf of the work queue."""

    def __init__(
        self,
        known: store.Store,
        queue: workqueue.WorkQueue[store.Key],
        hands: executor.Executor,
        search: worker.Worker,
        clock: Callable[[], datetime.datetime],
    ) -> None:
        self._store = known
        self._queue = queue
        self._hands = hands
        self._worker = search
        self._clock = clock
        self._memories: dict[store.Key, Memory] = {}

    async def look(self, key: store.Key) -> None:
        """Brings one job as far as it can be brought now. Raises ApiError when the API server is in the way."""
        for _ in range(MAX_ROUNDS):
            record = self._store.jobs.get(key)
            if record is None or record.deleting:
                self._forget(key)
                return
            if not await self._round(record):
                return
        raise RuntimeError(f"{key.namespace}/{key.name} does not settle after {MAX_ROUNDS} rounds")

    async def _round(self, record: store.JobRecord) -> bool:
        """One look; answers whether something was changed, so that another one is due."""
        memory = await self._recall(record)
        if memory.spec is None:
            return await self._refuse(record, memory)
        now = self._clock()
        if memory.retry_at is not None and now >= memory.retry_at:
            memory.obstacle, memory.retry_at = "", None
        snapshot = self._snapshot(record, memory, memory.spec, now)
        todo = plan.plan(snapshot)
        changed = False
        for action in todo.actions:
            changed |= await self._act(record, memory, snapshot, action)
        if not changed:
            for moment in filter(None, (todo.wake, memory.retry_at)):
                self._queue.add_at(record.key, moment, self._clock())
        return changed

    async def _recall(self, record: store.JobRecord) -> Memory:
        memory = self._memories.get(record.key)
        if memory is None or memory.uid != record.uid:
            self._forget(record.key)
            memory = self._memories[record.key] = Memory(record.uid)
        if memory.generation != record.generation:
            manifest = {
                "apiVersion": job.API_VERSION,
                "kind": "TuningJob",
                "metadata": {"name": record.key.name, "namespace": record.key.namespace},
                "spec": record.spec,
            }
            memory.spec, memory.problems = await self._worker.run(admission.inspect, manifest)
            memory.generation, memory.rehearsed = record.generation, False
        if memory.spec is not None and not memory.problems and not memory.rehearsed and not record.status.spec_digest:
            await self._rehearse(record, memory, memory.spec)
        return memory

    async def _rehearse(self, record: store.JobRecord, memory: Memory, spec: job.JobSpec) -> None:
        """Asks the API server whether the template makes a Pod, before anything is made."""
        try:
            await self._hands.rehearse(record, _job(record, spec))
        except client.Refused as refusal:
            if not refusal.over_quota:
                mend = "mend the template; nothing was started"
                memory.problems = (errors.Problem("spec.template", refusal.message, mend),)
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
            trials=tuple(self._trial(item, spec) for item in self._store.trials(record.uid)),
            now=now,
            proposals=memory.proposals,
            exhausted_at=memory.exhausted_at,
            problems=memory.problems,
            obstacle=memory.obstacle,
            status_written=memory.status_written,
        )

    def _trial(self, record: store.TrialRecord, spec: job.JobSpec) -> state.Trial:
        pod = self._store.pod(record.uid)
        typed = record.spec.model_copy(update={"parameters": parameters.typed(spec, record.spec.parameters)})
        return state.Trial(record.name, record.uid, typed, record.status, pod.attempt if pod else None)

    async def _act(
        self, record: store.JobRecord, memory: Memory, snapshot: state.Snapshot, action: actions.Action
    ) -> bool:
        """Carries out one action; answers whether the store knows more than before."""
        match action:
            case actions.Suggest():
                self._search(record.key, memory, snapshot, action)
                return False
            case actions.StartAttempt() | actions.CreateTrial():
                return memory.obstacle == "" and await self._make(record, memory, snapshot, action)
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
                await self._hands.start(record, snapshot.job, action)
            else:
                await self._hands.create_trial(record, snapshot.job, action)
                memory.proposals.pop(action.proposal.number, None)
        except client.Refused as refusal:
            reason = "QuotaExceeded" if refusal.over_quota else "Refused"
            memory.obstacle = f"nothing new is started: {reason}: {refusal.message}"
            memory.retry_at = snapshot.now + PATIENCE
            log.warning("the API server refused", extra={"job": record.key, "what": action.why, "why": refusal.message})
        return True

    def _search(self, key: store.Key, memory: Memory, snapshot: state.Snapshot, action: actions.Suggest) -> None:
        """Starts the search for the wanted configurations, unless one is under way."""
        if memory.search is not None and not memory.search.done():
            return
        requests = proposing.requests(snapshot.job, snapshot.trials, action.wanted)

        async def find() -> None:
            answers = await self._worker.run(proposing.propose, requests)
            memory.proposals = proposing.proposals(action.wanted, answers)
            if len(answers) < len(action.wanted):
                memory.exhausted_at = action.wanted[len(answers)][0]

        memory.search = asyncio.create_task(find())
        memory.search.add_done_callback(lambda task: self._found(key, task))

    def _found(self, key: store.Key, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._queue.add(key)
            return
        log.error("the search failed; it is tried again", extra={"job": key}, exc_info=error)
        now = self._clock()
        self._queue.add_at(key, now + datetime.timedelta(seconds=1), now)

    def _forget(self, key: store.Key) -> None:
        memory = self._memories.pop(key, None)
        if memory is not None and memory.search is not None:
            memory.search.cancel()
        self._queue.forget(key)

    async def close(self) -> None:
        """Ends what is under way."""
        for key in list(self._memories):
            search = self._memories[key].search
            self._forget(key)
            if search is not None:
                with contextlib.suppress(asyncio.CancelledError):
                    await search


def _job(record: store.JobRecord, spec: job.JobSpec) -> state.Job:
    return state.Job(record.key.name, record.uid, record.generation, spec, record.status)
