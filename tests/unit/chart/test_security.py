"""The threat model names tests, and the tests are there."""

from __future__ import annotations

import pathlib
import re

ROOT = pathlib.Path(__file__).parents[3]


def test_every_test_that_the_threat_model_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "security.md").read_text()))
    written = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert len(named) > 15
    assert named <= written, named - written


def test_every_threat_has_its_test() -> None:
    table = (ROOT / "docs" / "security.md").read_text().split("|---|---|---|\n")[1].split("\n\n")[0]
    assert all("`test_" in row.rsplit("|", 2)[1] for row in table.splitlines())
