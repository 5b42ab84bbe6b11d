"""Runs one job on this machine: observe, plan, carry out, until nothing is left to do.

It is to processes what the operator is to Pods. What happens next is for `tuner.plan` to say; an interruption, for one,
is nothing but a suspension, after which the next run goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import shutil
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from tuning_operator.api import errors, job, manifest, trial
from tuning_operator.local import attempt, command, folder, metrics
from tuning_operator.search import suggest, worker
from tuning_operator.tuner import actions, checkpoints, observed, parameters, plan, proposing, report, results, state

BEAT_SECONDS = 5.0
"""How often a sign of life is left."""
SEARCH_CHANCES = 3
"""After this many searches in a row that failed, the run ends."""
MODELS = {"auto": "tuning_operator.search.gaussian", "bayesian": "tuning_operator.search.surrogate"}
"""What an algorithm needs to learn from results. It takes seconds to load, and does so while the first trials run."""


class SearchError(Exception):
    """The search for configurations fails again and again."""


class View(Protocol):
    """Shows people what goes on."""

    def show(self, snapshot: state.Snapshot) -> None:
        """The job as it is now; called after every change."""

    def tell(self, news: actions.Announce) -> None:
        """Something worth knowing; each is told once."""


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """How a job is run on this machine."""

    machine: command.Machine
    parallel: int | None = None
    """How many trials run at the same time; None for what the job says, but no more than there are processors."""


class Runtime:
    """One run of one job; `aclose` it when it is over."""

    def __init__(
        self,
        wanted: manifest.Job,
        home: folder.Folder,
        options: Options,
        view: View,
        search: worker.Worker,
        uid: str,
        clock: Callable[[], datetime.datetime],
    ) -> None:
        """`command.problems` finds none in the job, `home` is locked, and `uid` is for a job that is new to it.

        Raises SpecError for a job that cannot go on as it is now, and FolderError for a folder that cannot be read.
        """
        self._home = home
        self._machine = options.machine
        self._view = view
        self._clock = clock
        self._name = wanted.metadata.name
        self._record = _recall(home, wanted.spec, uid)
        if changed := report.changed(state.Job(self._name, uid, 1, wanted.spec, self._record.status)):
            mend = "change it back, or start over with --fresh"
            raise errors.SpecError(
                errors.Problem(f"spec.{part}", f"changed since the job began ({home.path})", mend) for part in changed
            )
        parallel = options.parallel or min(wanted.spec.limits.parallel_trials, options.machine.cores)
        limits = wanted.spec.limits.model_copy(update={"parallel_trials": parallel})
        self._spec = wanted.spec.model_copy(update={"limits": limits})
        self._trials = {record.spec.number: self._trial(record) for record in home.read_trials()}
        self._sources = () if self._record.status.warm_start else _sources(home, self._spec)
        self._attempts: dict[int, attempt.Attempt] = {}
        self._live: dict[asyncio.Task[None], attempt.Attempt] = {}
        self._proposals: dict[int, state.Proposal] = {}
        self._exhausted_at: int | None = None
        self._worker = search
        self._search: asyncio.Task[None] | None = None
        self._study: asyncio.Task[None] | None = None
        self._insight: job.Insight | None = None
        self._warming: asyncio.Task[None] | None = None
        self._failed_searches = 0
        self._failure: BaseException | None = None
        self._status_written: datetime.datetime | None = None
        self._told: set[str] = set()
        self._interrupted = False
        self._news = asyncio.Event()

    def observe(self) -> state.Snapshot:
        """The job as it is now."""
        spec = self._spec.model_copy(update={"suspend": True}) if self._interrupted else self._spec
        return state.Snapshot(
            job=state.Job(self._name, self._record.uid, self._record.generation, spec, self._record.status),
            trials=tuple(self._observe(item) for item in self._trials.values()),
            now=self._clock(),
            proposals=self._proposals,
            exhausted_at=self._exhausted_at,
            status_written=self._status_written,
            insight=self._insight,
            sources=self._sources,
        )

    def interrupt(self) -> None:
        """Stop what runs and come to an end; a second time, at once."""
        if self._interrupted:
            for running in self._live.values():
                running.kill()
        self._interrupted = True
        self._news.set()

    async def run(self) -> state.Snapshot:
        """Run the job until it is finished, suspended or interrupted. Raises OSError when nothing can be stored, and
        SearchError when no configuration can be found."""
        self._recover()
        while True:
            self._news.clear()
            if self._failure is not None:
                raise self._failure
            snapshot = self.observe()
            todo = plan.plan(snapshot)
            changed = False
            for action in todo.actions:
                changed |= self._act(snapshot, action)
            self._view.show(self.observe())
            if changed:
                await asyncio.sleep(0)
                continue
            self._release()
            status = snapshot.job.status
            if not self._live and (status.phase.is_finished() or snapshot.job.spec.suspend):
                self._discard(checkpoints.disposable(self._spec, snapshot.trials))
                return self.observe()
            await self._wait(todo.wake)

    async def aclose(self) -> None:
        """End whatever still runs."""
        searching = [task for task in (self._search, self._study, self._warming) if task is not None]
        for task in searching:
            task.cancel()
        self._worker.close()
        for running in self._live.values():
            running.kill()
        await asyncio.gather(*searching, *self._live, return_exceptions=True)

    def _trial(self, record: folder.TrialRecord) -> state.Trial:
        number = record.spec.number
        typed = record.spec.model_copy(update={"parameters": parameters.typed(self._spec, record.spec.parameters)})
        _, points = results.unpacked(record.status)
        curves = results.recorded(points) if observed.metrics(self._spec) else {}
        return state.Trial(
            f"{self._name}-{number}", f"{self._record.uid}-{number}", typed, record.status, curves=curves
        )

    def _observe(self, item: state.Trial) -> state.Trial:
        running = self._attempts.get(item.number)
        if running is None:
            return item
        return dataclasses.replace(item, attempt=running.observe(), curves=running.curves() or item.curves)

    def _recover(self) -> None:
        """Take up the attempts that were under way when the last run ended."""
        for item in self._trials.values():
            recorded = item.recorded
            newest = max(self._home.newest_attempt(item.number), recorded.number if recorded else 0)
            known = recorded is not None and recorded.number == newest and recorded.phase.is_finished()
            if newest and not known and not item.is_finished():
                left = self._begin(item.number, newest)
                self._follow(left, left.recover())

    def _begin(self, number: int, count: int) -> attempt.Attempt:
        place = self._home.attempt(number, count)
        made = self._attempts[number] = attempt.Attempt(count, place, self._spec, self._news.set)
        return made

    def _follow(self, followed: attempt.Attempt, life: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(life)
        self._live[task] = followed
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._live[task]
        self._news.set()
        if not task.cancelled() and (error := task.exception()):
            self._failure = error

    def _act(self, snapshot: state.Snapshot, action: actions.Action) -> bool:
        """Carry out one action; answers whether anything is other than before."""
        match action:
            case actions.Suggest():
                self._start_search(snapshot, action)
                return False
            case actions.Study():
                self._start_study(snapshot, action)
                return False
            case actions.CreateTrial():
                spec = proposing.spec_of(action.proposal, snapshot.job)
                self._store(folder.TrialRecord(spec=spec, status=trial.TrialStatus()))
                self._proposals.pop(spec.number, None)
                return True
            case actions.StartAttempt():
                self._start(snapshot.job, action)
                return True
            case actions.StopAttempt():
                self._attempts[action.trial.number].stop(snapshot.now)
                return True
            case actions.RecordTrial():
                self._store(folder.TrialRecord(spec=action.trial.spec, status=action.status))
                return True
            case actions.RecordJob():
                self._record = self._record.model_copy(update={"status": action.status})
                self._home.write_job(self._record)
                self._status_written = snapshot.now
                return True
            case actions.Announce():
                if action.key not in self._told:
                    self._told.add(action.key)
                    self._view.tell(action)
                return False
            case actions.Collect():
                return False

    def _store(self, record: folder.TrialRecord) -> None:
        self._home.write_trial(record)
        self._trials[record.spec.number] = self._trial(record)

    def _start(self, owner: state.Job, action: actions.StartAttempt) -> None:
        number = action.trial.number
        place = self._home.attempt(number, action.number)
        folder.prepare(place)
        where = metrics.where(place, owner.spec)
        threads = self._machine.threads(owner.spec.limits.parallel_trials)
        self._discard(action.discard)
        saved = self._checkpoints(number)
        if saved is not None:
            saved.mkdir(parents=True, exist_ok=True)
        launch = command.launch(owner, action.trial, action.number, where, self._machine, threads, str(saved or ""))
        started = self._begin(number, action.number)
        self._follow(started, started.run(launch))

    def _checkpoints(self, number: int) -> Path | None:
        """A trial's folder for its checkpoints; None where the job has none."""
        wanted = self._spec.checkpoints
        if wanted is None:
            return None
        return self._home.checkpoints(number, self._machine.folder / wanted.path if wanted.path else None)

    def _discard(self, numbers: Iterable[int]) -> None:
        """Remove the checkpoints of these trials."""
        for number in numbers:
            if (unneeded := self._checkpoints(number)) is not None and unneeded.exists():
                shutil.rmtree(unneeded)

    def _release(self) -> None:
        """Forget the attempts of finished trials, and with them what they reported."""
        for number, one in list(self._attempts.items()):
            if self._trials[number].is_finished() and one.is_over():
                del self._attempts[number]

    def _start_search(self, snapshot: state.Snapshot, action: actions.Suggest) -> None:
        """Start the search for the wanted configurations, unless one is under way."""
        if self._search is None or self._search.done():
            requests = proposing.requests(snapshot.job, snapshot.trials, action.wanted)
            self._search = asyncio.create_task(self._find(action, requests))

    def _start_study(self, snapshot: state.Snapshot, action: actions.Study) -> None:
        """Start a study of the search, unless one is under way; nobody waits for one at the end of the job."""
        if snapshot.job.status.phase.is_finished() or (self._study is not None and not self._study.done()):
            return
        subject = proposing.subject(snapshot.job, snapshot.trials)
        self._study = asyncio.create_task(self._find_out(subject, action.trials))

    async def _find_out(self, subject: suggest.Request, trials: int) -> None:
        try:
            self._insight = await self._worker.run(proposing.studied, subject, trials)
        except worker.Died:
            self._insight = job.Insight(trials=trials)
        self._news.set()

    async def _find(self, action: actions.Suggest, requests: Sequence[suggest.Request]) -> None:
        try:
            answers = await proposing.ask(self._worker, requests)
        except Exception as error:
            self._failed_searches += 1
            if self._failed_searches >= SEARCH_CHANCES:
                self._failure = SearchError(f"no configuration can be found: {error or type(error).__name__}")
        else:
            self._failed_searches = 0
            self._proposals = proposing.proposals(action.wanted, answers)
            if len(answers) < len(action.wanted):
                self._exhausted_at = action.wanted[len(answers)][0]
            if self._warming is None and (model := MODELS.get(self._spec.search.algorithm)):
                self._warming = asyncio.create_task(self._worker.warm(model))
        finally:
            self._search = None
            self._news.set()

    async def _wait(self, wake: datetime.datetime | None) -> None:
        """Wait until something happens, or the tuner wants to look again."""
        self._home.beat()
        seconds = BEAT_SECONDS if wake is None else min(BEAT_SECONDS, (wake - self._clock()).total_seconds())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), max(0.01, seconds))


def _recall(home: folder.Folder, spec: job.JobSpec, uid: str) -> folder.JobRecord:
    """What is kept of the job, with the spec as it is now."""
    wire = spec.to_wire()
    kept = home.read_job()
    if kept is None:
        return folder.JobRecord(uid=uid, generation=1, spec=wire, status=job.JobStatus())
    generation = kept.generation + (kept.spec != wire)
    return folder.JobRecord(
        uid=kept.uid, generation=generation, spec=wire, status=_paused(kept.status, home.last_beat())
    )


def _sources(home: folder.Folder, spec: job.JobSpec) -> tuple[state.Source, ...]:
    """The jobs that are to be learnt from, as they were left in the folders beside this one. Raises SpecError."""
    found: list[state.Source] = []
    for index, reference in enumerate(spec.search.warm_start_from):
        other = folder.Folder(home.path.parent / reference.name)
        record = other.read_job()
        if record is None:
            field = f"spec.search.warmStartFrom[{index}].name"
            message = f"no job {reference.name} was run in {home.path.parent}"
            raise errors.SpecError([errors.Problem(field, message, "run it first, or name it as --state has it")])
        trials = tuple(
            state.Trial(f"{reference.name}-{one.spec.number}", f"{record.uid}-{one.spec.number}", one.spec, one.status)
            for one in other.read_trials()
        )
        found.append(state.Source(reference.name, record.uid, trials))
    return tuple(found)


def _paused(status: job.JobStatus, last_beat: datetime.datetime) -> job.JobStatus:
    """The status without the time since the last run was killed: maxDuration counts only while somebody runs the job."""
    if status.active_since is None:
        return status
    ran = max(0.0, (last_beat - status.active_since).total_seconds())
    return status.model_copy(update={"active_since": None, "active_seconds": round(status.active_seconds + ran, 3)})
