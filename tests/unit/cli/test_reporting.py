"""`tuningctl report` and `tuningctl plot`, on jobs of this machine and on files from a cluster."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from tests import builders as manifests
from tests.unit.report import builders
from tests.unit.report.test_view import bodies
from tuning_operator.cli import main
from tuning_operator.local import folder
from tuning_operator.tuner import state


def tuningctl(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main.main(arguments)
    return int(end.value.code or 0)


def keep(home: folder.Folder, taken: state.Snapshot) -> None:
    """A job's folder, as a run would have left it."""
    wire = taken.job.spec.to_wire()
    home.write_job(folder.JobRecord(uid="uid", generation=1, spec=wire, status=taken.job.status))
    for item in taken.trials:
        home.write_trial(folder.TrialRecord(spec=item.spec, status=item.status))
        metrics = home.attempt(item.number, 1) / "metrics" / taken.job.spec.metrics.place
        metrics.parent.mkdir(parents=True)
        rows = [{"step": step, "accuracy": value} for step, value in item.curves.get("accuracy", ())]
        metrics.write_text("\n".join(map(json.dumps, rows)))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a manifest whose job was run there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    keep(folder.Folder(tmp_path / ".tuning" / "job"), builders.study(14))
    (tmp_path / "job.yaml").write_text(json.dumps(manifests.job("job")))
    return tmp_path


@pytest.mark.parametrize("name", ["job.yaml", ".tuning/job", "job"], ids=["manifest", "folder", "name"])
def test_a_local_job_is_found(place: Path, name: str) -> None:
    assert tuningctl("report", name) == 0
    text = (place / "job.html").read_text("utf-8")
    assert all(f'id="{part}"' in text for part in ("history", "curves", "importance", "parallel", "slices", "timeline"))


def test_learning_curves_are_read_to_the_last_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tuningctl("report", "job", "-o", "-") == 0
    last = builders.study(14).trials[0].curves["accuracy"].values[-1]
    assert f"{last:.5g}" in capsys.readouterr().out


def test_objects_from_kubectl_are_read(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, one = bodies()
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps({"kind": "List", "items": [owner, one]}).encode()))
    )
    assert tuningctl("report", "-", "-o", "out.html") == 0
    assert "Succeeded" in (place / "out.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["report", "nobody"], 4, "KUBECONFIG"),
        (["report", "nobody.yaml"], 3, "no such file"),
        (["report", "other.yaml"], 3, "not"),
        (["report", "two.yaml"], 2, "there are 2 TuningJobs"),
        (["report", "empty.yaml"], 2, "nothing in it"),
        (["report", "broken.json"], 2, "not understood"),
        (["report", "job", "-o", "no/such/folder/x.html"], 1, "cannot be written"),
        (["report", ".tuning/damaged"], 2, "cannot be read"),
        (["plot", "job", "-c", "pie"], 2, "choose from history"),
        (["plot", "job", "-o", "x.png"], 2, "--chart"),
        (["plot", "job", "-c", "parallel"], 2, "--output"),
        (["plot", "job", "-c", "front", "-o", "x.png"], 1, "nothing to draw"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_done_is_told_with_its_mend(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, told: str
) -> None:
    (place / "other.yaml").write_text(json.dumps(manifests.job("other")))
    (place / "two.yaml").write_text(f"{json.dumps(manifests.job('a'))}\n---\n{json.dumps(manifests.job('b'))}")
    (place / "empty.yaml").write_text("")
    (place / "broken.json").write_text('{"kind": "TuningJob", "metadata": {"name": "a", "uid": "b"}, "spec": {}}')
    (place / ".tuning" / "damaged").mkdir()
    (place / ".tuning" / "damaged" / "job.json").write_text("{")
    assert tuningctl(*arguments) == code
    assert told in capsys.readouterr().err


def test_all_charts_become_pictures(place: Path) -> None:
    assert tuningctl("plot", "job", "-o", "charts") == 0
    found = sorted((place / "charts").iterdir())
    assert [path.name for path in found] == [
        f"job-{name}.png" for name in ("curves", "history", "importance", "parallel", "slices", "timeline")
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in found)


def test_one_chart_becomes_a_drawing(place: Path) -> None:
    assert tuningctl("plot", "job", "-c", "history", "-o", "h.svg", "--dark") == 0
    assert "<svg" in (place / "h.svg").read_text("utf-8")


@pytest.mark.parametrize("columns", [40, 200])
def test_a_terminal_shows_a_small_chart(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert tuningctl("plot", "job", "-c", "history", "-c", "importance", "-c", "curves") == 0
    *lines, best, _ = capsys.readouterr().out.split("\n")
    assert max(map(len, lines)) <= columns
    assert "\x1b" not in "".join(lines)
    assert best.startswith("best: accuracy=")
