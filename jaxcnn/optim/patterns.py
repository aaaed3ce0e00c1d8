"""Parameters by name: the patterns with which a config freezes some, or gives them factors.

A parameter's name has the names of its layers, such as "block1/conv1/kernel". A pattern is such a
name or the name of a layer, where * stands for any letters, ? for one, and [ab] for one of some.
A field of a config holds patterns, or entries PATTERN=FACTOR, with commas between them.
"""

import fnmatch
from collections.abc import Sequence
from typing import Any

import jax

from jaxcnn.errors import UserError
from jaxcnn.text import some_names

_SHOWN = 12  # names of layers in an error


def name_of(path: Sequence[Any]) -> str:
    """Return the name of the parameter at a path, of JAX's keys or of plain ones."""
    return "/".join(str(getattr(key, "key", key)) for key in path)


def is_match(name: str, pattern: str) -> bool:
    """Return whether a pattern names the parameter, or a layer that it lies in."""
    return fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(name, f"{pattern}/*")


def split_patterns(field: str) -> list[str]:
    """Return the patterns in a field such as "conv*,dense1"."""
    return [pattern.strip() for pattern in field.split(",")] if field else []


def split_factors(field: str) -> list[tuple[str, float]]:
    """Return the patterns and factors in a field such as "conv*=0.1,dense1=2"."""
    parts = [entry.rpartition("=") for entry in field.split(",")] if field else []
    return [(pattern.strip(), float(factor)) for pattern, _, factor in parts]


def is_frozen(name: str, field: str) -> bool:
    """Return whether one of the patterns in a field names the parameter."""
    return any(is_match(name, pattern) for pattern in split_patterns(field))


def are_frozen(params: dict, field: str) -> dict:
    """Return True for each parameter that a pattern names, in the structure of `params`.

    Args:
      params: nested dicts; leaves may be anything.
      field: `optimizer.freeze`, checked.
    """
    return jax.tree.map_with_path(lambda path, _: is_frozen(name_of(path), field), params)


def factors_of(params: dict, field: str) -> dict:
    """Return the factor of each parameter, of the last entry that names it, or 1.

    Args:
      params: nested dicts; leaves may be anything.
      field: such as `optimizer.rate_factors`, checked.
    """
    pairs = split_factors(field)

    def factor(path: Any, _: Any) -> float:
        name = name_of(path)
        return next((f for pattern, f in reversed(pairs) if is_match(name, pattern)), 1.0)

    return jax.tree.map_with_path(factor, params)


def check_patterns(params: dict, optimizer: Any) -> None:
    """Check the patterns of a config against the parameters of its network.

    Args:
      params: the network's parameters.
      optimizer: the `optimizer` part of the config.

    Raises:
      UserError: a pattern names no parameter, or no parameter would ever train.
    """
    names = [name_of(path) for path, _ in jax.tree.leaves_with_path(params)]
    factors = ("rate_factors", "weight_decay_factors")
    named = [("freeze", pattern) for pattern in split_patterns(optimizer.freeze)]
    named += [
        (field, pattern) for field in factors for pattern, _ in split_factors(optimizer[field])
    ]
    leaves = jax.tree.leaves(params)
    kernels = [name for name, leaf in zip(names, leaves, strict=True) if leaf.ndim > 1]
    for field, pattern in named:
        if not _any_is_match(names, pattern):
            layers = dict.fromkeys(name.rpartition("/")[0] for name in names)
            raise UserError(
                f"config.optimizer.{field}: {pattern!r} names no parameter of the network; it has "
                f"{some_names(list(layers), _SHOWN)}"
            )
        if field == "weight_decay_factors" and not _any_is_match(kernels, pattern):
            raise UserError(
                f"config.optimizer.{field}: {pattern!r} names no kernel, and nothing else decays"
            )
    if not optimizer.freeze_epochs and all(jax.tree.leaves(are_frozen(params, optimizer.freeze))):
        raise UserError(f"config.optimizer.freeze = {optimizer.freeze!r}: no parameter would train")


def _any_is_match(names: Sequence[str], pattern: str) -> bool:
    return any(is_match(name, pattern) for name in names)
