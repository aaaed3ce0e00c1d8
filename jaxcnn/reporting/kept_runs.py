"""The records of runs in a checkout's `results/runs`, by recipe."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jaxcnn.config.published import changes_of_recipe, recipe_digest
from jaxcnn.reporting.comparison.groups import MeanAndStd, RecipeGroup, compare
from jaxcnn.reporting.comparison.runs import read_runs
from jaxcnn.reporting.comparison.tables import mean_text
from jaxcnn.reporting.series import series
from jaxcnn.text import percent
from jaxcnn.workdir import run_files
from jaxcnn.workdir.endings import is_evaluation_of

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


def group_of(config: Mapping[str, Any], groups: Iterable[RecipeGroup]) -> RecipeGroup | None:
    """Return the group of a config's recipe, a finished one if there is any; None without one."""
    matching = groups_of(config, groups)
    return max(matching, key=lambda g: (bool(g.finished), g.farthest.epochs_done), default=None)


def last_accuracy(group: RecipeGroup) -> float | None:
    """Return the mean test accuracy, or the validation accuracy so far if no run has finished."""
    if result := group.result("test_accuracy"):
        return result.mean
    accuracies = series(group.farthest.rows, "validation", "accuracy").values()
    return list(accuracies)[-1] if accuracies else None


def six_views_text(group: RecipeGroup) -> str:
    """Return the test accuracy by `evaluate --tta=six_views`; "" unless all finished runs have it.

    An evaluation of other weights than those of the result does not count.

    Raises:
      UserError: the file of an evaluation is damaged.
    """
    name = "evaluation/test_six_views.json"
    accuracies = []
    for run in group.finished:
        part = run_files.read_part_if_there(run.folder, name, ("accuracy",))
        if not part or not is_evaluation_of(part, run.result or {}):
            return ""
        accuracies.append(part["accuracy"])
    mean = MeanAndStd.of(accuracies)
    return f"{mean_text(mean, percent)} with six views" if mean else ""


def result_text(group: RecipeGroup) -> str:
    """Return the test accuracy of the finished runs, or what an unfinished one has so far."""
    if group.finished:
        return mean_text(group.result("test_accuracy"), percent)
    accuracy = last_accuracy(group)
    so_far = "" if accuracy is None else f": validation {percent(accuracy)} so far"
    return f"{group.farthest.state}{so_far}"
