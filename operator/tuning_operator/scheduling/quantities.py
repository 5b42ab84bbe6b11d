"""Amounts of resources, as Kubernetes counts them: whole numbers, rounded up, processors in thousandths.

Exact arithmetic on purpose: a scheduler that calculates with binary fractions would give 0.1 of a processor away ten
times and find that a little is left.
"""

from __future__ import annotations

import decimal
import functools
import math
from collections.abc import Iterable, Mapping

from tuning_operator.api import rules

Amounts = Mapping[str, int]
"""Amounts by resource name: processors in thousandths, bytes, or pieces."""

PODS = "pods"
"""The resource of which every Pod takes one."""

_BINARY = {unit: 1024**power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_EXACT = decimal.Context(prec=60, rounding=decimal.ROUND_CEILING, Emax=10_000, Emin=-10_000)
_LARGEST = 2**63 - 1
"""Kubernetes caps every quantity there."""


def parse(text: str | int | float) -> decimal.Decimal:
    """A quantity such as 500m, 2, 1e3 or 16Gi (k8s.io/apimachinery/pkg/api/resource). Raises ValueError."""
    text = str(text)
    if not rules.QUANTITY.fullmatch(text):
        raise ValueError(
            f"{text!r} is not an amount; write a number with a unit of Kubernetes, such as 500m, 2 or 16Gi"
        )
    if text[-2:] in _BINARY:
        value = _EXACT.multiply(_EXACT.create_decimal(text[:-2]), _BINARY[text[-2:]])
    elif text[-1] in _DECIMAL:
        value = _EXACT.scaleb(_EXACT.create_decimal(text[:-1]), _DECIMAL[text[-1]])
    else:
        value = _EXACT.create_decimal(text)
    return max(min(value, decimal.Decimal(_LARGEST)), decimal.Decimal(-_LARGEST))


@functools.lru_cache(maxsize=4096)
def amount(resource: str, text: str | int | float) -> int:
    """How much of the resource a quantity is; what is no quantity counts as nothing."""
    try:
        value = parse(text)
    except ValueError:
        return 0
    return math.ceil(value * 1000 if is_processor(resource) else value)


def amounts(given: Mapping[str, str | int | float] | None) -> dict[str, int]:
    """Quantities by resource name as amounts."""
    return {name: amount(name, text) for name, text in (given or {}).items()}


def is_processor(resource: str) -> bool:
    """Whether the resource is counted in thousandths; quotas name it in several ways."""
    return resource in ("cpu", "requests.cpu", "limits.cpu")


def is_device(resource: str) -> bool:
    """Whether the resource is an extended one (a GPU, a slice of one, any vendor's device), of which nodes have few."""
    return "/" in resource


def total(parts: Iterable[Amounts]) -> dict[str, int]:
    """The sum."""
    result: dict[str, int] = {}
    for part in parts:
        for name, value in part.items():
            result[name] = result.get(name, 0) + value
    return result


def largest(one: Amounts, other: Amounts) -> dict[str, int]:
    """The larger amount of each resource."""
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in {**one, **other}}


def say(resource: str, value: int) -> str:
    """An amount for people, such as ``500m``, ``2`` or ``16Gi``."""
    if is_processor(resource):
        return str(value // 1000) if value % 1000 == 0 else f"{value}m"
    if not any(word in resource for word in ("memory", "storage", "hugepages")):
        return str(value)
    for unit, size in reversed(_BINARY.items()):
        if value >= size:
            return f"{value / size:.4g}{unit}"
    return str(value)
