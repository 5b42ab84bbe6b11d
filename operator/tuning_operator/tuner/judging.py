"""The stopping rule at work: which running trials end early, at one look at a job.

What was decided is in the trials' statuses, written before anything is stopped. So a look judges nothing but progress
that is not recorded yet, and finds after a crash what the crashed one would have found.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from tuning_operator.api import job, trial
from tuning_operator.stopping import alone, case, curve, rule
from tuning_operator.tuner import results, state

REASON = "StoppedEarly"
NOTHING = curve.Curve()


@dataclasses.dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be recorded of a trial: its rungs, and, where the rule ends it, a sentence that says why."""

    rungs: list[trial.Rung]
    stop: str = ""


class Court:
    """One job's stopping rule at one look. It remembers what it has decided, as if that were recorded already."""

    def __init__(self, snapshot: state.Snapshot) -> None:
        spec = snapshot.job.spec
        self._wanted = spec.early_stopping or job.EarlyStopping(algorithm="none")
        self._rule = rule.RULES[self._wanted.algorithm]
        self._settings = self._rule.settings.model_validate(dict(self._wanted.settings))
        metric = self._wanted.metric or spec.objectives[0].metric
        self._objective = next(objective for objective in spec.objectives if objective.metric == metric)
        self._sign = -1.0 if self._objective.goal is job.Goal.MAXIMIZE else 1.0
        self._trials = snapshot.trials

    def judge(self, item: state.Trial) -> Judgement | None:
        """What is new about a trial's progress; None if nothing is."""
        if isinstance(self._rule, alone.Unstopped):
            return None
        seen = self._losses(results.reported(item))
        if not seen.reached:
            return None
        verdict = self._rule.judge(
            case.Case(
                trial=case.Contender(item.number, seen, tuple(map(self._entry, item.status.rungs))),
                record=self,
                max_steps=self._wanted.max_steps,
                counts=self._objective.from_,
                settings=self._settings,
                sign=self._sign,
            )
        )
        if not verdict.entries and verdict.stop is None:
            return None
        for entry in verdict.entries:
            self._arrivals[entry.rung, entry.bracket].append(entry.loss)
        rungs = [*item.status.rungs, *map(self._rung, verdict.entries)]
        return Judgement(rungs, self._sentence(verdict.stop) if verdict.stop else "")

    def losses(self, rung: float, bracket: int) -> Sequence[float]:
        """What came to a rung of a bracket so far."""
        return self._arrivals[rung, bracket]

    def finished(self) -> Sequence[curve.Curve]:
        """The curves of the trials that have ended, as losses."""
        return self._finished

    @functools.cached_property
    def _arrivals(self) -> defaultdict[tuple[float, int], list[float]]:
        found: defaultdict[tuple[float, int], list[float]] = defaultdict(list)
        for item in self._trials:
            for entry in map(self._entry, item.status.rungs):
                found[entry.rung, entry.bracket].append(entry.loss)
        return found

    @functools.cached_property
    def _finished(self) -> list[curve.Curve]:
        return [self._losses(item.curves) for item in self._trials if item.is_finished()]

    def _losses(self, curves: Mapping[str, curve.Curve]) -> curve.Curve:
        """The curve of the metric that counts, turned so that lower is better."""
        found = curves.get(self._objective.metric, NOTHING)
        return found if self._sign > 0 else dataclasses.replace(found, values=tuple(-value for value in found.values))

    def _entry(self, rung: trial.Rung) -> case.Entry:
        loss = math.inf if rung.value is None else self._sign * rung.value
        return case.Entry(rung.step, loss, rung.bracket)

    def _rung(self, entry: case.Entry) -> trial.Rung:
        value = self._sign * entry.loss if math.isfinite(entry.loss) else None
        return trial.Rung(step=entry.rung, value=value, bracket=entry.bracket)

    def _sentence(self, stop: case.Stop) -> str:
        name = self._objective.metric
        reached = (
            f"{name} is {self._sign * stop.loss:.6g}" if math.isfinite(stop.loss) else f"{name} is NaN or infinite"
        )
        bound = f" ({self._sign * stop.bound:.6g})" if math.isfinite(stop.bound) else ""
        return f"{self._wanted.algorithm}: at step {stop.step:g} {reached}, {stop.why}{bound}"
