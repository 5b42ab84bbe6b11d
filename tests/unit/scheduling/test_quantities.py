"""Amounts are exact, rounded up, and read as Kubernetes reads them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from kubernetes.utils import quantity

from tuning_operator.scheduling import quantities


@pytest.mark.parametrize(
    ("resource", "text", "amount"),
    [
        ("cpu", "2", 2000),
        ("cpu", 2, 2000),
        ("cpu", "500m", 500),
        ("cpu", "0.1", 100),
        ("cpu", "100u", 1),
        ("cpu", "1n", 1),
        ("requests.cpu", "1.5", 1500),
        ("memory", "16Gi", 16 * 2**30),
        ("memory", "1e3", 1000),
        ("memory", "1E", 10**18),
        ("memory", "1.5Ki", 1536),
        ("memory", "100m", 1),
        ("nvidia.com/gpu", "8", 8),
        ("pods", "110", 110),
        ("memory", "99999999E", 2**63 - 1),
        ("memory", "nonsense", 0),
    ],
)
def test_an_amount_is_counted_in_whole_numbers_rounded_up(resource: str, text: str | int, amount: int) -> None:
    assert quantities.amount(resource, text) == amount


@pytest.mark.parametrize("text", ["", "8GB", "one", "1 Gi", "0x10", "--1", "1ee3"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        quantities.parse(text)


@given(some.integers(0, 10**6), some.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi"]))
def test_parsing_agrees_with_the_kubernetes_client(number: int, unit: str) -> None:
    known: Any = quantity
    assert quantities.parse(f"{number}{unit}") == known.parse_quantity(f"{number}{unit}")


@pytest.mark.parametrize(
    ("resource", "amount", "words"),
    [
        ("cpu", 1500, "1500m"),
        ("cpu", 2000, "2"),
        ("memory", 16 * 2**30, "16Gi"),
        ("limits.memory", 1536, "1.5Ki"),
        ("memory", 12, "12"),
        ("nvidia.com/gpu", 3, "3"),
    ],
)
def test_amounts_are_said_as_people_write_them(resource: str, amount: int, words: str) -> None:
    assert quantities.say(resource, amount) == words
