"""What is wrong with a manifest, said so that its author can mend it.

Every check of a spec, whichever layer makes it, reports `Problem`s: the field as the author wrote it, what is wrong
there, and what to write instead. They are collected, not raised one by one, so that one look shows all of them.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from typing import Any


@dataclasses.dataclass(frozen=True, order=True)
class Problem:
    """One mistake in a manifest.

    `field` is a path such as ``spec.parameters[0].max``; `message` says what is wrong, `mend` what to write instead.
    """

    field: str
    message: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" + (f"; {self.mend}" if self.mend else "")


class SpecError(ValueError):
    """A manifest that cannot be run; `problems` holds every reason."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def join(path: str, *steps: str | int) -> str:
    """The path of what stands below `path`: ``limits`` and ``nvidia.com/gpu`` make ``limits[nvidia.com/gpu]``."""
    for step in steps:
        text = str(step) if len(str(step)) <= 100 and str(step).isprintable() else quoted(str(step))
        path += f".{text}" if text.isidentifier() else f"[{text}]"
    return path.removeprefix(".")


def closest(word: str, known: Iterable[str]) -> str:
    """A mend for a word that is not known: the one it was probably meant to be, or else all there are."""
    known = sorted(known)
    by_lower = {name.lower(): name for name in known}
    if match := difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.5):
        return f"did you mean {by_lower[match[0]]}?"
    return f"write one of {', '.join(known)}" if 0 < len(known) <= 16 else "remove it"


def plain(value: Any) -> str:
    """What a value is, in words that fit into a line."""
    match value:
        case None:
            return "empty"
        case bool():
            return str(value).lower()
        case str():
            return f"the text {quoted(value)}"
        case int() | float():
            return f"the number {value:.12g}"
        case Mapping():
            return "a mapping"
        case _:
            return "a list"


def quoted(text: str) -> str:
    """A text in quotes, cut where it is too long for a line."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
