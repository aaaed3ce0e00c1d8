"""What the fields of a file may hold: types and ranges, as tables.

A kind is a function of a value and the field's name; it raises `Wrong` for a wrong value.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Kind = Callable[[Any, str], None]


class Wrong(ValueError):
    """A value that its field may not hold: the text names both, and what is allowed."""


def _wrong(name: str, value: Any, allowed: str) -> Wrong:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    return Wrong(f"{name} = {shown}: must be {allowed}")


def number(low: float = -math.inf, high: float = math.inf) -> Kind:
    """A number of a range."""
    return _ranged((int, float), "a number", low, high)


def integer(low: int = 0, high: float = math.inf) -> Kind:
    """A whole number of a range."""
    return _ranged((int,), "a whole number", low, high)


def _ranged(types: tuple[type, ...], what: str, low: float, high: float) -> Kind:
    bounds = [f"at least {low:g}"] if math.isfinite(low) else []
    bounds += [f"at most {high:g}"] if math.isfinite(high) else []
    allowed = f"{what} of {' and '.join(bounds)}" if bounds else what

    def check(value: Any, name: str) -> None:
        if isinstance(value, bool) or not isinstance(value, types) or not low <= value <= high:
            raise _wrong(name, value, allowed)

    return check


def text(*choices: str) -> Kind:
    """A string; one of the choices where there are any."""
    allowed = f"one of {', '.join(choices)}" if choices else "a text"

    def check(value: Any, name: str) -> None:
        if not isinstance(value, str) or (choices and value not in choices):
            raise _wrong(name, value, allowed)

    return check


def anything(value: Any, name: str) -> None:
    """Any value."""


def scalar(value: Any, name: str) -> None:
    """A number, a text, true, false or null."""
    if isinstance(value, (dict, list)):
        raise _wrong(name, value, "a number or a text")


def or_null(kind: Kind) -> Kind:
    """The kind, or null."""

    def check(value: Any, name: str) -> None:
        if value is not None:
            kind(value, name)

    return check


def either(first: Kind, second: Kind) -> Kind:
    """The first kind, or else the second, whose error is told."""

    def check(value: Any, name: str) -> None:
        try:
            first(value, name)
        except Wrong:
            second(value, name)

    return check


def items(kind: Kind, at_least: int = 0) -> Kind:
    """A list of a kind."""

    def check(value: Any, name: str) -> None:
        if not isinstance(value, list) or len(value) < at_least:
            raise _wrong(name, value, f"a list of {at_least} or more" if at_least else "a list")
        for index, each in enumerate(value):
            kind(each, f"{name}[{index}]")

    return check


def fields(known: Mapping[str, Kind], *, need: Sequence[str] = (), others: Kind = anything) -> Kind:
    """An object with fields of these kinds.

    Args:
      known: the kinds by name; a field may be missing unless it is one of `need`.
      others: the kind of further fields.
    """

    def check(value: Any, name: str) -> None:
        if not isinstance(value, dict):
            raise _wrong(name, value, "an object with names")
        for field in need:
            if field not in value:
                raise Wrong(f"has no {name}.{field}".replace(" .", " "))
        for field, each in value.items():
            known.get(field, others)(each, f"{name}.{field}".lstrip("."))

    return check


def worded(kind: Kind, words: str) -> Kind:
    """The kind, with words of its own before what is wrong."""

    def check(value: Any, name: str) -> None:
        try:
            kind(value, name)
        except Wrong as error:
            raise Wrong(f"{words} ({error})") from error

    return check
