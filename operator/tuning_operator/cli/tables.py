"""Rows for people and for programs: aligned and cut to the terminal's width, CSV, JSON, YAML, or Parquet."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from tuning_operator.cli import words
from tuning_operator.cli.status import Failure, Status

Row = Mapping[str, Any]


def show(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned rows; on a terminal each takes one line, whatever is cut off."""
    write("".join(f"{line}\n" for line in fitted(words.table(head, rows))))


def fitted(lines: Sequence[str]) -> list[str]:
    """The lines as they are, or on a terminal cut to its width."""
    if not sys.stdout.isatty():
        return list(lines)
    width = shutil.get_terminal_size().columns
    return [line if len(line) <= width else f"{line[: width - 1]}…" for line in lines]


def write(text: str) -> None:
    """Writes to standard output at once, so that a closed pipe is noticed here."""
    sys.stdout.write(text)
    sys.stdout.flush()


def document(value: Any, form: str) -> str:
    """A value as JSON or YAML."""
    if form == "json":
        return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)


def comma_separated(rows: Sequence[Row]) -> str:
    """CSV with one column for each key of any row, in order of appearance."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def parquet(rows: Sequence[Row]) -> bytes:
    """Parquet, for which pyarrow has to be installed."""
    try:
        import pyarrow
        from pyarrow import parquet as library
    except ImportError:
        message = "Parquet needs pyarrow: pip install 'tuning-operator[parquet]', or use csv"
        raise Failure(Status.REFUSED, message) from None
    columns = list(dict.fromkeys(key for row in rows for key in row))
    sink = pyarrow.BufferOutputStream()
    library.write_table(pyarrow.table({name: [row.get(name) for row in rows] for name in columns}), sink)
    return bytes(sink.getvalue().to_pybytes())
