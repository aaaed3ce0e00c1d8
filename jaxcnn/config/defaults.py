"""The default config, and configs as flat and as plain dicts."""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.config.fields import FIELDS
from jaxcnn.config.typed import make_config

# The values of fields that the `config.json` of an older run lacks. Only values that differ from
# the field's default are listed.
OLDER_DEFAULTS: dict[str, Any] = {"holdout": "random", "dataset.split": "shuffle"}


def default_config() -> ConfigDict:
    """Return a config with every field of a run: LeNet on scikit-learn's digits, plain Adam."""
    return make_config(nest({name: field.default for name, field in FIELDS.items()}))


def older_defaults() -> ConfigDict:
    """Return the default config, with the older values of fields that an older run lacks."""
    config = default_config()
    config.update_from_flattened_dict(OLDER_DEFAULTS)
    return config


def older_rules(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of `OLDER_DEFAULTS` that apply to a run with this `config.json`."""
    leaves = flatten(saved)
    return {name: value for name, value in OLDER_DEFAULTS.items() if name not in leaves}


def from_dict(saved: Mapping[str, Any]) -> ConfigDict:
    """Return the config in the content of a run's `config.json`, which `to_dict` wrote.

    Fields that an older run lacks get their values from `older_defaults`. Nothing is checked.

    Raises:
      TypeError, ValueError: a group of fields is not a group, or a value is of another type.
    """
    config = older_defaults()
    config.model = {}  # the default network's options are not this network's
    config.update(_with_tuples({name: value for name, value in saved.items() if name != "run"}))
    return config


def _with_tuples(value: Any) -> Any:
    """Return a JSON value with its lists as tuples, as in configs."""
    if isinstance(value, dict):
        return {name: _with_tuples(member) for name, member in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def flatten(config: ConfigDict | Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a config's leaves by dotted name: `{"optimizer.name": "adam", …}`."""
    leaves = {}
    for key, value in config.items():
        if isinstance(value, (ConfigDict, Mapping)):
            leaves |= flatten(value, f"{prefix}{key}.")
        else:
            leaves[prefix + key] = value
    return leaves


def nest(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested dicts from leaves by dotted name, the inverse of `flatten`."""
    nested: dict[str, Any] = {}
    for name, value in leaves.items():
        *groups, leaf = name.split(".")
        members = nested
        for group in groups:
            members = members.setdefault(group, {})
        members[leaf] = value
    return nested


def to_dict(config: ConfigDict) -> dict[str, Any]:
    """Return a config as nested dicts with lists for tuples, as JSON holds it."""
    plain = {}
    for name, value in config.items():
        nested = to_dict(value) if isinstance(value, ConfigDict) else value
        plain[name] = list(nested) if isinstance(nested, tuple) else nested
    return plain
