"""Search spaces: our own builders, and those that other libraries have made.

A space is the API's parameters, and beside them what each value is in Python: a job carries numbers and text, and a
function wants True, None or (64, 32) back.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pydantic

from tuning_operator.api import job
from tuning_operator.api.job import ParameterType, Scale


class SpaceError(ValueError):
    """Something that is no search space; the message names the parameter and what to write instead."""


@dataclasses.dataclass(frozen=True, slots=True)
class Range:
    """Numbers between two bounds, both of which are among them."""

    low: float
    high: float
    step: float | None = None
    log: bool = False
    whole: bool = False
    when: Mapping[str, Sequence[int | str]] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """Values to choose from, of any type."""

    values: tuple[Any, ...]
    ordered: bool = False
    when: Mapping[str, Sequence[int | str]] | None = None


When = Mapping[str, Sequence[int | str]]


def real(low: float, high: float, *, step: float | None = None, log: bool = False, when: When | None = None) -> Range:
    """Real numbers from `low` to `high`; `when` makes it conditional, as in ``when={"kernel": ["poly"]}``."""
    return Range(low, high, step, log, False, when)


def integer(low: int, high: int, *, step: int | None = None, log: bool = False, when: When | None = None) -> Range:
    """Whole numbers from `low` to `high`, both included."""
    return Range(low, high, step, log, True, when)


def choice(*values: Any, when: When | None = None) -> Choice:
    """One of the values."""
    return Choice(values, when=when)


def ordinal(*values: Any, when: When | None = None) -> Choice:
    """One of the values, which are in order."""
    return Choice(values, ordered=True, when=when)


@dataclasses.dataclass(frozen=True)
class Space:
    """The parameters of a job, and how to get from them to the arguments of a function."""

    parameters: tuple[job.Parameter, ...]
    names: Mapping[str, str]
    """What each parameter is called in Python."""
    values: Mapping[str, Mapping[str, Any]]
    """What a parameter's choices are in Python, by their text; only for parameters with choices."""

    def arguments(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        """A trial's configuration as arguments."""
        return {
            self.names[name]: self.values[name][str(value)] if name in self.values else value
            for name, value in configuration.items()
        }


def space(given: Any) -> Space:
    """A space from a mapping of names to what they may be, or from another library's. Raises SpaceError.

    A value is one of our builders; a list of choices; a tuple of two numbers (whole ones where both are), with a third
    item ``"log-uniform"`` as in scikit-optimize; a `range`; a distribution of scipy's, Optuna's, scikit-optimize's or
    Ray Tune's. The space as a whole may be a list of scikit-optimize's dimensions or KerasTuner's HyperParameters.
    """
    from tuning_operator.sdk import foreign

    if not isinstance(given, Mapping):
        named = foreign.whole(given)
        if named is None:
            raise SpaceError(
                f"{type(given).__name__} is no search space; write a mapping such as {{'lr': (0.001, 1.0)}}"
            )
        given = named
    if not given:
        raise SpaceError("the search space is empty; write a mapping such as {'lr': (0.001, 1.0)}")
    parameters: list[job.Parameter] = []
    names: dict[str, str] = {}
    values: dict[str, dict[str, Any]] = {}
    for name, item in given.items():
        letters = re.sub(r"\W", "_", str(name), flags=re.ASCII)
        ours = f"_{letters}" if letters[:1].isdigit() else letters
        if ours in names:
            raise SpaceError(f"{name}: {names[ours]} has the same name in the environment; rename one of them")
        names[ours] = str(name)
        made = _understood(str(name), item)
        parameters.append(_parameter(ours, str(name), made))
        if isinstance(made, Choice):
            values[ours] = dict(zip(map(str, _labels(made.values)), made.values, strict=True))
    return Space(tuple(parameters), names, values)


def _understood(name: str, item: Any) -> Range | Choice:
    from tuning_operator.sdk import foreign

    match item:
        case Range() | Choice():
            return item
        case range():
            return integer(item.start, item[-1], step=item.step) if item.step > 0 and item else Choice(tuple(item))
        case tuple() if len(item) in (2, 3) and all(_is_number(bound) for bound in item[:2]):
            return _tuple(name, item)
        case str() | bytes():
            raise SpaceError(f"{name}: a text is no range; write a list of choices")
        case list() | tuple() | set() | frozenset():
            return Choice(tuple(item))
        case _:
            found = foreign.single(name, item)
            if found is None:
                mend = "write sdk.real, sdk.integer, sdk.choice, or a list of choices"
                raise SpaceError(f"{name}: {type(item).__name__} is not understood; {mend}")
            return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _tuple(name: str, item: tuple[Any, ...]) -> Range:
    low, high, *prior = item
    if prior and prior[0] not in ("uniform", "log-uniform"):
        raise SpaceError(f"{name}: {prior[0]!r} is no prior; write uniform or log-uniform, or a list of choices")
    whole = isinstance(low, int) and isinstance(high, int)
    return Range(low, high, None, prior == ["log-uniform"], whole)


def _parameter(ours: str, name: str, made: Range | Choice) -> job.Parameter:
    when = {key: list(allowed) for key, allowed in made.when.items()} if made.when else None
    try:
        if isinstance(made, Choice):
            kind = ParameterType.ORDINAL if made.ordered else ParameterType.CATEGORICAL
            return job.Parameter(name=ours, type=kind, values=_labels(made.values), when=when)
        return job.Parameter(
            name=ours,
            type=ParameterType.INT if made.whole else ParameterType.FLOAT,
            min=made.low,
            max=made.high,
            step=None if made.low == made.high else made.step,
            scale=Scale.LOG if made.log else Scale.LINEAR,
            when=when,
        )
    except pydantic.ValidationError as error:
        raise SpaceError(f"{name}: {error.errors()[0]['msg']}") from None


def _labels(values: Iterable[Any]) -> list[int | str]:
    """A text (or whole number) for each choice, which a job can carry: its own where that is one, and no two alike."""
    labels: list[int | str] = []
    for value in values:
        plain = value if isinstance(value, int | str) and not isinstance(value, bool) else _text(value)
        taken = set(map(str, labels))
        count, label = 2, plain
        while str(label) in taken:
            label, count = f"{plain}#{count}", count + 1
        labels.append(label)
    return labels


def _text(value: Any) -> str:
    """A choice as text of moderate length, the same in every process."""
    text = repr(value)
    if " at 0x" in text:
        text = getattr(value, "__name__", type(value).__name__)
    return text if len(text) <= 100 else f"{text[:97]}..."
