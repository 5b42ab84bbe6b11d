"""Jobs on this machine, from the first trial to the last: what goes well, what fails, and what is interrupted."""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import builders
from tests.unit.local import bench
from tests.unit.trial import test_tensorboard
from tuning_operator.api import errors
from tuning_operator.local import folder, runtime
from tuning_operator.tuner import state

FOREVER = "while :; do sleep 0.02; done"


def phases(snapshot: state.Snapshot) -> list[str]:
    return [item.status.phase.value for item in snapshot.trials]


def configurations(snapshot: state.Snapshot) -> list[dict[str, Any]]:
    return [dict(item.spec.parameters) for item in snapshot.trials]


async def test_job_runs_to_its_end_and_finds_the_best(tmp_path: Path) -> None:
    done = await bench.run(tmp_path, bench.job(trials=4, parallel=2))
    assert (done.job.status.phase, phases(done)) == ("Complete", ["Succeeded"] * 4)
    values = [item.status.values["accuracy"] for item in done.trials]
    assert values == [item.spec.parameters["x"] for item in done.trials]
    assert done.job.status.best is not None
    assert done.job.status.best.values == {"accuracy": max(values)}


async def test_time_and_memory_are_measured_and_may_be_constrained(tmp_path: Path) -> None:
    script = f"{bench.REPORT}; python3 -c 'x = bytes([1]) * 60_000_000'"
    done = await bench.run(
        tmp_path, bench.job(script, trials=1, outcomeConstraints=["peakMemory < 60e6", "duration < 600"])
    )
    (item,) = done.trials
    assert (item.status.phase, item.status.reason) == ("Succeeded", "Infeasible")
    assert item.status.measured["peakMemory"] > 60e6
    assert 0 < item.status.measured["duration"] == item.status.measured["cost"] < 600
    assert done.job.status.best is None


async def test_a_job_learns_from_another_that_was_run_beside_it(tmp_path: Path) -> None:
    warm = bench.job(name="second", search={"warmStartFrom": [{"name": "first"}]})
    with pytest.raises(errors.SpecError, match=r"warmStartFrom\[0\].name: no job first was run in .*; run it first"):
        await bench.run(tmp_path / "second", warm)
    first = await bench.run(tmp_path, bench.job(name="first"))
    (tmp_path / "state").rename(tmp_path / "second" / "first")
    done = await bench.run(tmp_path / "second", warm)
    taken = done.job.status.warm_start
    assert taken is not None
    assert {lesson.values["accuracy"] for lesson in taken.results} == {
        t.status.values["accuracy"] for t in first.trials
    }
    assert done.job.status.phase == "Complete"


async def test_running_a_finished_job_again_starts_nothing(tmp_path: Path) -> None:
    first = await bench.run(tmp_path, bench.job())
    again = await bench.run(tmp_path, bench.job())
    assert again.trials == first.trials
    assert again.job.status == first.job.status


async def test_a_second_run_of_the_same_seed_finds_the_same(tmp_path: Path) -> None:
    first = await bench.run(tmp_path / "a", bench.job(trials=5))
    second = await bench.run(tmp_path / "b", bench.job(trials=5))
    assert configurations(first) == configurations(second)


@pytest.mark.parametrize(
    ("script", "reason", "message"),
    [
        pytest.param("echo sorry >&2; exit 3", "NonZeroExit", "exit code 3: sorry", id="exit code"),
        pytest.param("kill -9 $$$$", "NonZeroExit", "killed by signal 9 (SIGKILL)", id="signal"),
        pytest.param("true", "ObjectiveNotReported", "was never reported", id="no metrics"),
        pytest.param(
            'echo \'{"loss": 1}\' > "$TUNING_METRICS_FILE"', "ObjectiveNotReported", "loss", id="another metric"
        ),
        pytest.param(
            'echo \'{"accuracy": NaN}\' > "$TUNING_METRICS_FILE"', "ObjectiveNotFinite", "NaN or infinite", id="NaN"
        ),
        pytest.param("head -c 3000 /dev/urandom > $TUNING_METRICS_FILE", "ObjectiveNotReported", "", id="binary"),
        pytest.param("mkdir $TUNING_METRICS_FILE", "ObjectiveNotReported", "directory", id="a folder for a file"),
    ],
)
async def test_trial_without_a_result_fails_with_its_reason(
    tmp_path: Path, script: str, reason: str, message: str
) -> None:
    done = await bench.run(tmp_path, bench.job(script, trials=1))
    assert (done.job.status.phase, phases(done)) == ("Failed", ["Failed"])
    assert done.trials[0].status.reason == reason
    assert message in done.trials[0].status.message


async def test_command_that_is_not_there_fails_the_trial(tmp_path: Path) -> None:
    done = await bench.run(tmp_path, bench.job(trials=1, template=builders.template(["no-such-program"])))
    assert done.trials[0].status.reason == "StartError"
    assert "no-such-program: No such file or directory" in done.trials[0].status.message


async def test_failed_trials_end_the_job_when_they_are_too_many(tmp_path: Path) -> None:
    done = await bench.run(tmp_path, bench.job("exit 1", trials=9, limits={"maxFailedTrials": 1}))
    assert phases(done) == ["Failed", "Failed"]
    assert done.job.status.conditions[0].reason == "MaxFailedTrialsExceeded"


async def test_last_line_without_a_line_break_counts(tmp_path: Path) -> None:
    done = await bench.run(tmp_path, bench.job('printf \'{"accuracy": 0.5}\' > "$TUNING_METRICS_FILE"', trials=1))
    assert done.trials[0].status.values == {"accuracy": 0.5}


async def test_trial_that_forks_and_exits_is_judged_by_itself(tmp_path: Path) -> None:
    done = await bench.run(tmp_path, bench.job(f"{bench.REPORT}; (sleep 600) & echo $! > pid", trials=1))
    assert phases(done) == ["Succeeded"]
    assert not psutil.pid_exists(int((bench.place(tmp_path) / "work" / "pid").read_text()))


async def test_overdue_trial_fails_and_its_process_ends_although_it_ignores_signals(tmp_path: Path) -> None:
    script = f"trap '' TERM; echo $$$$ > pid; {FOREVER}"
    done = await bench.run(tmp_path, bench.job(script, trials=1, trial={"maxDuration": "1s"}))
    assert done.trials[0].status.reason == "DeadlineExceeded"
    assert not psutil.pid_exists(int((bench.place(tmp_path) / "work" / "pid").read_text()))


async def test_trials_that_run_are_stopped_when_the_target_is_reached(tmp_path: Path) -> None:
    script = f'if [ "$TUNING_TRIAL_NUMBER" = 0 ]; then {bench.REPORT}; else {FOREVER}; fi'
    objectives = [builders.objective(target=0.0)]
    done = await bench.run(tmp_path, bench.job(script, trials=9, parallel=3, objectives=objectives))
    assert done.job.status.phase == "Complete"
    assert phases(done)[0] == "Succeeded"
    assert set(phases(done)[1:]) <= {"Stopped"}
    assert not list_of_children()


def list_of_children() -> list[psutil.Process]:
    """The wardens and trials that run below this process."""
    return [child for child in psutil.Process().children(recursive=True) if {"sh", "warden"} & words(child)]


def words(process: psutil.Process) -> set[str]:
    """The names in a process' command line; none when it has ended."""
    try:
        return {Path(word).stem for word in process.cmdline()}
    except psutil.Error:
        return set()


@pytest.mark.parametrize(("asked", "limit", "most"), [(None, 2, 2), (None, 8, 4), (1, 3, 1), (6, 2, 6)])
async def test_as_many_trials_as_allowed_run_at_a_time(
    tmp_path: Path, asked: int | None, limit: int, most: int
) -> None:
    script = f"touch {tmp_path}/$TUNING_TRIAL_NUMBER; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; {bench.REPORT}"

    def release(snapshot: state.Snapshot) -> None:
        if sum(item.attempt is not None and item.attempt.started is not None for item in snapshot.trials) >= most:
            (tmp_path / "go").touch()

    notes = bench.Notes(watch=release)
    done = await bench.run(tmp_path, bench.job(script, trials=8, parallel=limit), notes, parallel=asked)
    assert phases(done) == ["Succeeded"] * 8
    assert max(sum(not item.is_finished() for item in seen.trials) for seen in notes.snapshots) == most


async def test_parameters_are_on_the_disk_before_the_process_starts(tmp_path: Path) -> None:
    kept = "cp ../../trial.json kept.json"
    done = await bench.run(tmp_path, bench.job(f"{kept}; {bench.REPORT}", trials=1))
    stored = json.loads((bench.place(tmp_path) / "work" / "kept.json").read_text())
    assert stored["spec"]["parameters"] == done.trials[0].spec.parameters


async def test_grid_ends_with_its_last_configuration(tmp_path: Path) -> None:
    parameters = [builders.whole("x", 1, 3)]
    done = await bench.run(tmp_path, bench.job(trials=None, algorithm="grid", parameters=parameters, parallel=2))
    assert [item["x"] for item in configurations(done)] == [1, 2, 3]
    assert done.job.status.conditions[0].reason == "SearchSpaceExhausted"


async def interrupted(
    tmp_path: Path, manifest: builders.Manifest, when: Callable[[state.Snapshot], bool]
) -> state.Snapshot:
    """A run that is interrupted as soon as it looks so."""
    notes = bench.Notes()
    async with bench.opened(tmp_path, manifest, notes) as made:
        notes.watch = lambda snapshot: made.interrupt() if when(snapshot) and not snapshot.job.spec.suspend else None
        return await asyncio.wait_for(made.run(), 60)


def runs(number: int) -> Callable[[state.Snapshot], bool]:
    """Whether a trial's process has left the sign that it runs."""
    return lambda seen: len(seen.trials) > number and seen.trials[number].status.phase == "Running"


SLOW_ONCE = f'if [ "$TUNING_TRIAL_NUMBER$TUNING_ATTEMPT" = 21 ]; then {FOREVER}; fi; {bench.REPORT}'
"""Trial 2 never ends in its first attempt."""


async def test_interrupted_job_goes_on_where_it_was(tmp_path: Path) -> None:
    left = await interrupted(tmp_path, bench.job(SLOW_ONCE, trials=5), runs(2))
    assert left.job.status.phase == "Suspended"
    assert phases(left) == ["Succeeded", "Succeeded", "Pending"]
    done = await bench.run(tmp_path, bench.job(SLOW_ONCE, trials=5))
    assert phases(done) == ["Succeeded"] * 5
    assert [one.number for one in done.trials[2].status.attempts] == [1, 2]
    assert done.trials[2].status.losses == 0, "an interruption costs one of the trial's retries"
    undisturbed = await bench.run(tmp_path / "other", bench.job(trials=5))
    assert configurations(done) == configurations(undisturbed)


async def test_time_between_runs_does_not_count_against_the_jobs_duration(tmp_path: Path) -> None:
    limits = {"maxDuration": "1h"}
    await interrupted(tmp_path, bench.job(SLOW_ONCE, limits=limits), runs(2))
    done = await bench.run(
        tmp_path, bench.job(SLOW_ONCE, limits=limits), clock=lambda: bench.now() + datetime.timedelta(hours=5)
    )
    assert done.job.status.conditions[0].reason == "MaxTrialsReached"


async def test_second_interruption_kills_trials_that_ignore_the_first(tmp_path: Path) -> None:
    script = f"trap '' TERM; touch ready; {FOREVER}"
    manifest = bench.job(script, trials=1)
    manifest["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 600
    async with bench.opened(tmp_path, manifest) as made:
        running = asyncio.create_task(made.run())
        while not (bench.place(tmp_path) / "work" / "ready").exists():
            await asyncio.sleep(0.01)
        made.interrupt()
        await asyncio.sleep(0.1)
        assert not running.done()
        made.interrupt()
        left = await asyncio.wait_for(running, 20)
    assert left.job.status.phase == "Suspended"


async def test_suspended_job_starts_nothing(tmp_path: Path) -> None:
    left = await bench.run(tmp_path, bench.job(suspend=True))
    assert (left.job.status.phase, left.trials) == ("Suspended", ())


async def cut_off(tmp_path: Path, manifest: builders.Manifest, when: Callable[[state.Snapshot], bool]) -> None:
    """A run that ends in the midst of everything, as if killed: nothing is recorded any more."""

    class Killed(Exception):
        pass

    def watch(snapshot: state.Snapshot) -> None:
        if when(snapshot):
            raise Killed

    with pytest.raises(Killed):
        await bench.run(tmp_path, manifest, bench.Notes(watch=watch))


async def test_attempt_that_ran_when_the_run_was_killed_is_lost_and_starts_again(tmp_path: Path) -> None:
    await cut_off(tmp_path, bench.job(SLOW_ONCE), runs(2))
    # A killed parent cannot tell the warden to stop the trial, so no record of that is left either.
    (bench.place(tmp_path, 2) / "exit.json").unlink(missing_ok=True)
    notes = bench.Notes()
    done = await bench.run(tmp_path, bench.job(SLOW_ONCE), notes)
    assert phases(done) == ["Succeeded"] * 3
    lost, again = done.trials[2].status.attempts
    assert (lost.phase, lost.reason, again.phase) == ("Lost", "Interrupted", "Succeeded")
    assert done.trials[2].status.losses == 1
    assert [news.reason for news in notes.news if news.trial] == ["TrialAttemptLost"]


async def test_trial_that_ended_before_the_run_was_killed_keeps_its_result(tmp_path: Path) -> None:
    def ended(_: state.Snapshot) -> bool:
        return (bench.place(tmp_path, 1) / "exit.json").exists()

    manifest = bench.job(f"{bench.REPORT}; sleep 0.05")
    await cut_off(tmp_path, manifest, ended)
    done = await bench.run(tmp_path, manifest)
    assert phases(done) == ["Succeeded"] * 3
    assert [len(item.status.attempts) for item in done.trials] == [1, 1, 1]


async def test_trial_that_was_stored_but_never_started_is_started(tmp_path: Path) -> None:
    await cut_off(tmp_path, bench.job(), lambda seen: len(seen.trials) == 2 and seen.trials[1].attempt is None)
    done = await bench.run(tmp_path, bench.job())
    assert phases(done) == ["Succeeded"] * 3
    assert configurations(done) == configurations(await bench.run(tmp_path / "other", bench.job()))


async def test_time_after_a_kill_does_not_count_against_the_jobs_duration(tmp_path: Path) -> None:
    limits = {"maxDuration": "1h"}
    await cut_off(tmp_path, bench.job(SLOW_ONCE, limits=limits), runs(2))
    done = await bench.run(
        tmp_path, bench.job(SLOW_ONCE, limits=limits), clock=lambda: bench.now() + datetime.timedelta(hours=5)
    )
    assert done.job.status.conditions[0].reason == "MaxTrialsReached"


async def test_warden_that_is_killed_costs_an_attempt_only(tmp_path: Path) -> None:
    def kill(snapshot: state.Snapshot) -> None:
        if runs(2)(snapshot) and snapshot.trials[2].status.attempts[-1].number == 1:
            for child in psutil.Process().children():
                if "warden" in words(child):
                    os.kill(child.pid, signal.SIGKILL)

    done = await bench.run(tmp_path, bench.job(SLOW_ONCE), bench.Notes(watch=kill))
    assert phases(done) == ["Succeeded"] * 3
    assert [one.reason for one in done.trials[2].status.attempts] == ["WardenLost", ""]


async def test_changed_search_is_refused_with_a_way_out(tmp_path: Path) -> None:
    await bench.run(tmp_path, bench.job(seed=1))
    with pytest.raises(errors.SpecError, match=r"spec\.search: changed since the job began .*; .*--fresh"):
        await bench.run(tmp_path, bench.job(seed=2))


async def test_limits_may_be_raised_while_a_job_is_interrupted(tmp_path: Path) -> None:
    await interrupted(tmp_path, bench.job(SLOW_ONCE, trials=3), runs(2))
    done = await bench.run(tmp_path, bench.job(SLOW_ONCE, trials=6))
    assert len(done.trials) == 6
    kept = folder.Folder(tmp_path / "state").read_job()
    assert kept is not None
    assert kept.generation == 2


async def test_search_that_cannot_work_ends_the_run_with_its_reason(tmp_path: Path) -> None:
    class Broken(bench.Direct):
        async def run(self, *_: Any, **__: Any) -> Any:
            raise ZeroDivisionError("no way")

    with pytest.raises(runtime.SearchError, match="no way"):
        await bench.run(tmp_path, bench.job(), search=Broken())


async def test_large_metrics_file_is_read_to_its_end(tmp_path: Path) -> None:
    script = "head -c 8000000 /dev/zero | tr '\\0' '\\n' > $TUNING_METRICS_FILE; " + bench.REPORT
    notes = bench.Notes()
    done = await bench.run(tmp_path, bench.job(script, trials=1), notes)
    assert phases(done) == ["Succeeded"]
    ended = [seen.trials[0].attempt for seen in notes.snapshots if seen.trials]
    assert any(one is not None and one.draining for one in ended), "the time to read counts as the trial's own"


async def test_nothing_is_left_running_when_a_run_breaks(tmp_path: Path) -> None:
    await cut_off(tmp_path, bench.job(SLOW_ONCE), runs(2))
    assert not list_of_children()


SERVE = """
import http.server, os
value = float(os.environ["HP_x"])
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(f"accuracy {value}\\nstep 1\\n".encode())
with http.server.HTTPServer(("127.0.0.1", int(os.environ["TUNING_METRICS_PORT"])), Answer) as server:
    server.handle_request()
"""


@pytest.mark.parametrize(
    ("metrics", "script"),
    [
        pytest.param({"source": "stdout"}, 'echo training; echo "{\\"accuracy\\": $HP_x}"; echo done >&2', id="stdout"),
        pytest.param({"source": "stdout", "format": "text"}, 'echo "epoch 1: accuracy=$HP_x"', id="text on stdout"),
        pytest.param(
            {"source": "stdout", "format": "text", "pattern": r"(\w+) is (\S+)"},
            'echo "the accuracy is $HP_x"',
            id="pattern on stdout",
        ),
    ],
)
async def test_what_a_trial_prints_is_its_result(tmp_path: Path, metrics: dict[str, Any], script: str) -> None:
    done = await bench.run(tmp_path, bench.job(script, metrics=metrics))
    assert phases(done) == ["Succeeded"] * 3
    assert [item.status.values["accuracy"] for item in done.trials] == [
        item.spec.parameters["x"] for item in done.trials
    ]


async def test_trials_that_serve_their_metrics_each_get_a_port_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "serve.py").write_text(SERVE)
    manifest = bench.job(
        trials=3,
        parallel=3,
        metrics={"source": "prometheus", "endpoint": {"port": 8000}},
        template=builders.template(["python3", "serve.py"]),
    )
    done = await bench.run(tmp_path, manifest)
    assert [item.status.values.get("accuracy") for item in done.trials] == [
        item.spec.parameters["x"] for item in done.trials
    ]


async def test_a_trial_that_never_serves_fails_with_that_reason(tmp_path: Path) -> None:
    metrics = {"source": "prometheus", "endpoint": {"port": 8000}}
    done = await bench.run(tmp_path, bench.job("true", trials=1, metrics=metrics))
    assert done.trials[0].status.reason == "ObjectiveNotReported"
    assert "on the port that TUNING_METRICS_PORT names" in done.trials[0].status.message


async def test_event_files_are_read(tmp_path: Path) -> None:
    (tmp_path / test_tensorboard.FILE).write_bytes(test_tensorboard.scalars(0.25, 0.5, tag="accuracy"))
    script = f'mkdir -p "$TUNING_TENSORBOARD_DIR/run"; cp {tmp_path}/events.* "$TUNING_TENSORBOARD_DIR"'
    done = await bench.run(tmp_path, bench.job(script, trials=1, metrics={"source": "tensorboard"}))
    assert done.trials[0].status.values == {"accuracy": 0.5}
    (metric,) = done.trials[0].status.metrics
    assert (metric.steps, metric.values) == ([1, 2], [0.25, 0.5])
