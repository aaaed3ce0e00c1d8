"""The published recipe that a config file declares, and the check that a run follows it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.config.defaults import OLDER_DEFAULTS, default_config, flatten
from jaxcnn.config.fields import FIELDS, effect_of
from jaxcnn.config.older_recipes import NAMES
from jaxcnn.config.phases import canonical
from jaxcnn.config.publications import FIGURES, Figures, current_key
from jaxcnn.config.rules import SPLIT, Effect

_DEFAULTS = {name: field.default for name, field in FIELDS.items()}
# Fields with these effects leave a recipe as it is.
_NOT_RECIPE = (Effect.ABOUT, Effect.NONE, Effect.REPEAT)


def publish(
    config: ConfigDict, by: str, accuracy: float = 0.0, differs: str = "", *, name: str = ""
) -> ConfigDict:
    """Declare the publication of a config's recipe, as the last step of a config file.

    Args:
      config: the whole recipe; it is changed in place and returned.
      by: the key of the publication, such as "classic".
      accuracy: the published test accuracy, a fraction; 0 for none.
      differs: how the published recipe differs from this one; "" if it does not.
      name: of the recipe in `publications.FIGURES`, whose accuracy is taken; "" if it has none.
    """
    if name:
        accuracy = FIGURES[name].accuracy or 0.0
    declared = {"by": by, "name": name, "accuracy": accuracy, "differs": differs}
    config.published.update(declared, recipe=recipe_digest(config))
    return config


def publication_of(config: Mapping[str, Any], environment: Mapping[str, Any]) -> str:
    """Return the key of the publication whose recipe the run follows in every field; "" for none.

    Args:
      config: the content of the run's `config.json`.
      environment: the content of its `environment.json`.
    """
    if changes_of_recipe(environment):
        return ""
    published = config.get("published")
    if published is None:  # a run of older code
        name = _older_name(config)
        return FIGURES[name].by if name else ""
    follows = not published["differs"] and published["recipe"] == recipe_digest(config)
    return current_key(published["by"]) if follows else ""


def published_accuracy(config: Mapping[str, Any], environment: Mapping[str, Any]) -> float | None:
    """Return the published test accuracy, a fraction, of the recipe that the run follows.

    None where the run follows no published recipe, or the publication gives no figure.
    """
    if not publication_of(config, environment):
        return None
    if figures := published_figures(config, environment):
        return figures.accuracy
    return config["published"]["accuracy"] or None


def published_figures(config: Mapping[str, Any], environment: Mapping[str, Any]) -> Figures | None:
    """Return the publication's figures for the recipe that the run follows; None without any."""
    if not publication_of(config, environment):
        return None
    return FIGURES.get(config.get("published", {}).get("name") or _older_name(config))


def _older_name(config: Mapping[str, Any]) -> str:
    """Return the name of the published recipe of a run that does not record it; "" for none."""
    return NAMES.get(recipe_digest(config), "")


def changes_of_recipe(environment: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the changes during a run that its config does not show.

    A run that goes on with more epochs begins a phase, which `config.phases` has.

    Args:
      environment: the content of the run's `environment.json`.
    """
    begun = {phase["after_step"] for phase in environment.get("phases") or ()}
    changes = environment.get("changes") or []
    return [change for change in changes if change.get("step") not in begun or _is_more(change)]


def _is_more(change: Mapping[str, Any]) -> bool:
    """Return whether a change affects more than the number of epochs and phases."""
    names = {text.partition(":")[0] for text in change.get("fields", ())}
    return not names or not names <= {"num_epochs", "phases"}


def is_tuned_on_test(config: Mapping[str, Any]) -> bool:
    """Return whether the recipe was chosen by test accuracies on the run's own dataset."""
    return config.get("tuned_on_test_of", "") == config["dataset"]["name"]


def displayed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config for display: without the group `published` where the file declares none."""
    published = config.get("published")
    has_source = published is not None and published["by"]
    return {name: value for name, value in config.items() if name != "published" or has_source}


def recipe_fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a config, by dotted name, that change its numbers.

    Fields that an older run lacks have the values that apply to it. Tuples are lists, as in JSON,
    and `phases` is a text.
    """
    leaves = _DEFAULTS | OLDER_DEFAULTS | flatten(config)
    leaves["phases"] = " + ".join(canonical(leaves["phases"])) or "one"
    without_effect = set()
    if leaves.get("validation") != "holdout":
        without_effect.add("holdout")
    name, split = str(leaves.get("dataset.name")), leaves.get("dataset.split")
    has_splits = name.startswith("tfds:") and split not in SPLIT.choices  # such as train,test
    if not (has_splits or name.startswith(("folder:", "table:"))):
        without_effect.add("dataset.split")
    leaves["dataset.classes"] = [current_key(str(name)) for name in leaves["dataset.classes"]]
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in leaves.items()
        if name not in without_effect and effect_of(name) not in _NOT_RECIPE
    }


def recipe_digest(config: Mapping[str, Any]) -> str:
    """Return the digest of the recipe's fields that differ from the defaults.

    Options of a network are always included. Because of the defaults, a field that is added to
    `FIELDS` does not change the digests of existing configs.
    """
    defaults, fields = recipe_fields(default_config()), recipe_fields(config)
    recipe = {name: value for name, value in fields.items() if defaults.get(name) != value}
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
