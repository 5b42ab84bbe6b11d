"""`tuningctl simulate`: what stopping rules would have made of a finished job, by its own curves."""

from __future__ import annotations

import asyncio
import datetime
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from tuning_operator.api import errors, job
from tuning_operator.cli import locating, manifests, tables, words
from tuning_operator.cli.status import Failure
from tuning_operator.cluster import trouble
from tuning_operator.simulation import replay
from tuning_operator.stopping import check
from tuning_operator.tuner import state

DONE, NOTHING, REFUSED = 0, 1, 2
USUAL = ("none", "median", "patience", "asha", "hyperband")
FEWEST = 2


def run(
    name: str,
    rules: Sequence[str],
    settings: Sequence[str],
    max_steps: float | None,
    workers: int | None,
    start: float,
    namespace: str,
    where: Path | None,
) -> int:
    """Replay the job under each rule and write a table; answers the exit status."""
    try:
        seen = asyncio.run(_look(locating.Where(name, namespace, "", where)))
        spec, recorded = _limited(seen.job.spec, workers), replay.recordings(seen.job.spec, seen.trials)
        if len(recorded) < FEWEST:
            sys.stderr.write(
                "fewer than two trials have run to their end and reported step by step; a job without early stopping, "
                "whose trials report a step, can be simulated\n"
            )
            return NOTHING
        longest = max(one.reached for each in recorded for one in each.curves.values())
        chosen = [_rule(spec, rule, settings, max_steps or longest) for rule in rules or USUAL]
    except errors.SpecError as error:
        sys.stderr.write("".join(f"{line}\n" for line in manifests.lines(name, error.problems)))
        return REFUSED
    except (Failure, trouble.Trouble) as problem:
        sys.stderr.write(f"{problem}\n")
        return REFUSED
    whole = replay.replay(spec, recorded, None, start)
    rows = [_row(spec, one, replay.replay(spec, recorded, one, start), whole) for one in chosen]
    metric = spec.objectives[0].metric
    tables.show(["rule", "time", "of all", "trial time", "of all", "stopped", f"best {metric}"], rows)
    return DONE


async def _look(where: locating.Where) -> state.Snapshot:
    async with locating.source(where) as source:
        return (await source.look()).snapshot


def _limited(spec: job.JobSpec, workers: int | None) -> job.JobSpec:
    if workers is None:
        return spec
    return spec.model_copy(update={"limits": spec.limits.model_copy(update={"parallel_trials": workers})})


def _rule(spec: job.JobSpec, name: str, settings: Sequence[str], max_steps: float) -> job.EarlyStopping:
    """The rule as a manifest would name it. Raises SpecError."""
    given = dict(one.partition("=")[::2] for one in settings)
    early = job.EarlyStopping(
        algorithm=name, max_steps=max_steps, settings={key: yaml.safe_load(value) for key, value in given.items()}
    )
    if problems := check.check(spec.model_copy(update={"early_stopping": early})):
        raise errors.SpecError(problems)
    return early


def _row(spec: job.JobSpec, rule: job.EarlyStopping, found: replay.Outcome, whole: replay.Outcome) -> list[str]:
    return [
        rule.algorithm,
        words.duration(datetime.timedelta(seconds=found.seconds)),
        f"{found.seconds / whole.seconds:.0%}",
        words.duration(datetime.timedelta(seconds=found.trial_seconds)),
        f"{found.trial_seconds / whole.trial_seconds:.0%}",
        str(found.stopped),
        "-" if found.best is None else words.value(found.best),
    ]
