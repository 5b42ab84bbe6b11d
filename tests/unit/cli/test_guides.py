"""The guides for one machine, followed to the letter."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from tests.unit.docs import pages


@pytest.mark.parametrize("name", ["start.md", "guides/sklearn.md"])
def test_a_page_can_be_followed_word_by_word(name: str, tmp_path: pathlib.Path) -> None:
    """Its files are written and its commands for one machine are run, in the order in which they stand there."""
    path = pages.ROOT / "docs" / name
    ran = 0
    for block in pages._blocks(path):
        if block.title:
            (tmp_path / block.title).write_text(block.text)
        for command in pages.commands(block) if block.language == "sh" else ():
            if command[0] == "tuningctl":
                done = subprocess.run(
                    [sys.executable, "-m", "tuning_operator.cli.main", *command[1:]],
                    cwd=tmp_path,
                    capture_output=True,
                    text=True,
                    timeout=280,
                    check=False,
                )
                assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
                ran += 1
    assert ran >= 1
