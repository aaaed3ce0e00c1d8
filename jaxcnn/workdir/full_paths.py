"""The user's paths in a run's config, written in full.

A relative path means another folder in another working directory. A run that kept one would find
other pictures, or other first weights, under the same name.
"""

import os
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.config.defaults import flatten, nest, to_dict
from jaxcnn.data.places import SPLIT_RULES, is_pictures_name
from jaxcnn.files.paths import user_path

_PATHS = ("dataset.data_dir", "dataset.exclude", "init_from")


def with_full_paths(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config's leaves by dotted name, with each path as an absolute one.

    Args:
      leaves: of a config, or of the `config.json` of a run by any version.
    """
    return {name: _in_full(name, value) for name, value in leaves.items()}


def config_in_full(config: ConfigDict) -> dict[str, Any]:
    """Return a config as `config.json` holds it, with each path as an absolute one."""
    return nest(with_full_paths(flatten(to_dict(config))))


def full_name(dataset: str) -> str:
    """Return a dataset's name; that of a folder or a table of pictures has its absolute path."""
    if not is_pictures_name(dataset):
        return dataset
    kind, _, path = dataset.partition(":")
    return f"{kind}:{_absolute(path)}"


def _in_full(name: str, value: Any) -> Any:
    if not (value and isinstance(value, str)):
        return value
    if name == "dataset.name":
        return full_name(value)
    is_list = name == "dataset.split" and value not in SPLIT_RULES and "," not in value
    return _absolute(value) if name in _PATHS or is_list else value


def _absolute(path: str) -> str:
    return os.path.abspath(user_path(path))
