"""`tuningctl simulate`: a job that was run on this machine, once more under other rules."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import typer.testing

from tests import builders
from tests.unit.local import bench
from tuning_operator.cli import main

LEARN = """
for step in 1 2 3 4 5 6 7 8 9; do
  echo "{\\"step\\": $step, \\"accuracy\\": $HP_x}" >> "$TUNING_METRICS_FILE"
done
"""
POINTS = (0.9, 0.5, 0.1, 0.2, 0.3, 0.95)


def ran(tmp_path: Path, script: str = LEARN) -> str:
    points = [{"x": x} for x in POINTS]
    manifest = bench.job(
        script, trials=len(POINTS), parallel=2, parameters=[builders.real("x")], search={"startFrom": points}
    )
    asyncio.run(bench.run(tmp_path, manifest))
    return str(tmp_path / "state")


def simulate(*words: str) -> tuple[int, list[str]]:
    done = typer.testing.CliRunner().invoke(main.application, ["simulate", *words])
    return done.exit_code, done.output.splitlines()


def test_rules_are_compared_by_time_and_by_what_they_find(tmp_path: Path) -> None:
    status, lines = simulate(ran(tmp_path), "--rule", "none", "--rule", "asha", "--workers", "1")
    assert status == 0
    head, none, asha = (line.split() for line in lines)
    assert head[0] == "rule"
    assert (none[0], none[-2], none[-1]) == ("none", "0", "0.9500")
    assert (asha[0], asha[-2], asha[-1]) == ("asha", "3", "0.9500")
    assert none[2] == "100%"
    assert int(asha[2].rstrip("%")) < 70


def test_a_setting_changes_the_outcome(tmp_path: Path) -> None:
    job = ran(tmp_path)
    _, lines = simulate(job, "--rule", "threshold", "--set", "bound=0.4", "--workers", "1")
    assert lines[1].split()[-2] == "3"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--rule", "asah"], "asah is not a known stopping rule; did you mean asha?"),
        (
            ["--rule", "asha", "--set", "reduction=3"],
            "reduction is not a setting of asha; did you mean reduction_factor?",
        ),
        (["--rule", "threshold"], "threshold needs the setting bound"),
    ],
    ids=["rule", "setting", "missing"],
)
def test_what_is_not_known_is_refused(tmp_path: Path, words: list[str], told: str) -> None:
    status, lines = simulate(ran(tmp_path), *words)
    assert status == 2
    assert told in "\n".join(lines)


def test_a_job_without_curves_cannot_be_simulated(tmp_path: Path) -> None:
    status, lines = simulate(ran(tmp_path, bench.REPORT))
    assert status == 1
    assert lines[0].startswith("fewer than two trials have run to their end and reported step by step")


def test_a_job_that_is_not_there_is_told(tmp_path: Path) -> None:
    status, _ = simulate(str(tmp_path / "nothing"), "--state", str(tmp_path))
    assert status == 2
