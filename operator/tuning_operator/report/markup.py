"""HTML and SVG without a way to forget the escaping.

Names of parameters, messages and values come from manifests and trials, and end up in a page that someone opens with
their cluster's rights. So markup is only ever made by `tag`, which escapes all text that is not markup already.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import TypeAlias

EMPTY = frozenset({"meta", "link", "br", "hr", "input", "path", "line"})
"""Elements that have no content."""

Attribute = str | float | bool | None


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


Child: TypeAlias = "Markup | str | float | Iterable[Child] | None"


def tag(name: str, /, *children: Child, **attributes: Attribute) -> Markup:
    """An element. ``class_`` stands for ``class`` and ``data_trial`` for ``data-trial``; None and False are left out."""
    opened = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in EMPTY:
        return Markup(f"<{name}{opened}/>")
    return Markup(f"<{name}{opened}>{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """The children one after the other, as markup."""
    return Markup("".join(_child(item) for item in children))


def number(value: float) -> str:
    """A coordinate, to a hundredth."""
    return f"{value:.2f}".rstrip("0").rstrip(".") or "0"


def _child(item: Child) -> str:
    match item:
        case None:
            return ""
        case Markup():
            return item
        case str():
            return html.escape(item, quote=False)
        case int() | float():
            return number(item)
        case _:
            return "".join(_child(one) for one in item)


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    return f' {name}="{html.escape(number(value) if isinstance(value, (int, float)) else value)}"'
