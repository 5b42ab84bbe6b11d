"""A source whose jobs a test changes as it likes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from tuning_operator.stopping import curve
from tuning_operator.tuner import state
from tuning_operator.web import source


class Made:
    """Jobs that stand in a mapping, by namespace and name."""

    def __init__(self, **jobs: state.Snapshot) -> None:
        self.snapshots: dict[tuple[str, str], state.Snapshot] = {}
        self.logs: dict[int, str] = {}
        self.live: dict[int, Mapping[str, curve.Curve]] = {}
        self.version = 0
        self.asked: list[str] = []
        for name, snapshot in jobs.items():
            self.put(name, snapshot)

    def put(self, name: str, snapshot: state.Snapshot) -> None:
        """Let a job be like this now."""
        renamed = dataclasses.replace(snapshot.job, name=name)
        self.snapshots["team-a", name] = dataclasses.replace(snapshot, job=renamed)
        self.version += 1

    async def jobs(self) -> Sequence[source.Brief]:
        self.asked.append("jobs")
        return [
            source.Brief(namespace, name, taken.job.status, taken.job.spec.objectives[0].metric)
            for (namespace, name), taken in self.snapshots.items()
        ]

    async def job(self, namespace: str, name: str) -> source.Found | None:
        self.asked.append("job")
        taken = self.snapshots.get((namespace, name))
        return source.Found(taken, self.version) if taken else None

    async def log(self, namespace: str, name: str, number: int) -> source.Log:
        return source.Log(self.logs[number]) if number in self.logs else source.Log(note="It has written nothing.")

    async def curves(self, namespace: str, name: str, number: int) -> Mapping[str, curve.Curve]:
        self.asked.append("curves")
        return self.live.get(number, {})
