"""`tuningctl report`: a job as one HTML file."""

from __future__ import annotations

import sys
from pathlib import Path

from tuning_operator.cli import finding, locating, manifests
from tuning_operator.cli.status import Failure, Status
from tuning_operator.report import page


async def report(where: locating.Where, output: str) -> int:
    """Write the report; answers the exit status."""
    found = await finding.look(where)
    text = page.report(found)
    if output == manifests.STANDARD_INPUT:
        sys.stdout.write(text)
        return Status.DONE
    target = Path(output or f"{found.name}.html")
    try:
        target.write_text(text, "utf-8")
    except OSError as error:
        message = f"{target} cannot be written: {error.strerror}; choose another file with --output"
        raise Failure(Status.FAILED, message) from None
    sys.stdout.write(f"{target}: {len(found.rows)} trials, {len(text.encode()) // 1024} KiB\n")
    return Status.DONE
