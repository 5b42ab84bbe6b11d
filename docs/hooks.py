"""What the documentation's build makes of the code: a reference that is never out of date, as nobody writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from tuning_operator.api import crds
from tuning_operator.cli import main as tuningctl
from tuning_operator.kube import main as operator

ROOT = Path(__file__).parent.parent
OUTSIDE = re.compile(r"\[([^\]]+)\]\((?:\.\./)+([^)]+)\)")
HIDDEN = ("install_completion", "show_completion", "help")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Puts guides that the table of contents does not name at the end of the guides, so that none is lost."""
    named = str(config.nav)
    guides = next(one["Guides"] for one in config.nav or [] if isinstance(one, dict) and "Guides" in one)
    for path in sorted(Path(config.docs_dir).glob("*.md")):
        if f"'{path.name}'" not in named:
            guides.append({path.read_text("utf-8").partition("\n")[0].removeprefix("# "): path.name})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the generated pages."""
    for name, text in pages().items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Names files that are no part of the site instead of linking to them."""
    return OUTSIDE.sub(lambda match: match[1] if match[1] in match[2] else f"{match[1]} (`{match[2]}`)", markdown)


def pages() -> dict[str, str]:
    """The generated pages, by path."""
    definitions = crds.definitions()
    return {
        "reference/tuningjob.md": kind(definitions["tuningjobs.yaml"]),
        "reference/tuningtrial.md": kind(definitions["tuningtrials.yaml"]),
        "reference/tuningctl.md": commands(),
        "reference/operator.md": f"# tuning-operator run\n\n```text\n{options()}```\n",
        "reference/chart.md": chart(),
    }


def kind(definition: dict[str, Any]) -> str:
    """All fields of a kind, a table for each object in it."""
    name = definition["spec"]["names"]["kind"]
    root = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    plural = definition["spec"]["names"]["plural"]
    head = f"# {name}\n\n{root['description']} `kubectl explain {plural} --recursive` says the same.\n"
    return (
        head
        + "".join(_tables("spec", root["properties"]["spec"]))
        + "".join(_tables("status", root["properties"]["status"]))
    )


def _tables(path: str, schema: dict[str, Any]) -> Iterator[str]:
    """The table of an object's fields, then those of the objects below it."""
    required = schema.get("required", ())
    yield f"\n## {path}\n\n"
    yield "| Field | Type | Default | |\n|---|---|---|---|\n"
    below = []
    for name, field in schema.get("properties", {}).items():
        default = field.get("default")
        shown = "required" if name in required else "" if default in (None, {}, []) else f"`{_json(default)}`"
        yield f"| `{name}` | {_type(field)} | {shown} | {_cell(field.get('description', ''))} |\n"
        item = field.get("items", field)
        if item.get("properties") and name != "template":
            below.append((f"{path}.{name}{'[]' if item is not field else ''}", item))
    yield from (f"\n- {_cell(rule['message'])}" for rule in schema.get("x-kubernetes-validations", ()))
    yield "\n"
    for name, item in below:
        yield from _tables(name, item)


def _type(field: dict[str, Any]) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "number or text"
    if "items" in field:
        return f"list of {_type(field['items'])}"
    if isinstance(field.get("additionalProperties"), dict):
        return f"map of {_type(field['additionalProperties'])}"
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    bounds = [f"at least {field['minimum']:g}"] if "minimum" in field else []
    bounds += [f"at most {field['maximum']:g}"] if "maximum" in field else []
    return ", ".join(
        [str(field.get("format") if field.get("format") == "date-time" else field.get("type", "any")), *bounds]
    )


def commands() -> str:
    """All commands of tuningctl with their options."""
    group: Any = typer.main.get_command(tuningctl.application)
    parts = ["# tuningctl, all options\n"]
    for name, command in group.commands.items():
        context = command.make_context(name, [], resilient_parsing=True)
        usage = " ".join(command.collect_usage_pieces(context))
        parts.append(
            f"\n## {name}\n\n    tuningctl {name} {usage}\n\n{command.help or ''}\n\n| Option | |\n|---|---|\n"
        )
        for parameter in command.params:
            record = parameter.get_help_record(context)
            if record and parameter.name not in HIDDEN:
                parts.append(f"| `{_cell(record[0])}` | {_cell(record[1])} |\n")
    return "".join(parts)


def options() -> str:
    """The operator's own help."""
    run = next(action for action in operator.parser()._actions if getattr(action, "choices", None))
    choices: Any = run.choices
    return str(choices["run"].format_help())


def chart() -> str:
    """The chart's README, which has a table of its values."""
    text = (ROOT / "charts" / "tuning-operator" / "README.md").read_text("utf-8")
    return text.replace("# tuning-operator\n", "# Chart\n", 1)


def _json(value: Any) -> str:
    import json

    return json.dumps(value)


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")
