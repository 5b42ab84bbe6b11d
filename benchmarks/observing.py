"""How soon the operator knows what running trials report: ``python -m benchmarks.observing``.

Real sidecars but for their processes (200 of them would need 4 GiB): each follows a file of its own and listens at an
address of its own, all in one process beside this one. A trial writes the time into its file once a second; measured is
how old that time is when the operator's observer says that the curve has changed. The goal is two seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import pathlib
import resource
import statistics
import tempfile
import threading
import time
from multiprocessing.connection import Connection

from tests.unit.kube.test_render import item, owner

from tuning_operator.api import job, trial
from tuning_operator.kube import following, observing, sidecars, store
from tuning_operator.tuner import state
from tuning_trial import collector, sidecar, web

KEY = store.Key("benchmark", "job")
METRIC = "loss"


class Server(web.Server):
    """A sidecar's server at one address only."""

    def __init__(self, address: str, port: int, of: sidecar.Sidecar) -> None:
        self._address = address
        super().__init__(port, of, web.Labels("job", "trial", "benchmark"), "token")

    def server_bind(self) -> None:
        """Bind to the address instead of all of them."""
        self.server_address = (f"::ffff:{self._address}", 9464)
        super().server_bind()


def address(number: int) -> str:
    """The loopback address of a trial."""
    return f"127.77.{number // 250}.{number % 250 + 1}"


def trials(count: int, seconds: float, folder: pathlib.Path, control: Connection) -> None:
    """The other process: sidecars, and trials that write."""
    files = [folder / f"{number}.jsonl" for number in range(count)]
    for number, path in enumerate(files):
        path.touch()
        made = sidecar.Sidecar(
            collector.Collector(str(path), objectives=[METRIC]),
            sidecar.Message(str(path.with_suffix(".message")), 4096),
        )
        Server(address(number), 9464, made).start()
        threading.Thread(target=made.run, daemon=True).start()
    control.send("ready")
    control.recv()
    began = time.time()
    for step in range(1, round(seconds) + 1):
        for number, path in enumerate(files):
            time.sleep(max(0.0, began + step - 1 + number / count - time.time()))
            with path.open("a") as file:
                file.write(json.dumps({"step": step, METRIC: time.time()}) + "\n")
    control.recv()


async def observe(count: int, seconds: float) -> tuple[list[float], float]:
    """The age of each observation when it was known, and the share of a processor that this took."""
    ages: list[float] = []
    seen: dict[str, int] = {}
    spec = owner(objectives=[{"metric": METRIC, "goal": "minimize"}]).spec.model_copy(
        update={"early_stopping": job.EarlyStopping(algorithm="asha")}
    )

    def look() -> None:
        now = time.time()
        for number in range(count):
            curve = observer.curves(KEY, str(number)).get(METRIC)
            for value in curve.values[seen.get(str(number), 0) :] if curve else ():
                ages.append(now - value)
            seen[str(number)] = len(curve) if curve else 0

    reach = sidecars.Sidecars(None, sidecars.Access.DIRECT)  # type: ignore[arg-type]
    unused: following.Logs = None  # type: ignore[assignment]
    observer = observing.Observer(reach, unused, lambda _: look(), lambda *_: None)
    running = state.Attempt(1, trial.AttemptPhase.RUNNING)
    pods = [(store.PodRecord("p", str(n), "1", address(n), running), item(owner())) for n in range(count)]
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    observer.attend(KEY, spec, pods)
    await asyncio.sleep(seconds)
    after = resource.getrusage(resource.RUSAGE_SELF)
    share = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / (time.monotonic() - began)
    await observer.close()
    await reach.close()
    return ages, share


def main() -> None:
    """Measure, and print one JSON object as the last line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--trials", type=int, default=200)
    options.add_argument("--seconds", type=float, default=20)
    given = options.parse_args()
    mine, theirs = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        work = (given.trials, given.seconds, pathlib.Path(folder), theirs)
        child = multiprocessing.get_context("spawn").Process(target=trials, args=work)
        child.start()
        mine.recv()
        mine.send("write")
        ages, share = asyncio.run(observe(given.trials, given.seconds + 3))
        mine.send("end")
        child.join()
    print(
        json.dumps(
            {
                "trials": given.trials,
                "observations": len(ages),
                "expected": given.trials * round(given.seconds),
                "p50_s": round(statistics.median(ages), 3),
                "p99_s": round(statistics.quantiles(ages, n=100)[98], 3),
                "max_s": round(max(ages), 3),
                "processor_share": round(share, 3),
            }
        )
    )


if __name__ == "__main__":
    main()
