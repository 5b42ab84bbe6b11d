"""Plays the jobs on the cluster in virtual time, by one of three ways to decide what starts.

- `ours`: the operator's own decisions (`scheduling.sharing`), one round at each arrival and each end.
- `blind`: as Katib does it. Every job keeps as many Pods as may run at once; those that do not fit wait. The default
  scheduler takes them in the order in which they came, tries one that did not fit again when something has changed
  and its pause (1 to 10 seconds, doubled each time) is over, and puts a Pod on the node with most room left
  (kubernetes.io/docs/concepts/scheduling-eviction/scheduling-framework, NodeResourcesFit with LeastAllocated).
- `fcfs`: first come, first served. Trials in the order in which their jobs came; one that does not fit holds up all
  that come after it. Nodes are chosen as in `ours`.
"""

from __future__ import annotations

import dataclasses
import datetime
import heapq
import time
from collections import deque
from collections.abc import Callable, Iterator

from benchmarks.packing.load import GPU, Job
from tuning_operator.scheduling import cluster, pods, quantities, sharing

EPOCH = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
FIRST_BACKOFF, LAST_BACKOFF = 1.0, 10.0


@dataclasses.dataclass(slots=True)
class Run:
    """A job in the course of a play."""

    job: Job
    begun: int = 0
    ended: int = 0
    first: float | None = None
    since: float | None = None
    """Since when it has wanted to start a trial and could not."""
    longest: float = 0.0

    @property
    def live(self) -> int:
        """How many of its trials run."""
        return self.begun - self.ended

    def wants(self) -> int:
        """How many more trials may run."""
        return min(self.job.parallel - self.live, len(self.job.seconds) - self.begun)


@dataclasses.dataclass(frozen=True, slots=True)
class Figures:
    """What came of a play. Times are in seconds; `gpu_use` is the share of GPUs in use while trials wait for some."""

    makespan: float
    gpu_use: float
    longest_wait: float
    longest_pending: float
    decision_ms: tuple[float, ...] = ()


class Play:
    """The state that all three ways share."""

    def __init__(self, known: cluster.Cluster, jobs: tuple[Job, ...]) -> None:
        self.now = 0.0
        self.cluster = known
        self.runs = [Run(job) for job in jobs]
        self.here: list[Run] = []
        self.ms: list[float] = []
        self.pending = 0.0
        self._ends: list[tuple[float, str, Run]] = []
        self._arrivals = deque(sorted(self.runs, key=lambda run: run.job.arrives))
        self._alarms: list[float] = []
        self._busy = self._short = 0.0

    def start(self, run: Run, node: str) -> None:
        """A trial begins on a node."""
        uid = f"{run.job.name}/{run.begun}"
        self.cluster.set_pod(uid, node, run.job.need.requests)
        heapq.heappush(self._ends, (self.now + run.job.seconds[run.begun], uid, run))
        run.begun += 1
        run.first = self.now if run.first is None else run.first
        self._waited(run)
        run.since = self.now if run.wants() > 0 else None

    def _waited(self, run: Run) -> None:
        if run.since is not None:
            run.longest = max(run.longest, self.now - run.since)

    def wake(self, at: float) -> None:
        """Let the decider look again at that moment."""
        heapq.heappush(self._alarms, at)

    def play(self, decide: Callable[[Play], None]) -> Figures:
        """Plays to the end."""
        while self._ends or self._arrivals:
            self._advance()
            decide(self)
            for run in self.here:
                if run.wants() > 0 and run.since is None:
                    run.since = self.now
        use = self._busy / self._short if self._short else 1.0
        return Figures(self.now, use, max(run.longest for run in self.runs), self.pending, tuple(self.ms))

    def _advance(self) -> None:
        moments = [self._ends[0][0]] if self._ends else []
        moments += [self._arrivals[0].job.arrives] if self._arrivals else []
        moments += [self._alarms[0]] if self._alarms else []
        then = min(moments)
        self._account(then - self.now)
        self.now = then
        while self._alarms and self._alarms[0] <= then:
            heapq.heappop(self._alarms)
        while self._arrivals and self._arrivals[0].job.arrives <= then:
            self.here.append(self._arrivals.popleft())
        while self._ends and self._ends[0][0] <= then:
            _, uid, run = heapq.heappop(self._ends)
            self.cluster.drop_pod(uid)
            run.ended += 1

    def _account(self, seconds: float) -> None:
        def gpus(need: pods.Need) -> int:
            return dict(need.requests).get(GPU, 0)

        if any(run.wants() > 0 and gpus(run.job.need) for run in self.here):
            total = self.cluster.total[GPU]
            self._short += seconds * total
            self._busy += seconds * sum(run.live * gpus(run.job.need) for run in self.here)


def ours(play: Play) -> None:
    """One round of the operator's decisions."""
    by_name = {run.job.name: run for run in play.here}
    moment = EPOCH + datetime.timedelta(seconds=play.now)
    demands = [
        sharing.Demand(
            key=run.job.name,
            namespace=run.job.namespace,
            shapes=(sharing.Shape("", run.job.need),),
            wants=run.wants(),
            runs=run.live,
            holds={name: value * run.live for name, value in run.job.need.requests},
            since=EPOCH + datetime.timedelta(seconds=run.since) if run.since is not None else None,
        )
        for run in play.here
        if run.begun < len(run.job.seconds)
    ]
    began = time.perf_counter()
    verdicts = sharing.allocate(
        play.cluster.room(), play.cluster.total, {}, demands, moment, silent={demand.key for demand in demands}
    )
    grants = sum(len(verdict.grants) for verdict in verdicts.values())
    play.ms.append((time.perf_counter() - began) * 1000 / max(1, grants))
    for key, verdict in verdicts.items():
        for grant in verdict.grants:
            play.start(by_name[str(key)], grant.node)


def fcfs(play: Play) -> None:
    """The head of the line starts, or all wait."""
    room = play.cluster.room()
    for run in play.here:
        while run.wants() > 0:
            node = room.place(run.job.need)
            if node is None:
                return
            play.start(run, node)


class Blind:
    """Pods are made at once, and the default scheduler places them."""

    def __init__(self) -> None:
        self._queue: dict[int, tuple[Run, float, float, float]] = {}
        """By the order in which Pods were made: the job, when, when it may be tried again, and its next pause."""
        self._made = 0
        self._waiting: dict[str, int] = {}
        self._version = -1

    def __call__(self, play: Play) -> None:
        """One pass over the Pods that wait."""
        for run in play.here:
            waiting = self._waiting.get(run.job.name, 0)
            for _ in range(run.wants() - waiting):
                self._queue[self._made] = (run, play.now, play.now, FIRST_BACKOFF)
                self._made += 1
                self._waiting[run.job.name] = self._waiting.get(run.job.name, 0) + 1
        hopeless: set[pods.Need] = set()
        for number, (run, made, due, pause) in list(self._queue.items()):
            if due > play.now or run.job.need in hopeless:
                continue
            node = _roomiest(play.cluster, run.job.need)
            if node is None:
                # All Pods of this need would fail in this moment, too; only the first is made to wait for it.
                hopeless.add(run.job.need)
                self._queue[number] = (run, made, play.now + pause, min(LAST_BACKOFF, 2 * pause))
                continue
            del self._queue[number]
            self._waiting[run.job.name] -= 1
            play.pending = max(play.pending, play.now - made)
            play.start(run, node)
        if self._version != play.cluster.version:
            # Something has changed: those whose pause is not over yet will be tried as soon as it is.
            self._version = play.cluster.version
            later = [due for _, _, due, _ in self._queue.values() if due > play.now]
            if later:
                play.wake(min(later))


def _roomiest(known: cluster.Cluster, need: pods.Need) -> str | None:
    """The node that would be least full of processors and memory."""

    def left(name: str) -> float:
        free, given = known.free(name), known.nodes[name].allocatable
        asked = dict(need.requests)
        return sum((free[key] - asked.get(key, 0)) / given[key] for key in ("cpu", "memory"))

    able = [name for name in known.nodes if cluster.fits(need, known.free(name))]
    return max(able, key=left, default=None)


def bound(jobs: tuple[Job, ...], known: cluster.Cluster) -> float:
    """No way to decide can be faster: work divided by what there is to do it, and each job by itself.

    For each set of nodes, work that can be done on no others is divided by what these have: whole nodes of eight GPUs are
    not to be had from nodes with four.
    """
    able = {
        job.need: frozenset(name for name, node in known.nodes.items() if cluster.fits(job.need, node.allocatable))
        for job in jobs
    }
    return max(*(_work(jobs, able, known, names) for names in able.values()), *map(_alone, jobs))


def _work(
    jobs: tuple[Job, ...], able: dict[pods.Need, frozenset[str]], known: cluster.Cluster, names: frozenset[str]
) -> float:
    """How long the nodes take for the work that they alone can do, if nothing of them is ever idle."""
    given = quantities.total(known.nodes[name].allocatable for name in names)
    work: dict[str, float] = {}
    for job in jobs:
        for name, value in job.need.requests if able[job.need] <= names else ():
            work[name] = work.get(name, 0.0) + value * sum(job.seconds)
    return max((work[name] / given[name] for name in work if name != quantities.PODS), default=0.0)


def _alone(job: Job) -> float:
    return job.arrives + max(*job.seconds, sum(job.seconds) / job.parallel)


def ways() -> Iterator[tuple[str, Callable[[Play], None]]]:
    """The three ways."""
    yield "ours", ours
    yield "blind", Blind()
    yield "fcfs", fcfs
