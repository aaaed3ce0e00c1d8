"""The first values of a population, and the changes of its values between generations."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxcnn.config.sweep import Assignment, Range, Values

_FACTORS = (0.8, 1.2)  # by which a number changes


def draw(fields: Mapping[str, Values], seed: int, number: int) -> Assignment:
    """Return random values of the fields; they follow from the seed and the member's number."""
    rng = np.random.default_rng([seed, number])
    return {name: _draw(values, rng) for name, values in fields.items()}


def _draw(values: Values, rng: np.random.Generator) -> Any:
    if isinstance(values, list):
        return values[rng.integers(len(values))]
    kind = type(values.low)
    if values.scale == "log":
        return _fit(math.exp(rng.uniform(math.log(values.low), math.log(values.high))), values)
    if kind is int or values.is_whole:
        return kind(rng.integers(int(values.low), int(values.high), endpoint=True))
    return float(rng.uniform(values.low, values.high))


def explore(fields: Mapping[str, Values], before: Assignment, seed: int, number: int) -> Assignment:
    """Return changed values: numbers times 0.8 or 1.2, those of a list one place further.

    No value leaves its range or list.

    Args:
      fields: the values that each field may take.
      before: the values to change.
      seed, number: of the study, and of the member that takes the values; they decide the draws.
    """
    rng = np.random.default_rng([seed, number])
    return {name: _change(values, before[name], rng) for name, values in fields.items()}


def _change(values: Values, before: Any, rng: np.random.Generator) -> Any:
    is_up = bool(rng.integers(2))
    if isinstance(values, list):
        place = values.index(before) + (1 if is_up else -1)
        return values[min(max(place, 0), len(values) - 1)]
    changed = before * _FACTORS[is_up]
    if isinstance(values.low, int) or values.is_whole:  # a small number changes as well
        changed = max(round(changed), before + 1) if is_up else min(round(changed), before - 1)
    return _fit(changed, values)


def _fit(value: float, limits: Range) -> Any:
    """Return a value within the limits, of its type."""
    inside = min(max(value, limits.low), limits.high)
    return round(inside) if isinstance(limits.low, int) else float(inside)
