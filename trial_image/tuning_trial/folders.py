"""Makes a trial's folder for checkpoints ready, before the trial starts: ``python -m tuning_trial.folders``.

It runs with the trial's own rights, and what it says when it fails is why the trial cannot run. Only folders that are
named by a number are ever removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

TERMINATION_FILE = "/dev/termination-log"


def prepare(environ: Mapping[str, str]) -> None:
    """Make the folder of trial TUNING_TRIAL_NUMBER in TUNING_CHECKPOINTS; remove those of the trials in TUNING_DISCARD.

    Raises OSError where the folder cannot be made or written. What cannot be removed is left for the next time.
    """
    place = Path(environ["TUNING_CHECKPOINTS"])
    own = place / environ["TUNING_TRIAL_NUMBER"]
    own.mkdir(parents=True, exist_ok=True)
    probe = own / ".tuning-probe"
    probe.touch()
    probe.unlink()
    unneeded = numbers(environ.get("TUNING_DISCARD", ""))
    for folder in place.iterdir():
        if folder.name.isascii() and folder.name.isdigit() and int(folder.name) in unneeded and folder != own:
            shutil.rmtree(folder, ignore_errors=True)


def numbers(text: str) -> set[int]:
    """Numbers from ranges: "0-2,5" is {0, 1, 2, 5}."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def main() -> int:
    """Prepare the folder that the environment names; 1 and a message where that cannot be done."""
    try:
        prepare(os.environ)
    except OSError as error:
        message = f"the checkpoints' volume cannot be written ({error.strerror or error}); is the claim read-only?"
        sys.stderr.write(message + "\n")
        with contextlib.suppress(OSError):
            Path(os.environ.get("TUNING_TERMINATION_FILE", TERMINATION_FILE)).write_text(message, encoding="utf-8")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
