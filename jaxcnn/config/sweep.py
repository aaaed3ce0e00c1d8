"""The syntax of a sweep and of a search: the fields that vary, and their values.

`optimizer.learning_rate=.001,.01; seed=0..4` gives two rates times five seeds, ten configs of a
sweep. A search also takes `uniform(a,b)` and `log(a,b)`.
"""

import dataclasses
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.config.defaults import flatten
from jaxcnn.config.help import guess_field
from jaxcnn.errors import UserError

_RANGE = re.compile(r"(-?\d+)\s*\.\.\s*(-?\d+)")
_SCALED_RANGE = re.compile(r"(uniform|log)\s*\(([^(),]*),([^(),]*)\)")
_MOST_MEMBERS = 10_000
Assignment = dict[str, Any]  # a value for each field of a sweep


@dataclasses.dataclass(frozen=True)
class Range:
    """The values of a field between two ends, both included.

    Attributes:
      low, high: the ends, of the field's type.
      scale: "log" if each factor is as likely as any other, else "uniform".
      is_whole: whether only whole numbers are values, even if the field takes others.
    """

    low: float
    high: float
    scale: str = "uniform"
    is_whole: bool = False

    def __str__(self) -> str:
        ends = f"{self.low:.12g}", f"{self.high:.12g}"
        return "..".join(ends) if self.is_whole else f"{self.scale}({','.join(ends)})"


Values = list[Any] | Range  # those that a field may take


def ends_of(values: Values) -> list[Any]:
    """Return the values of a list, or the ends of a range."""
    return [values.low, values.high] if isinstance(values, Range) else values


def parse_sweep(text: str, config: ConfigDict) -> dict[str, list[Any]]:
    """Return the values of each field of a sweep, by dotted name, in the order of the text.

    Args:
      text: fields with `;` between them. The values of a field are a list, `a,b,c`, or a range of
        whole numbers, `0..4`, which includes both ends.
      config: the config that the sweep varies; its values have the types of the fields.

    Raises:
      UserError: a field does not exist or is a list, is given twice, or a value is wrong.
    """
    fields = {}
    for name, values in _parse(text, config, "--sweep").items():
        if isinstance(values, Range):
            if not values.is_whole:
                raise UserError(
                    f"--sweep: {name}={values}: a sweep trains every value; list some, such as "
                    "a,b,c, or use jaxcnn search"
                )
            kind, first, last = type(values.low), int(values.low), int(values.high)
            values = [kind(value) for value in range(first, last + 1)]
        fields[name] = values
    return fields


def parse_search(text: str, config: ConfigDict) -> dict[str, Values]:
    """Return the values of each field of a search, by dotted name, in the order of the text.

    Args:
      text: as of `parse_sweep`; the values may also be a range, `uniform(a,b)` or `log(a,b)`.
      config: the config that the search varies.

    Raises:
      UserError: a field does not exist or is a list, is given twice, or a value is wrong.
    """
    return _parse(text, config, "--search")


def _parse(text: str, config: ConfigDict, flag: str) -> dict[str, Values]:
    """Return the values of each field; `flag` begins the text of an error."""
    leaves = flatten(config)
    fields: dict[str, Values] = {}
    for part in filter(str.strip, text.split(";")):
        name, equals, values = (word.strip() for word in part.partition("="))
        if not equals or not values:
            raise UserError(f"{flag}: {part.strip()!r} must be FIELD=VALUES, such as seed=0..4")
        name = name.removeprefix("config.")
        if name not in leaves:
            raise UserError(f"{flag}: {name} is not a field of a run{guess_field(name, leaves)}")
        if name in fields:
            raise UserError(f"{flag}: {name} is given twice; list its values with commas")
        kind = type(leaves[name])
        if kind not in (int, float, bool, str):
            raise UserError(f"{flag}: {name} is a list; only numbers and names can vary")
        fields[name] = _values(f"{flag}: {name}={values}", values, kind)
    if not fields:
        raise UserError(f"{flag}: names no field; give FIELD=VALUES, such as seed=0..4")
    return fields


def _values(place: str, text: str, kind: type) -> Values:
    """Return the values of a field in its type; `place` begins the text of an error."""
    if kind in (bool, str):
        words = [word.strip() for word in text.split(",")]
        return _unique(place, words if kind is str else [_truth(place, word) for word in words])
    if match := _RANGE.fullmatch(text):
        low, high = map(int, match.groups())
        if not 0 <= high - low < _MOST_MEMBERS:
            raise UserError(f"{place}: must rise, by less than {_MOST_MEMBERS}")
        return Range(kind(low), kind(high), is_whole=True)
    if match := _SCALED_RANGE.fullmatch(text):
        scale, *ends = match.groups()
        return _scaled_range(place, scale, _numbers(place, ends, kind))
    return _unique(place, _numbers(place, text.split(","), kind))


def _unique(place: str, values: list[Any]) -> list[Any]:
    """Return the values, which must differ."""
    if len(set(values)) < len(values):
        raise UserError(f"{place}: repeats a value")
    return values


def _truth(place: str, word: str) -> bool:
    """Return the truth value that a word gives."""
    values = {"true": True, "false": False}
    if word.lower() not in values:
        raise UserError(f"{place}: must be true, false, or both with a comma between them")
    return values[word.lower()]


def _numbers(place: str, words: Sequence[str], kind: type) -> list[Any]:
    """Return the numbers that words give."""
    try:
        return [kind(word) for word in words]
    except ValueError as error:
        numbers = "whole numbers" if kind is int else "numbers"
        raise UserError(
            f"{place}: must be {numbers} with commas between them, or a range such as 0..4"
        ) from error


def _scaled_range(place: str, scale: str, ends: Sequence[float]) -> Range:
    """Return the range between two ends."""
    low, high = ends
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UserError(f"{place}: must rise from the first number to the second")
    if scale == "log" and low <= 0:
        raise UserError(f"{place}: must begin above 0; use uniform(a,b)")
    return Range(low, high, scale)


def assignments(fields: Mapping[str, Sequence[Any]]) -> list[Assignment]:
    """Return every combination of the fields' values; the last field varies fastest.

    Raises:
      UserError: there are more than 10,000.
    """
    product = itertools.product(*fields.values())
    members = list(itertools.islice(product, _MOST_MEMBERS + 1))
    if len(members) > _MOST_MEMBERS:
        raise UserError(f"--sweep: gives more than {_MOST_MEMBERS:,} members; give fewer values")
    return [dict(zip(fields, values, strict=True)) for values in members]


def describe_values(values: Assignment) -> str:
    """Return the values of a member as text: `optimizer.learning_rate = 0.003, seed = 1`."""
    return ", ".join(f"{name} = {value_text(value)}" for name, value in values.items())


def value_text(value: Any) -> str:
    """Return a field's value as text."""
    return f"{value:.12g}" if is_number(value) else str(value)


def is_number(value: Any) -> bool:
    """Return whether a field's value is a number, and no truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def with_values(config: ConfigDict, values: Assignment) -> ConfigDict:
    """Return a copy of a config with other values of some fields."""
    changed = config.copy_and_resolve_references()
    changed.update_from_flattened_dict(values)
    return changed
