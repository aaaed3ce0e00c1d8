"""The publications' recipes and accuracies, and which of them a run follows."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxcnn.config.fields import HARMLESS, OLDER_DEFAULTS, default_config, flatten
from jaxcnn.data.places import is_folder_name
from jaxcnn.errors import UserError
from jaxcnn.files.reading import read_json

# Config name → "publication", "accuracy" (a fraction, or null), "recipe" (the config's fields that
# differ from the defaults), and "differs" where the published figure is of another recipe.
FILE = Path(__file__).resolve().parents[2] / "results" / "published.json"
CLASSIC_NETWORKS = "classic-networks"


def published_accuracy(config: Mapping[str, Any], environment: Mapping[str, Any]) -> float | None:
    """Return the test accuracy, a fraction, that a publication gives for the run's own recipe.

    Args:
      config: the run's resolved config, nested.
      environment: what its `environment.json` holds.

    Returns:
      None where the run's recipe is not a published one, or its figure is of another recipe.
    """
    entry = _entry_of(config, environment)
    return None if entry is None or "differs" in entry else entry["accuracy"]


def publication_of(config: Mapping[str, Any], environment: Mapping[str, Any]) -> str:
    """Return the publication whose recipe the run follows in every field that changes a number,
    such as "classic-networks"; "" for none."""
    entry = _entry_of(config, environment)
    return "" if entry is None or "differs" in entry else entry["publication"]


def recipe_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that tell a config from the defaults, by dotted name, as JSON holds them.

    The options of the network are all there; fields that change no number are left out.
    """
    defaults, fields = _defaults(), _fields(config)
    return {name: value for name, value in fields.items() if defaults.get(name) != value}


def _entry_of(
    config: Mapping[str, Any], environment: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    if environment.get("changes"):  # it did not have its recipe from the beginning
        return None
    run = relevant(_fields(OLDER_DEFAULTS) | _fields(config))
    for entry in _entries().values():
        recipe = relevant(_defaults() | entry["recipe"])
        if all(run.get(name, value) == value for name, value in recipe.items()):
            return entry
    return None


def relevant(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a config, by dotted name, without those that have no effect in it."""
    without = set()
    if fields.get("validation") != "holdout":
        without.add("holdout")
    if not is_folder_name(str(fields.get("dataset.name"))):
        without.add("dataset.split")
    return {name: value for name, value in fields.items() if name not in without}


def _defaults() -> dict[str, Any]:
    return _fields(default_config(model={}))


def _fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """The leaves that change a number, with lists for tuples."""
    leaves = {n: v for n, v in flatten(config).items() if not n.startswith(HARMLESS)}
    return {n: list(v) if isinstance(v, tuple) else v for n, v in leaves.items()}


@functools.cache
def _entries() -> dict[str, dict[str, Any]]:
    try:
        return read_json(FILE)
    except UserError:  # an installed package has no such folder
        return {}
