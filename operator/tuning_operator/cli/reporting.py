"""`tuningctl report`: a job as one HTML file."""

from __future__ import annotations

import sys
from pathlib import Path

from tuning_operator.cli import finding, manifests
from tuning_operator.report import page

WRITTEN, FAILED, REFUSED = 0, 1, 2


def run(job: str, output: str, namespace: str, state: Path | None) -> int:
    """Write the report; answers the exit status."""
    try:
        found = finding.look(job, namespace=namespace, state=state)
    except finding.Lost as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    text = page.report(found)
    if output == manifests.STANDARD_INPUT:
        sys.stdout.write(text)
        return WRITTEN
    target = Path(output or f"{found.name}.html")
    try:
        target.write_text(text, "utf-8")
    except OSError as error:
        sys.stderr.write(f"{target} cannot be written: {error.strerror}; choose another file with --output\n")
        return FAILED
    sys.stdout.write(f"{target}: {len(found.rows)} trials, {len(text.encode()) // 1024} KiB\n")
    return WRITTEN
