"""Writes the chart's README from its values, so that what is documented is what there is: `python charts/readme.py`.

A comment above a value is its description; one above several values that follow each other describes them all.
"""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Iterator

import yaml

CHART = pathlib.Path(__file__).parent / "tuning-operator"
HEAD = """# tuning-operator

{description}.

    helm install tuning charts/tuning-operator --namespace tuning-system --create-namespace
    helm test tuning --namespace tuning-system

An upgrade upgrades the CRDs, too; uninstalling keeps them, and the jobs with them.

## Values

Generated from `values.yaml` by `python charts/readme.py`; wrong values are refused by `values.schema.json`.

| Value | Default | |
|---|---|---|
"""


def readme() -> str:
    """The text of the README."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    lines = (CHART / "values.yaml").read_text().splitlines()
    root = yaml.compose("\n".join(lines))
    assert isinstance(root, yaml.MappingNode)
    rows = (f"| `{path}` | {default} | {text} |" for path, default, text in _rows(root, lines, ""))
    return HEAD.format(description=chart["description"]) + "\n".join(rows) + "\n"


def _rows(node: yaml.MappingNode, lines: list[str], prefix: str) -> Iterator[tuple[str, str, str]]:
    """Each value: its path, its default as JSON, and its description."""
    told = ""
    for key, value in node.value:
        path = f"{prefix}{key.value}"
        comment = _comment(lines, key.start_mark.line)
        # A blank line ends what a comment describes.
        told = comment or (told if key.start_mark.line and lines[key.start_mark.line - 1].strip() else "")
        if isinstance(value, yaml.MappingNode) and value.value and not value.flow_style:
            if comment:
                yield path, "", comment
            yield from _rows(value, lines, f"{path}.")
        else:
            default = json.dumps(yaml.safe_load(yaml.serialize(value)), ensure_ascii=False)
            yield path, f"`{default}`", told


def _comment(lines: list[str], line: int) -> str:
    """The comment that ends right above the line."""
    found: list[str] = []
    while line and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        found.insert(0, lines[line].lstrip().removeprefix("#").strip())
    return " ".join(found)


def main() -> int:
    """Writes the README, or with --check tells whether it is what it would write."""
    target = CHART / "README.md"
    if sys.argv[1:] == ["--check"]:
        return int(target.read_text() != readme())
    target.write_text(readme())
    return 0


if __name__ == "__main__":
    sys.exit(main())
