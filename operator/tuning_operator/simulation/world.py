"""What outlives the tuner: the clock, the job, its trials and their attempts, as an API server and its nodes hold them.

Everything is stored as it would be on the wire, so that what does not survive JSON does not survive here either. The
world obeys and never judges; every action that took effect is in its history for tests to judge.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from tuning_operator.api import job, trial
from tuning_operator.simulation import fates
from tuning_operator.stopping import curve
from tuning_operator.tuner import actions, observed, parameters, proposing, results, state

Gate = Callable[["World"], str]
"""Why the world takes no further attempt now, such as a quota that is used up; empty if it takes one."""


class Refused(Exception):
    """The world takes no further attempt now."""


class Conflict(Exception):
    """What was to be written had been changed since it was read."""


@dataclasses.dataclass(frozen=True, slots=True)
class Stored:
    """A trial as stored."""

    spec: trial.TrialSpec
    status: trial.TrialStatus
    version: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """An action that took effect, and what the world was like just before."""

    seconds: float
    action: actions.Action
    spec: job.JobSpec
    total: int
    """How many trials there were."""
    live: int
    """How many of them had not finished."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sight:
    """A trial as it is seen, and until when, unless somebody acts."""

    item: state.Trial
    until: float


class World:
    """One job and all that belongs to it. `now` is in seconds since `fates.EPOCH`."""

    def __init__(
        self, spec: job.JobSpec, script: fates.Script, *, gate: Gate = lambda _: "", name: str = "job"
    ) -> None:
        self.now = 0.0
        self.name = name
        self.spec = spec
        self.generation = 1
        self.version = 1
        self.status = job.JobStatus()
        self.trials: dict[int, Stored] = {}
        self.lives: dict[int, dict[int, fates.Life]] = {}
        self.sources: tuple[state.Source, ...] = ()
        """Other jobs that are there to be learnt from."""
        self.history: list[Entry] = []
        self._script = script
        self._gate = gate
        self._sights: dict[int, Sight] = {}
        self._plans: list[tuple[float, int, Callable[[World], None]]] = []

    def at(self, seconds: float, change: Callable[[World], None]) -> None:
        """Lets something happen at that moment, such as an edit of the spec."""
        bisect.insort(self._plans, (seconds, len(self._plans), change), key=lambda planned: planned[:2])

    def next(self) -> float:
        """When something happens next of itself; `math.inf` if nothing does."""
        planned = self._plans[0][0] if self._plans else math.inf
        return min(planned, min((self._sight(number).until for number in self.trials), default=math.inf))

    def advance(self, seconds: float) -> None:
        """Lets time pass until that moment."""
        while self._plans and self._plans[0][0] <= seconds:
            due, _, change = self._plans.pop(0)
            self.now = max(self.now, due)
            change(self)
        self.now = seconds

    def edit(self, **changes: Any) -> None:
        """Changes fields of the spec as its author would; mappings are merged into the models that are there."""
        merged = {
            name: getattr(self.spec, name).model_copy(update=value) if isinstance(value, Mapping) else value
            for name, value in changes.items()
        }
        self.spec = self.spec.model_copy(update=merged)
        self.generation += 1
        self.version += 1

    def delete_attempt(self, number: int) -> None:
        """Ends the newest attempt of a trial, as a user with kubectl would."""
        newest = self.lives[number][max(self.lives[number])]
        self._live(number, dataclasses.replace(newest, stopped=min(newest.stopped, self.now)))

    def delete_trial(self, number: int) -> None:
        """Removes a trial and all that belongs to it, as a user with kubectl would."""
        del self.trials[number]
        self.lives.pop(number, None)
        self._sights.pop(number, None)

    @property
    def owner(self) -> state.Job:
        """The job as it is now."""
        return state.Job(self.name, "uid", self.generation, self.spec, self.status)

    def observe(self) -> tuple[state.Trial, ...]:
        """The trials as they are now, in order of number."""
        return tuple(self._sight(number).item for number in sorted(self.trials))

    def _sight(self, number: int) -> Sight:
        known = self._sights.get(number)
        if known is None or known.until <= self.now:
            known = self._sights[number] = self._look(number)
        return known

    def _look(self, number: int) -> Sight:
        stored, lives = self.trials[number], self.lives.get(number, {})
        seen = {attempt.number: attempt for life in lives.values() if (attempt := life.at(self.now)) is not None}
        newest = max(seen, default=None)
        moments = itertools.chain(*(life.turns() for life in lives.values()))
        if newest is not None and observed.metrics(self.spec) and not stored.status.phase.is_finished():
            moments = itertools.chain(moments, lives[newest].steps())
        item = state.Trial(
            name=f"{self.name}-{number}",
            uid=f"uid-{number}",
            spec=stored.spec,
            status=stored.status,
            attempt=seen.get(newest) if newest is not None else None,
            curves=self._curves(stored.status, lives[newest] if newest is not None else None),
        )
        return Sight(item, min((moment for moment in moments if moment > self.now), default=math.inf))

    def _curves(self, status: trial.TrialStatus, life: fates.Life | None) -> Mapping[str, curve.Curve]:
        """What is seen of a trial that runs, and what is recorded of one that has ended."""
        if status.phase.is_finished():
            return results.recorded(results.unpacked(status)[1])
        return life.curves(self.now) if life is not None else {}

    def _live(self, number: int, life: fates.Life) -> None:
        self.lives.setdefault(number, {})[life.number] = life
        self._sights.pop(number, None)

    def create_trial(self, action: actions.CreateTrial) -> None:
        """Stores a trial; one that exists already stays as it is."""
        number = action.proposal.number
        if number in self.trials:
            return
        wire = proposing.spec_of(action.proposal, self.owner).to_wire()
        spec = trial.TrialSpec.model_validate(_stored(wire))
        typed = spec.model_copy(update={"parameters": parameters.typed(self.spec, spec.parameters)})
        self._note(action)
        self.trials[number] = Stored(typed, trial.TrialStatus())

    def start(self, action: actions.StartAttempt) -> None:
        """Starts an attempt; one that exists already stays as it is. Raises Refused."""
        number = action.trial.number
        existing = self.lives.get(number, {}).get(action.number)
        if existing is not None and existing.at(self.now) is not None:
            return
        if refusal := self._gate(self):
            raise Refused(refusal)
        self._note(action)
        self._live(number, fates.Life(action.number, self._script(number, action.number), self.now))

    def stop(self, action: actions.StopAttempt) -> bool:
        """Asks for the end of the attempt; answers whether that is news."""
        life = self._life(action.trial)
        if life is None or life.stopped <= self.now:
            return False
        self._note(action)
        self._live(action.trial.number, dataclasses.replace(life, stopped=self.now))
        return True

    def collect(self, action: actions.Collect) -> bool:
        """Tells the sidecar of the trial's attempt that the process has ended; answers whether that is news."""
        life = self._life(action.trial)
        if life is None or life.told <= self.now:
            return False
        self._note(action)
        self._live(action.trial.number, dataclasses.replace(life, told=self.now))
        return True

    def _life(self, item: state.Trial) -> fates.Life | None:
        return self.lives.get(item.number, {}).get(item.attempt.number) if item.attempt else None

    def record_trial(self, action: actions.RecordTrial, version: int) -> None:
        """Writes a trial's status over the version that was read. Raises Conflict."""
        stored = self.trials.get(action.trial.number)
        if stored is None or stored.version != version:
            raise Conflict(action.trial.name)
        self._note(action)
        status = trial.TrialStatus.model_validate(_stored(action.status.to_wire()))
        self.trials[action.trial.number] = Stored(stored.spec, status, version + 1)
        self._sights.pop(action.trial.number, None)

    def record_job(self, action: actions.RecordJob, version: int) -> None:
        """Writes the job's status over the version that was read. Raises Conflict."""
        if self.version != version:
            raise Conflict(self.name)
        self._note(action)
        self.status = job.JobStatus.model_validate(_stored(action.status.to_wire()))
        self.version += 1

    def announce(self, action: actions.Announce) -> None:
        """Tells people; each key once."""
        if all(told.key != action.key for told in self.told()):
            self._note(action)

    def told(self) -> list[actions.Announce]:
        """What people were told, in order."""
        return [entry.action for entry in self.history if isinstance(entry.action, actions.Announce)]

    def _note(self, action: actions.Action) -> None:
        live = sum(not stored.status.phase.is_finished() for stored in self.trials.values())
        self.history.append(Entry(self.now, action, self.spec, len(self.trials), live))


def _stored(wire: Any) -> Any:
    """What comes back of an object: JSON, in which the API server writes 1.0 as 1."""
    return json.loads(json.dumps(wire), parse_float=lambda text: _number(float(text)))


def _number(value: float) -> int | float:
    return int(value) if value.is_integer() else value
