"""The recipes of runs: the fields that make them up, and the differences between them."""

import itertools
from collections.abc import Sequence
from typing import Any

from jaxcnn.config import published
from jaxcnn.config.defaults import OLDER_DEFAULTS
from jaxcnn.data.places import is_pictures_name
from jaxcnn.reporting.comparison.runs import SavedRun

CHANGED = "changed after step"  # the field for changes during the run


def recipe_of_run(run: SavedRun) -> dict[str, Any]:
    """Return the config fields that affect a run's numbers, and the digests of its data."""
    fields = published.recipe_fields(run.config)
    for view in ("train", "validation"):
        if digest := run.fingerprint(view):
            fields[f"{view} examples"] = digest[:6]
    if run.fingerprint("train") and is_pictures_name(run.config["dataset"]["name"]):
        fields.pop("dataset.name")  # the same pictures may be in several places
    changes = published.changes_of_recipe(run.environment)  # it began with other settings
    return fields | ({CHANGED: changes} if changes else {})


def recipe_key(run: SavedRun) -> str:
    """Return a text that is the same for all runs of a recipe."""
    return repr(sorted(recipe_of_run(run).items()))


def differences(runs: Sequence[SavedRun]) -> dict[str, list[Any]]:
    """Return the recipe fields that are not the same in all runs, with a value for each run."""
    recipes = [recipe_of_run(run) for run in runs]
    names = dict.fromkeys(itertools.chain.from_iterable(recipes))
    columns = {name: [recipe.get(name) for recipe in recipes] for name in names}
    for name in OLDER_DEFAULTS:
        if None in columns.get(name, ()):  # the field has no effect in some of the runs
            del columns[name]
    return {name: values for name, values in columns.items() if len(set(map(repr, values))) > 1}
