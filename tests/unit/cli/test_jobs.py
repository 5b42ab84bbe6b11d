"""The commands about jobs, on jobs of this machine and on files from a cluster: what they say, and how they end."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from tests import builders
from tests.unit.report.test_view import bodies
from tuning_operator.api import manifest
from tuning_operator.cli import extending, locating, main, rerunning, trials
from tuning_operator.cli.status import Failure, Status
from tuning_operator.local import folder
from tuning_operator.tuner import admission, state

TRIAL = 'echo "hi $HP_x"; echo "{\\"accuracy\\": $HP_x}" >> "$TUNING_METRICS_FILE"; [ "$TUNING_TRIAL_NUMBER" != 2 ]'
"""Trial 2 fails."""


def tuningctl(*words: str) -> Result:
    return CliRunner().invoke(main.application, words)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a job of four trials was run."""
    place = tmp_path_factory.mktemp("ran")
    body = builders.job("demo", trials=4, parameters=[builders.real("x"), builders.choice("kernel", "rbf", "a b")])
    body["spec"]["template"] = builders.template(["sh", "-c", TRIAL])
    (place / "job.yaml").write_text(yaml.safe_dump(body))
    result = tuningctl("run", str(place / "job.yaml"))
    assert result.exit_code == 0, result.output
    return place


@pytest.fixture
def place(ran: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(ran)
    monkeypatch.setenv("KUBECONFIG", str(ran / "none"))
    return ran


def looked(place: Path) -> state.Snapshot:
    found = asyncio.run(locating.Local(folder.Folder(place / ".tuning" / "demo")).look())
    return found.snapshot


@pytest.mark.parametrize("name", ["demo", ".tuning/demo", "job.yaml"])
def test_job_is_found_by_name_folder_and_manifest(place: Path, name: str) -> None:
    result = tuningctl("best", name, "-o", "json")
    assert (result.exit_code, json.loads(result.stdout)["name"][:5]) == (0, "demo-")


def test_best_in_every_form_is_the_same_configuration(place: Path) -> None:
    document = json.loads(tuningctl("best", "demo", "-o", "json").stdout)
    assert yaml.safe_load(tuningctl("best", "demo", "-o", "yaml").stdout) == document
    expected = {name: str(value) for name, value in document["parameters"].items()}
    environment = dict(word.split("=", 1) for word in shlex.split(tuningctl("best", "demo", "-o", "env").stdout))
    assert environment == {f"HP_{name}": value for name, value in expected.items()}
    arguments = dict(word[2:].split("=", 1) for word in shlex.split(tuningctl("best", "demo", "-o", "args").stdout))
    assert arguments == expected
    assert document["values"]["accuracy"] == max(
        item.status.values["accuracy"] for item in looked(place).trials if item.status.values
    )


def table(*words: str) -> list[dict[str, str]]:
    result = tuningctl("trials", "demo", "-o", "csv", *words)
    assert result.exit_code == 0, result.stderr
    return list(csv.DictReader(io.StringIO(result.stdout)))


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        pytest.param([], ["0", "1", "2", "3"], id="by number"),
        pytest.param(["--reverse"], ["3", "2", "1", "0"], id="reverse"),
        pytest.param(["--where", "phase=failed"], ["2"], id="phase"),
        pytest.param(["--where", "phase!=failed", "--where", "trial>0"], ["1", "3"], id="two conditions"),
        pytest.param(["--where", "message~exit code"], ["2"], id="a part of a text"),
        pytest.param(["--where", "accuracy>=2"], [], id="none"),
    ],
)
def test_trials_are_filtered(place: Path, words: list[str], numbers: list[str]) -> None:
    assert [one["trial"] for one in table(*words)] == numbers


def test_trials_are_sorted_and_those_without_a_value_come_last(place: Path) -> None:
    falling = [one["accuracy"] for one in table("--sort", "best")]
    assert falling[:3] == sorted(falling[:3], key=float, reverse=True)
    rising = table("--sort", "best", "--reverse")
    assert [one["accuracy"] for one in rising[:3]] == falling[2::-1]
    assert rising[3]["trial"] == "2"
    assert len(table("--sort", "x", "--top", "2")) == 2


def test_trials_as_documents_and_files(place: Path, tmp_path: Path) -> None:
    found = json.loads(tuningctl("trials", "demo", "-o", "json").stdout)
    assert [one["phase"] for one in found] == ["Succeeded", "Succeeded", "Failed", "Succeeded"]
    assert tuningctl("trials", "demo", "-o", "parquet", "-f", str(tmp_path / "t.parquet")).exit_code == 0
    import pandas

    frame = pandas.read_parquet(tmp_path / "t.parquet")
    assert list(frame["x"]) == [one["x"] for one in found]
    assert list(frame["accuracy"].isna()) == [False, False, True, False]


def test_describe_tells_what_matters(place: Path) -> None:
    text = tuningctl("describe", "demo").stdout
    for part in (
        "Complete 4/4",
        "maximize best accuracy",
        "3 succeeded, 1 failed",
        "MaxTrialsReached",
        "Failed (NonZeroExit)",
    ):
        assert part in text, text


def test_jobs_of_a_folder_are_listed(place: Path) -> None:
    assert "demo  Complete  4/4" in tuningctl("list", "--local", ".tuning").stdout
    assert tuningctl("list", "--local", ".tuning", "-o", "name").stdout == "demo\n"
    assert json.loads(tuningctl("list", "--local", ".tuning", "-o", "json").stdout)[0]["phase"] == "Complete"


def test_comparison_marks_what_differs(place: Path) -> None:
    lines = tuningctl("compare", "demo:0", "demo:1").stdout.splitlines()
    rows = {line.split()[0]: line for line in lines[1:]}
    assert rows["x"].endswith("*")
    assert not rows["phase"].endswith("*")
    document = json.loads(tuningctl("compare", "demo:0", "demo", "-o", "json").stdout)
    assert document["demo:0"]["trial"] == "demo-0"


def test_logs(place: Path) -> None:
    parameters = looked(place).trials[1].spec.parameters
    assert tuningctl("logs", "demo", "1").stdout == f"hi {parameters['x']}\n"
    assert tuningctl("logs", "demo", "1", "--tail", "0").stdout == ""


def test_watch_ends_with_the_job(place: Path) -> None:
    result = tuningctl("watch", "demo")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "complete: all 4 trials are finished")


def test_rerun_is_a_job_of_its_own_that_runs(place: Path, tmp_path: Path) -> None:
    result = tuningctl("rerun", "demo", "--times", "3")
    body = yaml.safe_load(result.stdout)
    wanted = json.loads(tuningctl("best", "demo", "-o", "json").stdout)["parameters"]
    (tmp_path / "again.yaml").write_text(result.stdout)
    again = json.loads(tuningctl("run", str(tmp_path / "again.yaml"), "-o", "json", "--all").stdout)
    assert body["metadata"]["annotations"]["tuning-operator.dev/rerun-of"].startswith("demo-")
    assert sorted(one["parameters"]["seed"] for one in again["allTrials"]) == [0, 1, 2]
    assert all({**wanted, **one["parameters"]} == {**one["parameters"]} for one in again["allTrials"])


def test_export_to_optuna_adds_only_what_is_new(place: Path, tmp_path: Path) -> None:
    import optuna

    output = str(tmp_path / "study.db")
    assert tuningctl("export", "demo", "--to", "optuna", "-o", output).stdout.startswith("4 trials")
    assert tuningctl("export", "demo", "--to", "optuna", "-o", output).stdout.startswith("0 trials")
    study = optuna.load_study(study_name="demo", storage=f"sqlite:///{output}")
    assert [one.state.name for one in study.trials] == ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE"]
    assert study.best_params == json.loads(tuningctl("best", "demo", "-o", "json").stdout)["parameters"]


def test_export_to_mlflow_adds_only_what_is_new(place: Path, tmp_path: Path) -> None:
    import mlflow

    output = str(tmp_path / "mlflow.db")
    assert tuningctl("export", "demo", "--to", "mlflow", "-o", output).stdout.startswith("4 trials")
    assert tuningctl("export", "demo", "--to", "mlflow", "-o", output).stdout.startswith("0 trials")
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{output}")
    experiment = client.get_experiment_by_name("demo")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], order_by=["metrics.accuracy DESC"])
    assert len(runs) == 4
    assert runs[0].data.params["x"] == str(
        json.loads(tuningctl("best", "demo", "-o", "json").stdout)["parameters"]["x"]
    )


def test_export_to_csv(place: Path, tmp_path: Path) -> None:
    output = tmp_path / "trials.csv"
    assert tuningctl("export", "demo", "--to", "csv", "-o", str(output)).exit_code == 0
    assert [one["trial"] for one in csv.DictReader(output.open())] == ["0", "1", "2", "3"]


def test_file_from_kubectl_is_a_job_too(place: Path, tmp_path: Path) -> None:
    owner, one = bodies()
    path = tmp_path / "saved.json"
    path.write_text(json.dumps({"kind": "List", "items": [owner, one]}))
    assert tuningctl("trials", str(path)).exit_code == 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        pytest.param(
            ["best", "nobody"], Status.UNREACHABLE, "no cluster is configured: set KUBECONFIG", id="no cluster"
        ),
        pytest.param(["list"], Status.UNREACHABLE, "no cluster is configured", id="list without a cluster"),
        pytest.param(["list", "--local", "."], Status.ABSENT, "there are no jobs in .", id="no jobs here"),
        pytest.param(["best", "nobody.yaml"], Status.ABSENT, "no such file", id="no file"),
        pytest.param(["trials", "demo", "--sort", "acuracy"], Status.REFUSED, "did you mean accuracy?", id="sort"),
        pytest.param(["trials", "demo", "--where", "what"], Status.REFUSED, "is no condition", id="condition"),
        pytest.param(["trials", "demo", "--where", "kernal=x"], Status.REFUSED, "did you mean kernel?", id="column"),
        pytest.param(["trials", "demo", "--where", "x>y"], Status.REFUSED, "is not a number", id="number"),
        pytest.param(["trials", "demo", "-o", "parquet"], Status.REFUSED, "name a file", id="parquet to a terminal"),
        pytest.param(
            ["trials", "demo", "-o", "csv", "-f", "no/such/x"], Status.REFUSED, "cannot be written", id="file"
        ),
        pytest.param(["logs", "demo", "9"], Status.ABSENT, "write a number from 0 to 3, or best", id="no trial"),
        pytest.param(["logs", "demo", "1", "--attempt", "7"], Status.ABSENT, "no such attempt", id="no attempt"),
        pytest.param(["compare", "demo:x"], Status.ABSENT, "has no trial 'x'", id="compare with none"),
        pytest.param(["suspend", "demo"], Status.REFUSED, "is no job on a cluster", id="a change of a local job"),
        pytest.param(
            ["extend", "job.yaml", "--trials", "2"], Status.REFUSED, "edit the manifest", id="extension of one"
        ),
        pytest.param(["watch", "demo", "--timeout", "soon"], Status.REFUSED, "is not a duration", id="timeout"),
        pytest.param(["create", "nope.yaml"], Status.REFUSED, "cannot be read", id="manifest that is not there"),
        pytest.param(
            ["create", "job.yaml"], Status.UNREACHABLE, "no cluster is configured", id="create without a cluster"
        ),
        pytest.param(["export", "demo", "--to", "optuna", "-o", "x://y"], Status.REFUSED, "no storage", id="storage"),
    ],
)
def test_bad_input_has_one_line_and_its_exit_status(place: Path, words: list[str], code: int, message: str) -> None:
    result = tuningctl(*words)
    assert result.exit_code == code, result.output
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_manifest_with_mistakes_is_not_sent(place: Path, tmp_path: Path) -> None:
    body = builders.job(objectives=[], limits={"maxTrials": 0})
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(body))
    result = tuningctl("create", str(path))
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 2)


def test_job_without_a_success_has_no_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    body = builders.job("sad", trials=1, template=builders.template(["sh", "-c", "exit 3"]))
    (tmp_path / "sad.yaml").write_text(yaml.safe_dump(body))
    assert tuningctl("run", "sad.yaml").exit_code == 1
    result = tuningctl("best", "sad")
    assert (result.exit_code, "no trial of sad has succeeded yet" in result.stderr) == (1, True)
    assert tuningctl("watch", "sad").exit_code == 1


PROGRAM = [sys.executable, "-m", "tuning_operator.cli.main"]


def test_closed_pipe_ends_it_quietly(place: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.run([*PROGRAM, "trials", "demo"], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert b"Traceback" not in process.stderr
    assert process.returncode != 0


def test_terminal_of_40_columns_gets_lines_that_fit(place: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    for command in (
        ["trials", "demo"],
        ["describe", "demo"],
        ["list", "--local", ".tuning"],
        ["compare", "demo:0", "demo:1"],
    ):
        subprocess.run([*PROGRAM, *command], stdout=theirs, check=True, env={**os.environ, "COLUMNS": "40"})
        lines = os.read(ours, 1 << 16).decode().splitlines()
        assert lines
        assert max(map(len, lines)) <= 40, lines
    os.close(ours)
    os.close(theirs)


def test_completion_offers_jobs_and_never_fails(place: Path) -> None:
    environment = {
        **os.environ,
        "_TUNINGCTL_COMPLETE": "complete_bash",
        "COMP_WORDS": "tuningctl best de",
        "COMP_CWORD": "2",
    }
    done = subprocess.run(PROGRAM, env=environment, capture_output=True, check=False, text=True)
    assert (done.stdout.split(), done.stderr) == (["demo"], "")


def ended(reason: str, made: int = 4, **fields: Any) -> state.Snapshot:
    """A finished job."""
    from tests.unit.tuner import scenes
    from tuning_operator.tuner import ending, report

    wanted = scenes.spec(trials=made, **fields)
    running = scenes.snapshot(*(scenes.one(number, "Succeeded") for number in range(made)), wanted=wanted)
    status = report.status(running, ending.Ending(manifest_phase(), reason, "it is over"))
    return scenes.snapshot(*running.trials, wanted=wanted, status=status)


def manifest_phase() -> Any:
    from tuning_operator.api.job import JobPhase

    return JobPhase.COMPLETE


@pytest.mark.parametrize(
    ("wish", "change"),
    [
        pytest.param(extending.Wish(trials=3), {"maxTrials": 7}, id="more trials"),
        pytest.param(extending.Wish(max_trials=9), {"maxTrials": 9}, id="trials in all"),
        pytest.param(
            extending.Wish(trials=1, duration="5h", parallel=2),
            {"maxTrials": 5, "maxDuration": "5h", "parallelTrials": 2},
            id="several",
        ),
    ],
)
def test_extension_of_a_finished_job(wish: extending.Wish, change: dict[str, Any]) -> None:
    assert extending.limits(ended("MaxTrialsReached"), wish) == change


@pytest.mark.parametrize(
    ("reason", "wish", "message"),
    [
        pytest.param("MaxTrialsReached", extending.Wish(), "nothing to change", id="nothing"),
        pytest.param("MaxTrialsReached", extending.Wish(max_trials=4), "would not go on", id="not more than before"),
        pytest.param(
            "MaxTrialsReached", extending.Wish(duration="5h"), "give it more with --trials", id="the wrong limit"
        ),
        pytest.param("MaxTrialsReached", extending.Wish(trials=1, duration="soon"), "not a duration", id="duration"),
        pytest.param("TargetReached", extending.Wish(trials=3), "its target is reached", id="target"),
        pytest.param(
            "SearchSpaceExhausted", extending.Wish(trials=3), "every configuration has been tried", id="space"
        ),
    ],
)
def test_extension_that_would_change_nothing_is_refused(reason: str, wish: extending.Wish, message: str) -> None:
    with pytest.raises(Failure) as caught:
        extending.limits(ended(reason), wish)
    assert message in str(caught.value)


def test_more_trials_at_a_time_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="parallelTrials is above maxTrials"):
        extending.limits(ended("MaxTrialsReached"), extending.Wish(trials=1, parallel=50))


def test_rerun_of_a_job_with_a_seed_of_its_own_is_admitted() -> None:
    parameters = [
        builders.whole("seed", 1, 9),
        builders.real("lr", 0.001, 1.0, scale="log", step=0.001),
        builders.whole("degree", 2, 5, when={"kernel": ["poly"]}),
        builders.choice("kernel", "rbf", "poly"),
    ]
    snapshot = ended("MaxTrialsReached", parameters=parameters, objectives=[builders.objective(target=0.9)])
    item = snapshot.trials[0]
    chosen = item.spec.model_copy(update={"parameters": {"seed": 3, "lr": 0.01, "kernel": "rbf"}})
    body = rerunning.manifest(snapshot.job, state.Trial(item.name, item.uid, chosen, item.status), 4, "team")
    assert manifest.parse(body).spec.objectives[0].target is None
    assert [one.name for one in admission.admit(body).spec.parameters] == ["seed", "lr", "kernel", "rerun_seed"]
    assert body["metadata"]["namespace"] == "team"


def test_rows_keep_every_parameter_in_order(place: Path) -> None:
    snapshot = looked(place)
    assert list(trials.rows(snapshot)[0])[:7] == ["trial", "name", "phase", "reason", "accuracy", "x", "kernel"]
