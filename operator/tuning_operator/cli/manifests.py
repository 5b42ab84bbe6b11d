"""Reads manifests from files and standard input. Whatever is in them, the answer is a job or a `Problem`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tuning_operator.api import document, errors
from tuning_operator.api.errors import Problem, SpecError

STANDARD_INPUT = "-"


def read(source: str) -> list[Any]:
    """The documents in a file, or on standard input for ``-``. Raises SpecError when there is none."""
    documents = document.load(_text(source))
    if not documents:
        raise SpecError([Problem("manifest", "there is nothing in it", "write a TuningJob")])
    return documents


def folder(source: str) -> Path:
    """The folder that a manifest's relative paths start from."""
    return Path.cwd() if source == STANDARD_INPUT else Path(source).absolute().parent


def label(source: str) -> str:
    """The source as it stands before each of its problems."""
    return "standard input" if source == STANDARD_INPUT else source


def lines(source: str, problems: tuple[errors.Problem, ...]) -> list[str]:
    """Problems for people, one a line."""
    return [" ".join(f"{label(source)}: {problem}".split()) for problem in problems]


def _text(source: str) -> str:
    try:
        data = sys.stdin.buffer.read() if source == STANDARD_INPUT else Path(source).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SpecError([Problem("manifest", f"cannot be read: {reason}")]) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError([Problem("manifest", f"not UTF-8 text (byte {error.start + 1})", "save it as UTF-8")]) from None
