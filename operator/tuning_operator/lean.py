"""Packages without their luggage.

Importing `kubernetes.aio.client` runs the `__init__` of `kubernetes`, which imports its synchronous client, requests and
oauthlib; importing `skopt.acquisition` runs that of `skopt`, which imports its searches and scikit-learn's ensembles;
and scipy touches all that numpy has. That is 30 MiB of an operator's 225, and a quarter of the time it takes to start.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from typing import Any, cast


def set_aside(*names: str) -> None:
    """From now on the packages, named after their parents, run their `__init__` when somebody first asks for what it
    defines; their modules can be imported without. One that is imported already, or not there, is left alone.
    """
    for name in names:
        if name not in sys.modules:
            _set_aside(name)


def go_without(*names: str) -> None:
    """From now on these packages cannot be imported: for those that others import wherever they happen to be installed."""
    for name in names:
        sys.modules.setdefault(name, cast(types.ModuleType, None))


def _set_aside(name: str) -> None:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return
    loader, package = spec.loader, importlib.util.module_from_spec(spec)

    def find(attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        if importlib.util.find_spec(f"{name}.{attribute}"):
            return importlib.import_module(f"{name}.{attribute}")
        package.__dict__.pop("__getattr__")
        loader.exec_module(package)
        return getattr(package, attribute)

    package.__dict__["__getattr__"] = find
    sys.modules[name] = package
    parent, _, leaf = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], leaf, package)
