"""One job's dealings with the ledger: what it asks for at each look, and the room in which its Pods are made."""

from __future__ import annotations

import datetime

from tuning_operator.api import base, job
from tuning_operator.kube import client, executor, ledger, store
from tuning_operator.tuner import actions, report, state


class Booking:
    """Asks for room on behalf of jobs. Without a ledger there is room for everything."""

    def __init__(self, known: store.Store, hands: executor.Executor, books: ledger.Ledger | None) -> None:
        self._store = known
        self._hands = hands
        self._books = books
        self._molds: dict[store.Key, dict[str, client.Object]] = {}
        """A Pod in each profile of a job, as the operator would make it or as the API server has made one."""

    def offer(self, key: store.Key) -> state.Offer | None:
        """What the job may start; None where nobody counts."""
        return self._books.offer(key) if self._books is not None else None

    def renew(self, key: store.Key) -> None:
        """The job's spec has changed, and its Pods with it."""
        self._molds.pop(key, None)

    def forget(self, key: store.Key) -> None:
        """The job is gone."""
        self.renew(key)
        if self._books is not None:
            self._books.forget(key)

    def ask(self, record: store.JobRecord, snapshot: state.Snapshot, wants: int) -> None:
        """Tells the ledger what the job wants and what it has."""
        if self._books is None:
            return
        pods = [self._store.pod(record.key.namespace, item.uid) for item in snapshot.known.live]
        live = tuple(
            ledger.Live(pod.uid, pod.attempt.profile, pod.attempt.node)
            for pod in pods
            if pod is not None and not pod.gone and not pod.attempt.phase.is_finished()
        )
        if not live and not wants and snapshot.job.status.phase.is_finished():
            self.forget(record.key)
            return
        waiting = next((item for item in snapshot.job.status.conditions if item.type == report.WAITING), None)
        since = waiting.last_transition_time if waiting is not None and waiting.status == "True" else None
        due = snapshot.job.spec.limits.parallel_trials
        self._books.report(record.key, ledger.Party(self._shapes(record, snapshot.job), wants, due, live, since))

    async def start(self, record: store.JobRecord, owner: state.Job, action: actions.StartAttempt) -> bool:
        """Makes a Pod in the room that was found for it; answers whether there still was such room. Raises as
        `Executor.start` does.
        """
        if self._books is None:
            await self._hands.start(record, owner, action)
            return True
        claim = self._books.claim(record.key, action.profile)
        if claim is None:
            return False
        try:
            body = await self._hands.start(record, owner, action, claim.grant.node)
            claim.uid = body["metadata"]["uid"]
        finally:
            if not claim.uid:
                self._books.release(claim)
        molds = self._molds.setdefault(record.key, {})
        if "uid" not in molds.get(action.profile, {}).get("metadata", {}):
            # What the API server and its webhooks have added to this Pod they will add to the next.
            molds[action.profile] = body
        return True

    def _shapes(self, record: store.JobRecord, owner: state.Job) -> tuple[ledger.Mold, ...]:
        """What the job's Pods look like, by profile, in order of preference."""
        molds = self._molds.setdefault(record.key, {})
        waits = {profile.name: profile.wait for profile in owner.spec.profiles}
        made, after = [], datetime.timedelta()
        for profile in profiles(owner.spec):
            if profile not in molds:
                molds[profile] = self._hands.mold(record, owner, profile)
            made.append(ledger.Mold(profile, molds[profile], after))
            wait = waits.get(profile)
            after += base.parse_duration(wait) if wait else datetime.timedelta()
        return tuple(made)


def profiles(spec: job.JobSpec) -> list[str]:
    """The profiles' names, in order; one without a name where there are none."""
    return [profile.name for profile in spec.profiles] or [""]
