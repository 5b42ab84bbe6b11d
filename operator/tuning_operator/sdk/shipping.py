"""A function as a program of its own: its source, the imports, helpers and constants that it uses, and how to call it.

Source and not a pickle: it runs under any version of Python, a person can read in the cluster what is being tuned, and
nothing of ours is needed in the image.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import inspect
import sys
import textwrap
import types
from collections.abc import Callable, Sequence
from typing import Any

from tuning_operator.sdk.spaces import Space

LITERALS = (bool, int, float, complex, str, bytes, type(None))

PROGRAM = '''\
"""Written by tuning_operator.sdk: {name}, run once for each trial."""
{requirements}
{source}


if __name__ == "__main__":
    import json as _json
    import os as _os

    _names = {names}
    _values = {values}
    _given = _json.loads(_os.environ["TUNING_PARAMETERS"])
    _result = {name}(
        **{{_names[_key]: _values[_key][str(_value)] if _key in _values else _value for _key, _value in _given.items()}}
    )
    if _result is not None:
        if not isinstance(_result, dict):
            _result = {{{objective!r}: _result}}
        with open(_os.environ["TUNING_METRICS_FILE"], "a") as _file:
            _file.write(_json.dumps({{_key: float(_value) for _key, _value in _result.items()}}) + "\\n")
'''

INSTALL = """
import subprocess as _subprocess
import sys as _sys
import tempfile as _tempfile

_folder = _tempfile.mkdtemp()
_subprocess.check_call(
    [_sys.executable, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--target", _folder, *{requirements!r}]
)
_sys.path.insert(0, _folder)
"""


class ShippingError(ValueError):
    """A function that cannot be sent as source; the message says what is in the way and what to do."""


def program(function: Callable[..., Any], space: Space, objective: str, requirements: Sequence[str] = ()) -> str:
    """The text of a program that calls the function with a trial's parameters and reports what it returns.

    Raises ShippingError.
    """
    return PROGRAM.format(
        name=function.__name__,
        requirements=INSTALL.format(requirements=list(requirements)) if requirements else "",
        source=source(function),
        names=repr(dict(space.names)),
        values=repr(_values(space)),
        objective=objective,
    )


def source(function: Callable[..., Any]) -> str:
    """The function and all that it uses, as text. Raises ShippingError."""
    if not inspect.isfunction(function) or function.__name__ == "<lambda>":
        raise ShippingError(f"{function!r} is no function with a source; write it with def")
    pieces: dict[str, str] = {}
    _collect(function, pieces, set())
    imports = [text for text in pieces.values() if text.startswith(("import ", "from "))]
    others = [text for text in pieces.values() if not text.startswith(("import ", "from "))]
    return "\n".join(imports) + "\n\n" + "\n\n\n".join(others)


def _values(space: Space) -> dict[str, dict[str, Any]]:
    for name, values in space.values.items():
        for value in values.values():
            if not _is_literal(value):
                raise ShippingError(
                    f"{space.names[name]}: the choice {value!r} cannot be written as text; choose between names of it, and "
                    "let the function look it up"
                )
    return {name: dict(values) for name, values in space.values.items()}


def _collect(thing: Any, pieces: dict[str, str], under_way: set[str]) -> None:
    """Adds what a function or a class uses, and then itself."""
    name = thing.__name__
    if name in under_way:
        return
    under_way.add(name)
    try:
        text = textwrap.dedent(inspect.getsource(thing))
    except (OSError, TypeError):
        mend = "write it in a file or in a cell of a notebook"
        raise ShippingError(f"the source of {name} cannot be found; {mend}") from None
    known = _known(thing)
    for used in _names(text):
        if used in known and used not in pieces and used != name:
            _add(used, known[used], thing.__module__, pieces, under_way)
    pieces[name] = _undecorated(text)


def _names(text: str) -> list[str]:
    """The names that a piece of source reads, in order."""
    found = (node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name))
    return list(dict.fromkeys(found))


def _known(thing: Any) -> dict[str, Any]:
    """The names from outside that a function or a class can see, Python's own excepted."""
    module = sys.modules.get(thing.__module__)
    known = dict(getattr(thing, "__globals__", None) or vars(module or builtins))
    if inspect.isfunction(thing):
        for name, cell in zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=True):
            with contextlib.suppress(ValueError):
                known[name] = cell.cell_contents
    return {name: value for name, value in known.items() if not name.startswith("__")}


def _add(name: str, value: Any, home: str, pieces: dict[str, str], under_way: set[str]) -> None:
    """Adds the source that makes a name."""
    if isinstance(value, types.ModuleType):
        pieces[name] = f"import {value.__name__}" + ("" if value.__name__ == name else f" as {name}")
    elif (inspect.isfunction(value) or inspect.isclass(value)) and value.__module__ in (home, "__main__"):
        if value.__name__ != name:
            raise ShippingError(f"{name} is another name of {value.__name__}; use that one")
        _collect(value, pieces, under_way)
    elif isinstance(value, type | types.FunctionType | types.BuiltinFunctionType) and value.__module__:
        pieces[name] = f"from {value.__module__} import {value.__name__}" + (
            "" if value.__name__ == name else f" as {name}"
        )
    elif _is_literal(value):
        pieces[name] = f"{name} = {value!r}"
    elif type(value).__module__ == "__future__":
        pieces[name] = f"from __future__ import {name}"
    else:
        kind = type(value).__name__
        mend = "make it inside of the function, or give it as a choice of a parameter"
        raise ShippingError(f"the function uses {name}, a {kind}, which cannot be sent as text; {mend}")


def _is_literal(value: Any) -> bool:
    match value:
        case list() | tuple() | set() | frozenset():
            return all(map(_is_literal, value))
        case dict():
            return all(_is_literal(key) and _is_literal(item) for key, item in value.items())
        case _:
            return type(value) in LITERALS and repr(value) not in ("nan", "inf", "-inf")


def _undecorated(text: str) -> str:
    """A function without its decorators, which belong to whoever defined it."""
    tree = ast.parse(text)
    node = tree.body[0]
    if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.decorator_list:
        node.decorator_list = []
        return ast.unparse(node)
    return text.rstrip()
