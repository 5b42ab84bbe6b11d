"""Conditions over parameters, such as ``batch_size * seq_len <= 65536``, read from manifests of people we do not know.

The text runs inside the operator, for thousands of candidates, so it is a language of its own that merely looks like
Python: parsed with `ast`, every node matched against what is allowed, and compiled into closures. There are no
attributes, no subscripts, no calls but a fixed set of mathematical functions, and no way to make evaluation costly:
texts are short and shallow, powers and whole numbers are bounded, strings can only be compared. `simpleeval` was
considered: it evaluates a larger language by default, reports errors at evaluation rather than at parsing, and walks
the tree again for each candidate.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import math
import operator
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

Value = int | float | str
Values = Mapping[str, Value]

MAX_LENGTH = 1024
MAX_DEPTH = 64
MAX_BITS = 1024
"""Whole numbers above 2**1024 do not fit a float either; the constraint is then not satisfied."""

FALSE = "false"
"""Why a condition does not hold that could be evaluated."""
SLIGHT = sys.float_info.min
"""By how much x < 1 is missed where x is 1."""


class ExpressionError(ValueError):
    """A text that is not a condition over parameters; the message says which part is not understood."""


@dataclasses.dataclass(frozen=True)
class Expression:
    """A parsed condition; made by `parse`."""

    text: str
    names: frozenset[str] = dataclasses.field(compare=False)
    condition: Callable[[Values], bool] = dataclasses.field(compare=False, repr=False)
    excess: Callable[[Values], float] = dataclasses.field(compare=False, repr=False)

    def holds(self, values: Values) -> bool:
        """Whether the condition is true of a configuration.

        It is when one of its parameters is inactive there (a conditional parameter that does not exist in this
        configuration cannot violate anything). It is not when it cannot be evaluated: division by zero, the logarithm
        of a negative number, text compared with a number, numbers too large.
        """
        return self.why_not(values) is None

    def why_not(self, values: Values) -> str | None:
        """None where the condition holds, else the reason in a few words."""
        if not self.names <= values.keys():
            return None
        try:
            return None if self.condition(values) else FALSE
        except (ArithmeticError, ValueError, TypeError) as error:
            return str(error.args[-1])

    def violation(self, values: Values) -> float:
        """By how much the condition is missed, in its own unit: above 0 where it does not hold, and only there.

        That is the difference of the two sides of a comparison. Infinity where it cannot be evaluated.
        """
        if (why := self.why_not(values)) is None:
            return min(0.0, self._excess(values)) if self.names <= values.keys() else 0.0
        return max(self._excess(values), SLIGHT) if why == FALSE else math.inf

    def _excess(self, values: Values) -> float:
        try:
            excess = float(self.excess(values))
        except (ArithmeticError, ValueError, TypeError):
            return math.inf
        return math.inf if math.isnan(excess) else excess

    def __reduce__(self) -> tuple[Callable[[str], Expression], tuple[str]]:
        """Closures do not pickle; the text does."""
        return parse, (self.text,)


@functools.lru_cache(maxsize=1024)
def parse(text: str) -> Expression:
    """The condition that `text` states.

    Raises ExpressionError where it is too long or too deep, is not a condition, or uses anything but parameters,
    numbers, quoted text, ``+ - * / // % **``, comparisons, ``in (a, b)``, ``and or not`` and the mathematical functions.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"is {len(text)} characters long; at most {MAX_LENGTH} are allowed")
    try:
        tree = ast.parse(_QUOTED.sub(_hidden, text.strip()), mode="eval").body
        too_deep = _depth(tree) > MAX_DEPTH
    except (RecursionError, MemoryError):
        too_deep = True
    except (SyntaxError, ValueError) as error:
        raise ExpressionError(f"does not parse: {getattr(error, 'msg', error)}") from None
    if too_deep:
        raise ExpressionError(f"is nested too deeply; at most {MAX_DEPTH} levels are allowed")
    names: set[str] = set()
    condition, excess = _condition(tree, names), _excess(tree, names)
    return Expression(text, names=frozenset(names), condition=condition, excess=excess)


def _depth(tree: ast.AST) -> int:
    deepest, level = 0, [tree]
    while level:
        deepest += 1
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return deepest


def _condition(node: ast.expr, names: set[str]) -> Callable[[Values], bool]:
    match node:
        case ast.BoolOp(op=ast.And(), values=parts):
            both = [_condition(part, names) for part in parts]
            return lambda values: all(part(values) for part in both)
        case ast.BoolOp(op=ast.Or(), values=parts):
            either = [_condition(part, names) for part in parts]
            return lambda values: any(part(values) for part in either)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = _condition(operand, names)
            return lambda values: not inner(values)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            return _comparison(left, ops, comparators, names)
    raise ExpressionError(f"{_quote(node)} is not a condition; compare it with something, such as x <= 10")


def _comparison(
    left: ast.expr, ops: list[ast.cmpop], comparators: list[ast.expr], names: set[str]
) -> Callable[[Values], bool]:
    first, *rest = [left, *comparators]
    operands = [_value(first, names)]
    for op, node in zip(ops, rest, strict=True):
        operands.append(_choices(node, names) if isinstance(op, ast.In | ast.NotIn) else _value(node, names))
    links = [(_compare(op), before, after) for op, before, after in zip(ops, operands[:-1], operands[1:], strict=True)]
    if len(links) == 1:
        compare, before, after = links[0]
        return lambda values: compare(before(values), after(values))
    return lambda values: all(compare(before(values), after(values)) for compare, before, after in links)


def _excess(node: ast.expr, names: set[str]) -> Callable[[Values], float]:
    """By how much a condition, one that `_condition` understands, is missed; 0 or less where it holds."""
    match node:
        case ast.BoolOp(op=op, values=parts):
            inner = [_excess(part, names) for part in parts]
            if isinstance(op, ast.Or):
                return lambda values: min(part(values) for part in inner)
            return lambda values: _together([part(values) for part in inner])
        case ast.UnaryOp(operand=operand):
            negated = _excess(operand, names)
            return lambda values: -negated(values)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            sides = [left, *comparators]
            links = [
                _link(op, before, after, names) for op, before, after in zip(ops, sides, comparators, strict=False)
            ]
            return lambda values: _together([link(values) for link in links])
    raise AssertionError(node)


def _link(op: ast.cmpop, before: ast.expr, after: ast.expr, names: set[str]) -> Callable[[Values], float]:
    """The difference of the two sides of one comparison; 0 or 1 for texts, choices and inequality."""
    left = _value(before, names)
    right = _choices(after, names) if isinstance(op, ast.In | ast.NotIn) else _value(after, names)
    compare = _compare(op)

    def missed(values: Values) -> float:
        one, other = left(values), right(values)
        if isinstance(one, str) or isinstance(other, str | tuple):
            return float(not compare(one, other))
        match op:
            case ast.Lt() | ast.LtE():
                return float(one - other)
            case ast.Gt() | ast.GtE():
                return float(other - one)
            case ast.Eq():
                return float(abs(one - other))
            case _:
                return float(not compare(one, other))

    return missed


def _together(parts: list[float]) -> float:
    """How much several conditions are missed that are all to hold."""
    return sum(part for part in parts if part > 0) or max(parts)


def _compare(op: ast.cmpop) -> Callable[[Any, Any], bool]:
    for kind, compare in _COMPARISONS.items():
        if isinstance(op, kind):
            return compare
    raise ExpressionError("'is' is not known here; write == or !=")


def _choices(node: ast.expr, names: set[str]) -> Callable[[Values], tuple[Value, ...]]:
    if not isinstance(node, ast.Tuple | ast.List | ast.Set):
        raise ExpressionError(f"{_quote(node)} after 'in' is not a list; write for example kernel in ('rbf', 'poly')")
    items = [_value(item, names) for item in node.elts]
    return lambda values: tuple(item(values) for item in items)


def _value(node: ast.expr, names: set[str]) -> Callable[[Values], Any]:
    match node:
        case ast.Constant(value=bool() as truth):
            raise ExpressionError(f"{truth} is not a value of any parameter; quote it if it is a choice: '{truth}'")
        case ast.Constant(value=int() | float() | str() as constant):
            return lambda values: constant
        case ast.Name(id=name):
            names.add(_shown(name))
            return operator.itemgetter(_shown(name))
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as op, operand=operand):
            sign = -1 if isinstance(op, ast.USub) else 1
            inner = _value(operand, names)
            return lambda values: sign * _number(inner(values))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            compute, a, b = _ARITHMETIC[type(op)], _value(left, names), _value(right, names)
            return lambda values: _bounded(compute(_number(a(values)), _number(b(values))))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return _call(name, arguments, names)
        case ast.Call(func=ast.Name(id=name), keywords=[_, *_]) if name in _FUNCTIONS:
            raise ExpressionError(f"{name} takes plain numbers; write {name}(x), without names or stars")
        case ast.Call():
            called = ast.unparse(node.func)
            raise ExpressionError(
                f"{called[:40]!r} is not a known function; the known ones are {', '.join(_FUNCTIONS)}"
            )
        case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
            raise ExpressionError(f"{_quote(node)} is a condition and cannot be used as a number")
    raise ExpressionError(
        f"{_quote(node)} is not allowed; use parameters, numbers, quoted text, + - * / // % **, comparisons, and, or, not"
    )


def _call(name: str, arguments: list[ast.expr], names: set[str]) -> Callable[[Values], Any]:
    function, least, most = _FUNCTIONS[name]
    if not least <= len(arguments) <= most:
        takes = "one number" if most == 1 else f"{least} to {most} numbers"
        raise ExpressionError(f"{name} takes {takes}, not {len(arguments)}")
    operands = [_value(argument, names) for argument in arguments]
    return lambda values: _bounded(function(*[_number(operand(values)) for operand in operands]))


def _number(value: Any) -> int | float:
    if isinstance(value, str):
        raise TypeError(f"{value[:40]!r} is text, not a number")
    return value  # type: ignore[no-any-return]


def _bounded(value: Any) -> Any:
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise OverflowError("the number is too large")
    if isinstance(value, complex):
        raise ValueError("the result is not a real number")
    return value


def _power(base: float, exponent: float) -> Any:
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * abs(exponent) > MAX_BITS * 2:
        raise OverflowError("the power is too large")
    return base**exponent


def _hidden(quoted: re.Match[str]) -> str:
    """A name in backticks as one that Python can parse."""
    return _MARK + quoted[1].encode().hex()


def _shown(name: str) -> str:
    """The name that was in backticks; any other one as it is."""
    return bytes.fromhex(name.removeprefix(_MARK)).decode("utf-8", "replace") if _MARKED.fullmatch(name) else name


def _quote(node: ast.expr) -> str:
    text = _MARKED.sub(lambda found: f"`{_shown(found[0])}`", ast.unparse(node))
    return repr(text if len(text) <= 60 else text[:57] + "...")


_MARK = "quoted_name_"
_QUOTED, _MARKED = re.compile(r"`([A-Za-z_][A-Za-z0-9_./-]*)`"), re.compile(rf"\b{_MARK}(?:[0-9a-f]{{2}})+\b")
"""A metric's name, such as val/latency, stands in backticks where it is more than letters, digits and _."""

_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda value, choices: value in choices,
    ast.NotIn: lambda value, choices: value not in choices,
}

_MANY = 16
_FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "abs": (abs, 1, 1),
    "min": (min, 2, _MANY),
    "max": (max, 2, _MANY),
    "log": (math.log, 1, 1),
    "log2": (math.log2, 1, 1),
    "log10": (math.log10, 1, 1),
    "sqrt": (math.sqrt, 1, 1),
    "exp": (math.exp, 1, 1),
    "floor": (math.floor, 1, 1),
    "ceil": (math.ceil, 1, 1),
    "round": (round, 1, 1),
}
