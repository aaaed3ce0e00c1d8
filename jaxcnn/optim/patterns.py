"""Parameters by name: the patterns with which a config freezes some, or gives them factors.

A parameter's name has the names of its layers, such as "block1/conv1/kernel". A pattern is such a
name or the name of a layer, where * stands for any letters, ? for one, and [ab] for one of some.
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


def are_frozen(params: dict, patterns: Sequence[str]) -> dict:
    """Return True for each parameter that one of the patterns names, in the structure of params."""

    def is_frozen(path: Any, _: Any) -> bool:
        return any(is_match(name_of(path), pattern) for pattern in patterns)

    return jax.tree.map_with_path(is_frozen, params)


def split_entry(entry: str) -> tuple[str, float]:
    """Return the pattern and the factor of an entry such as "conv*=0.1".

    Raises:
      ValueError: there is no factor.
    """
    pattern, _, factor = entry.rpartition("=")
    return pattern, float(factor)


def factors_of(params: dict, entries: Sequence[str]) -> dict:
    """Return the factor of each parameter, of the last entry that names it, or 1.

    Args:
      params: nested dicts; leaves may be anything.
      entries: such as "conv*=0.1", checked.
    """
    pairs = [split_entry(entry) for entry in entries]

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
    for field in ("freeze", "rate_factors", "weight_decay_factors"):
        for entry in optimizer[field]:
            pattern = entry if field == "freeze" else split_entry(entry)[0]
            if not any(is_match(name, pattern) for name in names):
                layers = dict.fromkeys(name.rpartition("/")[0] for name in names)
                raise UserError(
                    f"config.optimizer.{field}: {pattern!r} names no parameter of the network; it "
                    f"has {some_names(list(layers), _SHOWN)}"
                )
    if not optimizer.freeze_epochs and all(jax.tree.leaves(are_frozen(params, optimizer.freeze))):
        raise UserError(
            f"config.optimizer.freeze = {tuple(optimizer.freeze)!r}: no parameter would train"
        )
