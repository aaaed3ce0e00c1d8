"""The syntax of a sweep: the fields that vary, and the values that they take.

`optimizer.learning_rate=.001,.01; seed=0..4` gives two rates times five seeds, ten configs.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.config.defaults import flatten
from jaxcnn.config.help import guess_field
from jaxcnn.errors import UserError

_RANGE = re.compile(r"\s*(-?\d+)\s*\.\.\s*(-?\d+)\s*")
_MOST_MEMBERS = 10_000
Assignment = dict[str, Any]  # a value for each field of a sweep


def parse_sweep(text: str, config: ConfigDict) -> dict[str, list[Any]]:
    """Return the values of each field of a sweep, by dotted name, in the order of the text.

    Args:
      text: fields with `;` between them. The values of a field are a list, `a,b,c`, or a range of
        whole numbers, `0..4`, which includes both ends.
      config: the config that the sweep varies; its values have the types of the fields.

    Raises:
      UserError: a field does not exist or is no number, is given twice, or a value is wrong.
    """
    leaves = flatten(config)
    fields: dict[str, list[Any]] = {}
    for part in filter(str.strip, text.split(";")):
        name, equals, values = (word.strip() for word in part.partition("="))
        if not equals or not values:
            raise UserError(f"--sweep: {part.strip()!r} must be FIELD=VALUES, such as seed=0..4")
        name = name.removeprefix("config.")
        if name not in leaves:
            raise UserError(f"--sweep: {name} is not a field of a run{guess_field(name, leaves)}")
        if name in fields:
            raise UserError(f"--sweep: {name} is given twice; list its values with commas")
        fields[name] = _values(name, values, leaves[name])
    if not fields:
        raise UserError("--sweep: names no field; give FIELD=VALUES, such as seed=0..4")
    return fields


def _values(name: str, text: str, current: Any) -> list[Any]:
    """Return the values of a field, in its type."""
    kind = type(current)
    if kind not in (int, float):
        raise UserError(f"--sweep: {name} is no number; a sweep varies numbers alone")
    if match := _RANGE.fullmatch(text):
        first, last = map(int, match.groups())
        if not 0 <= last - first < _MOST_MEMBERS:
            raise UserError(f"--sweep: {name}={text}: must rise, by less than {_MOST_MEMBERS}")
        return [kind(value) for value in range(first, last + 1)]
    try:
        values = [kind(word) for word in text.split(",")]
    except ValueError as error:
        numbers = "whole numbers" if kind is int else "numbers"
        raise UserError(
            f"--sweep: {name}={text}: must be {numbers} with commas between them, or a range such "
            "as 0..4"
        ) from error
    if len(set(values)) < len(values):
        raise UserError(f"--sweep: {name}={text}: repeats a value")
    return values


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
    return ", ".join(f"{name} = {value:.12g}" for name, value in values.items())


def with_values(config: ConfigDict, values: Assignment) -> ConfigDict:
    """Return a copy of a config with other values of some fields."""
    changed = config.copy_and_resolve_references()
    changed.update_from_flattened_dict(values)
    return changed
