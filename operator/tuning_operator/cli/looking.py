"""Commands that only look: list, describe, trials, best, compare."""

from __future__ import annotations

import datetime
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuning_operator.cli import locating, tables, trials, words
from tuning_operator.cli.status import Failure, Status
from tuning_operator.local import folder, result
from tuning_operator.report import objects
from tuning_operator.tuner import state

EVENTS_SHOWN = 8
DEEDS = 3
"""Trials that `describe` shows."""


async def jobs(namespace: str, context: str, everywhere: bool, local: Path | None, form: str) -> int:
    """`tuningctl list`."""
    found = await _all(namespace, context, everywhere, local)
    found.sort(key=lambda one: (one.namespace, one.snapshot.job.name))
    if form in ("json", "yaml"):
        tables.write(tables.document([_summary(one) for one in found], form))
    elif form == "name":
        tables.write("".join(f"{one.snapshot.job.name}\n" for one in found))
    elif not found:
        sys.stderr.write("there are no TuningJobs here; -A looks in all namespaces, --local in a folder\n")
    else:
        head = (*(("namespace",) if everywhere else ()), "name", "phase", "trials", "running", "best", "age", "message")
        tables.show(head, [_line(one, everywhere) for one in found])
    return Status.DONE


async def _all(namespace: str, context: str, everywhere: bool, local: Path | None) -> list[objects.Found]:
    if local is not None:
        homes = sorted(path.parent for path in local.glob("*/job.json"))
        if not homes:
            raise Failure(Status.ABSENT, f"there are no jobs in {local}; tuningctl run keeps them in .tuning")
        return [await locating.Local(folder.Folder(home.absolute())).look() for home in homes]
    from tuning_operator.cluster import access

    async with access.connect(context, namespace) as cluster:
        return [
            locating.understood(body, [], body["metadata"]["name"])
            for body in await cluster.jobs(everywhere=everywhere)
        ]


def _line(one: objects.Found, everywhere: bool) -> list[str]:
    job, now = one.snapshot.job, one.snapshot.now
    begun = job.status.start_time
    return [
        *((one.namespace,) if everywhere else ()),
        job.name,
        job.status.phase.value,
        job.status.progress,
        str(job.status.trials.running),
        job.status.best_value,
        words.duration(now - begun) if begun else "",
        words.clean(job.status.message, 120),
    ]


def _summary(one: objects.Found) -> dict[str, Any]:
    job = one.snapshot.job
    return {
        "name": job.name,
        **({"namespace": one.namespace} if one.namespace else {}),
        **{key: value for key, value in job.status.to_wire().items() if key not in ("conditions", "specDigest")},
    }


async def describe(where: locating.Where) -> int:
    """`tuningctl describe`."""
    async with locating.source(where) as source:
        found = await source.look()
        events: list[dict[str, Any]] = []
        if isinstance(source, locating.Remote):
            events = await source.cluster.events(found.snapshot.job.uid)
    lines = [*_described(found), *_conditions(found.snapshot), *_deeds(found.snapshot), *_told(events)]
    tables.write("".join(f"{line}\n" for line in tables.fitted(lines)))
    return Status.DONE


def _described(found: objects.Found) -> list[str]:
    job, status, now = found.snapshot.job, found.snapshot.job.status, found.snapshot.now
    spec, counts = job.spec, status.trials
    winner = result.best(found.snapshot)
    ended = status.completion_time or now
    facts = {
        "name": job.name,
        "namespace": found.namespace,
        "phase": f"{status.phase} {status.progress}".strip(),
        "message": words.clean(status.message),
        "objective": ", ".join(_objective(one) for one in spec.objectives),
        "parameters": ", ".join(parameter.name for parameter in spec.parameters),
        "search": f"{spec.search.algorithm}, seed {spec.search.seed}",
        "limits": ", ".join(f"{name} {value}" for name, value in spec.limits.to_wire().items()),
        "trials": f"{counts.running} running, {counts.pending} pending, {counts.succeeded} succeeded, "
        f"{counts.failed} failed, {counts.stopped} stopped",
        "time": words.duration(ended - status.start_time) if status.start_time else "",
        "best": words.best(winner).removeprefix("best: ") if winner else "none yet",
    }
    width = max(map(len, facts)) + 1
    return [f"{name + ':':{width}}  {value}" for name, value in facts.items() if value]


def _objective(one: Any) -> str:
    target = "" if one.target is None else f" to {one.target:g}"
    return f"{one.goal} {one.from_} {one.metric}{target}"


def _conditions(snapshot: state.Snapshot) -> list[str]:
    held = [one for one in snapshot.job.status.conditions if one.status == "True"]
    rows = [
        (one.type, one.reason, words.duration(snapshot.now - one.last_transition_time), words.clean(one.message, 200))
        for one in held
    ]
    return ["", *words.table(("condition", "reason", "since", "message"), rows)] if rows else []


def _deeds(snapshot: state.Snapshot) -> list[str]:
    waiting = [item for item in snapshot.trials if not item.is_finished()]
    last = [item for item in snapshot.trials if item.is_finished()][-DEEDS:]
    if not (waiting or last):
        return []
    rows = [trials.row(item, snapshot.job.spec, snapshot.now) for item in (*last, *waiting)]
    return ["", *words.table(*trials.table(rows, snapshot.job.spec))]


def _told(events: Sequence[dict[str, Any]]) -> list[str]:
    rows = []
    for event in events[-EVENTS_SHOWN:]:
        moment = str(event.get("lastTimestamp") or event.get("eventTime") or "")[11:19]
        rows.append((moment, str(event.get("reason", "")), words.clean(str(event.get("message", "")), 200)))
    return ["", *words.table(("time", "event", "message"), rows)] if rows else []


async def rows(
    where: locating.Where, sort: str, reverse: bool, conditions: Sequence[str], top: int | None, form: str, output: str
) -> int:
    """`tuningctl trials`."""
    async with locating.source(where) as source:
        snapshot = (await source.look()).snapshot
    found = trials.chosen(trials.rows(snapshot), conditions)
    found = trials.ordered(found, sort, snapshot.job.spec, reverse=reverse)[:top]
    match form:
        case "csv":
            data = tables.comma_separated(found).encode()
        case "json" | "yaml":
            data = tables.document(found, form).encode()
        case "parquet":
            if not output:
                raise Failure(Status.REFUSED, "--output: Parquet is not for a terminal; name a file with --file")
            data = tables.parquet(found)
        case _:
            head, lines = trials.table(found, snapshot.job.spec)
            if not output:
                tables.show(head, lines)
                return Status.DONE
            data = "".join(f"{line}\n" for line in words.table(head, lines)).encode()
    _write(data, output)
    return Status.DONE


def _write(data: bytes, output: str) -> None:
    if output:
        try:
            Path(output).write_bytes(data)
        except OSError as error:
            raise Failure(Status.REFUSED, f"{output} cannot be written: {error.strerror}") from None
    else:
        tables.write(data.decode())


async def best(where: locating.Where, form: str) -> int:
    """`tuningctl best`."""
    async with locating.source(where) as source:
        snapshot = (await source.look()).snapshot
    winner = trials.best(snapshot)
    tables.write(formatted(winner, form))
    return Status.DONE


def formatted(item: state.Trial, form: str) -> str:
    """A trial's configuration: as lines for people, as a document, as variables, or as arguments of a command."""
    parameters = item.spec.parameters
    match form:
        case "env":
            return "".join(f"HP_{name}={shlex.quote(str(value))}\n" for name, value in parameters.items())
        case "args":
            return " ".join(f"--{name}={shlex.quote(str(value))}" for name, value in parameters.items()) + "\n"
        case "json" | "yaml":
            body = {"trial": item.number, "name": item.name, "values": item.status.values, "parameters": parameters}
            return tables.document(body, form)
        case _:
            values = words.objectives(item.status.values)
            lines = [f"trial {item.number}: {values}", *(f"  {name} = {value}" for name, value in parameters.items())]
            return "".join(f"{line}\n" for line in lines)


async def compare(names: Sequence[str], namespace: str, context: str, local: Path | None, form: str) -> int:
    """`tuningctl compare`: each name is a job, of which the best trial is meant, or JOB:TRIAL."""
    columns: dict[str, dict[str, Any]] = {}
    for name in names:
        job, _, number = name.partition(":")
        async with locating.source(locating.Where(job, namespace, context, local)) as source:
            snapshot = (await source.look()).snapshot
        item = trials.named(snapshot, number or "best")
        columns[name] = _facts(item, snapshot.now)
    if form in ("json", "yaml"):
        tables.write(tables.document(columns, form))
        return Status.DONE
    facts = list(dict.fromkeys(fact for column in columns.values() for fact in column))
    lines = []
    for fact in facts:
        cells = [str(column.get(fact, "")) for column in columns.values()]
        differ = "*" if len(set(cells)) > 1 and fact != "trial" else ""
        lines.append([fact, *cells, differ])
    tables.show(["", *columns, ""], lines)
    return Status.DONE


def _facts(item: state.Trial, now: datetime.datetime) -> dict[str, Any]:
    ran = words.ran(item, now)
    return {
        "trial": item.name,
        "phase": item.status.phase.value,
        **item.status.values,
        **item.spec.parameters,
        **({"profile": item.status.profile} if item.status.profile else {}),
        "duration": "" if ran is None else words.duration(ran),
    }
