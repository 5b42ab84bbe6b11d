"""The cluster's jobs for the web page, from what the operator knows already: looking costs the API server nothing but for
the log of a trial, and for a question to the sidecar of one that runs.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Mapping, Sequence

from tuning_operator.api import job, template
from tuning_operator.kube import client, names, sidecars, store
from tuning_operator.stopping import curve
from tuning_operator.tuner import results, state
from tuning_operator.web import source

PATIENCE_SECONDS = 3.0
"""How long a page waits for a log or a sidecar. One that has no news yet would keep the question for longer."""
MOST_PAGES = 20


class Cluster:
    """A source of the jobs in the operator's store."""

    def __init__(
        self, api: client.Api, known: store.Store, reach: sidecars.Sidecars, clock: Callable[[], datetime.datetime]
    ) -> None:
        self._api = api
        self._known = known
        self._reach = reach
        self._clock = clock

    async def jobs(self) -> Sequence[source.Brief]:
        """All jobs of the namespaces that the operator watches."""
        return [
            source.Brief(record.key.namespace, record.key.name, record.status, _objective(record.spec))
            for record in self._known.jobs.values()
        ]

    async def job(self, namespace: str, name: str) -> source.Found | None:
        """One job, as it is in the store."""
        record = self._known.jobs.get(store.Key(namespace, name))
        if record is None:
            return None
        try:
            spec = job.JobSpec.model_validate(dict(record.spec), extra="ignore")
        except ValueError:
            return None  # Its status says what is wrong with it, and kubectl shows that.
        trials = self._known.trials(record.key, record.uid)
        pods = [self._known.pod(namespace, item.uid) for item in trials]
        owner = state.Job(name, record.uid, record.generation, spec, record.status)
        versions = tuple((item.version, pod.version if pod else "") for item, pod in zip(trials, pods, strict=True))
        items = tuple(_trial(item, pod) for item, pod in zip(trials, pods, strict=True))
        snapshot = state.Snapshot(job=owner, trials=items, now=self._clock())
        return source.Found(snapshot, (record.version, hash(versions)))

    async def log(self, namespace: str, name: str, number: int) -> source.Log:
        """The end of the container's log, for as long as the Pod is there."""
        record, pod = self._known.jobs.get(store.Key(namespace, name)), self._pod(namespace, name, number)
        if record is None or pod is None or pod.gone:
            return source.Log(note="Its Pod is gone, and the log with it.")
        container = template.trial_container(record.spec["template"])["name"]
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                text = await self._tail(f"{names.pods_path(namespace, pod.name)}/log", container)
        except (client.ApiError, OSError, TimeoutError) as error:
            return source.Log(note=f"The API server does not give its log: {error}")
        return source.Log(text) if text else source.Log(note="It has written nothing so far.")

    async def _tail(self, path: str, container: str) -> str:
        # limitBytes alone would give the beginning of the log; lines may be long, so there has to be both.
        lines, most = source.MAX_LOG_BYTES // 80, 4 * source.MAX_LOG_BYTES
        query = {"container": container, "tailLines": str(lines), "limitBytes": str(most)}
        data = b"".join([piece async for piece in self._api.stream(path, **query)])
        return data[-source.MAX_LOG_BYTES :].decode("utf-8", "replace")

    async def curves(self, namespace: str, name: str, number: int) -> Mapping[str, curve.Curve]:
        """What the trial's sidecar has collected so far; nothing when it does not answer at once."""
        record = self._known.jobs.get(store.Key(namespace, name))
        pod = self._pod(namespace, name, number)
        if record is None or pod is None or pod.gone or not pod.address:
            return {}
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._observed(namespace, pod, tuple(one["metric"] for one in record.spec["objectives"]))
        except (client.ApiError, OSError, ValueError, TimeoutError):
            return {}

    async def _observed(
        self, namespace: str, pod: store.PodRecord, metrics: tuple[str, ...]
    ) -> Mapping[str, curve.Curve]:
        recorders = {metric: curve.Recorder() for metric in metrics}
        last = 0
        for _ in range(MOST_PAGES):
            found = await self._reach.observations(namespace, pod, last, metrics)
            for row in found.rows:
                for metric in recorders.keys() & row.values.keys():
                    recorders[metric].add(row.step, row.values[metric])
            last = found.last
            if not found.more:
                break
        return {metric: recorder.curve() for metric, recorder in recorders.items()}

    def _pod(self, namespace: str, name: str, number: int) -> store.PodRecord | None:
        record = self._known.jobs.get(store.Key(namespace, name))
        item = self._known.trial(record.key, record.uid, number) if record else None
        return self._known.pod(namespace, item.uid) if item else None


def _objective(spec: Mapping[str, object]) -> str:
    """The first objective's metric, also of a spec that nobody has checked."""
    match spec:
        case {"objectives": [{"metric": str(metric)}, *_]}:
            return metric
        case _:
            return ""


def _trial(item: store.TrialRecord, pod: store.PodRecord | None) -> state.Trial:
    return state.Trial(
        item.name,
        item.uid,
        item.spec,
        item.status,
        attempt=pod.attempt if pod else None,
        curves=results.recorded(item.points),
    )
