"""Schemas: the allowed types and ranges of a file's fields, as tables.

A kind is a function that checks a value. It takes the value and the field's name, and raises
`Wrong` for a value that is not allowed.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxcnn.text import shorten

Kind = Callable[[Any, str], None]


class Wrong(ValueError):
    """A value is not allowed; the text names the field, the value and the allowed values."""


def _wrong(name: str, value: Any, allowed: str) -> Wrong:
    return Wrong(f"{name} = {shorten(repr(value), 61)}: must be {allowed}")


def number(low: float = -math.inf, high: float = math.inf) -> Kind:
    """Return the kind of a number within a range."""
    return _ranged((int, float), "a number", low, high)


def integer(low: int = 0, high: float = math.inf) -> Kind:
    """Return the kind of a whole number within a range."""
    return _ranged((int,), "a whole number", low, high)


def _ranged(types: tuple[type, ...], noun: str, low: float, high: float) -> Kind:
    bounds = [f"at least {low:g}"] if math.isfinite(low) else []
    bounds += [f"at most {high:g}"] if math.isfinite(high) else []
    allowed = f"{noun} of {' and '.join(bounds)}" if bounds else noun

    def check(value: Any, name: str) -> None:
        if isinstance(value, bool) or not isinstance(value, types) or not low <= value <= high:
            raise _wrong(name, value, allowed)

    return check


def text(*choices: str) -> Kind:
    """Return the kind of a string, limited to the choices if there are any."""
    allowed = f"one of {', '.join(choices)}" if choices else "a text"

    def check(value: Any, name: str) -> None:
        if not isinstance(value, str) or (choices and value not in choices):
            raise _wrong(name, value, allowed)

    return check


def anything(value: Any, name: str) -> None:
    """Allow any value."""


def scalar(value: Any, name: str) -> None:
    """Allow a number, a text, true, false or null."""
    if isinstance(value, (dict, list)):
        raise _wrong(name, value, "a number or a text")


def or_null(kind: Kind) -> Kind:
    """Return a kind that allows null and what `kind` allows."""

    def check(value: Any, name: str) -> None:
        if value is not None:
            kind(value, name)

    return check


def either(first: Kind, second: Kind) -> Kind:
    """Return the kind that allows what either of two kinds allows; an error is the second's."""

    def check(value: Any, name: str) -> None:
        try:
            first(value, name)
        except Wrong:
            second(value, name)

    return check


def items(kind: Kind, at_least: int = 0) -> Kind:
    """Return the kind of a list of `kind` with at least so many items."""

    def check(value: Any, name: str) -> None:
        if not isinstance(value, list) or len(value) < at_least:
            raise _wrong(name, value, f"a list of {at_least} or more" if at_least else "a list")
        for index, item in enumerate(value):
            kind(item, f"{name}[{index}]")

    return check


def fields(kinds: Mapping[str, Kind], *, need: Sequence[str] = (), others: Kind = anything) -> Kind:
    """Return the kind of an object.

    Args:
      kinds: the kinds of its fields by name.
      need: names of the fields that must be present.
      others: the kind of all other fields.
    """

    def check(value: Any, name: str) -> None:
        if not isinstance(value, dict):
            raise _wrong(name, value, "an object")
        for field in need:
            if field not in value:
                raise Wrong(f"has no {name}.{field}".replace(" .", " "))
        for field, member in value.items():
            kinds.get(field, others)(member, f"{name}.{field}".lstrip("."))

    return check


def worded(kind: Kind, words: str) -> Kind:
    """Return the kind with an explanation in front of its errors."""

    def check(value: Any, name: str) -> None:
        try:
            kind(value, name)
        except Wrong as error:
            raise Wrong(f"{words} ({error})") from error

    return check
