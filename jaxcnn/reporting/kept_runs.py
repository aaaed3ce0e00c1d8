"""The records of runs in a checkout's `results/runs`, by recipe."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jaxcnn.config.published import changes_of_recipe, recipe_digest
from jaxcnn.reporting.comparison.groups import RecipeGroup, compare
from jaxcnn.reporting.comparison.runs import read_runs

RUNS = Path(__file__).parents[2] / "results" / "runs"


def kept_groups(folder: Path = RUNS) -> list[RecipeGroup]:
    """Return the kept runs, grouped by recipe and data; none if there is no such folder.

    Raises:
      UserError: the folder has folders, and none holds a run.
    """
    folders = sorted(path for path in folder.glob("*") if path.is_dir())
    if not folders:
        return []
    sections, _ = compare(read_runs(folders)[0])
    return [group for section in sections for group in section.groups]


def groups_of(config: Mapping[str, Any], groups: Iterable[RecipeGroup]) -> list[RecipeGroup]:
    """Return the groups whose runs have a config's recipe and were not changed on the way."""
    digest = recipe_digest(config)
    unchanged = (group for group in groups if not changes_of_recipe(group.run.environment))
    return [group for group in unchanged if recipe_digest(group.run.config) == digest]
