"""A comparison as dicts for CSV and JSON: numbers unrounded, accuracies as fractions."""

import csv
import io
import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError
from jaxcnn.files.paths import user_path
from jaxcnn.reporting.comparison.goal import NO_GOAL, Goal
from jaxcnn.reporting.comparison.grid import Fields, grids_of
from jaxcnn.reporting.comparison.groups import MeanAndStd, RecipeGroup, Section, compare
from jaxcnn.reporting.comparison.labels import short_value
from jaxcnn.reporting.comparison.pair_tables import pair_row, pairs_of
from jaxcnn.reporting.comparison.runs import SavedRun, read_runs
from jaxcnn.reporting.comparison.statistics import Interval, wilson_interval
from jaxcnn.reporting.protocol import is_stopped_early, owner_of
from jaxcnn.reporting.series import best_epoch, series
from jaxcnn.text import count_names

TableRow = dict[str, Any]  # the same keys in each row of a table
_RESULTS = ("test_accuracy", "test_loss", "parameters", "flops", "seconds", "num_epochs")
_EVALUATED = ("balanced_accuracy", "top5_accuracy", "superclass_accuracy")
_CLASS_METRICS = ("accuracy", "precision", "recall", "f1")
_SPLITS = {
    "holdout": "held out of training",
    "tail": "last part of training",
    "fold": "fold of training",
    "validation": "{owner} validation",
    "test": "test set",
}


def compare_runs(folders: Iterable[str | Path], table: str = "runs") -> list[TableRow]:
    """Return a table of runs, with the columns of `TABLE.csv`, which the command `compare` writes.

    Runs that differ in the seed alone have the same `label`. A warning names the folders and files
    that are left out. The function writes nothing, and does not load JAX.

    Args:
      folders: the folders of runs, finished or not, and of populations.
      table: "runs"; "networks", with a row for each recipe; "differences", with the test of each
        recipe against the best; "classes" or "grids".

    Returns:
      The rows, each a dict by column. `pandas.DataFrame` takes the list.

    Raises:
      UserError: a folder does not exist, none of them holds a run, or there is no such table.
    """
    if isinstance(folders, (str, Path)):
        raise UserError(f"folders: is {str(folders)!r}; give a list of folders")
    if table not in _TABLES:
        raise UserError(f"table = {table!r}: must be one of {', '.join(_TABLES)}")
    saved_runs, left_out = read_runs(user_path(os.fspath(folder)) for folder in folders)
    sections, repeats = compare(saved_runs)
    for line in left_out + repeats:
        warnings.warn(f"left out: {line}", stacklevel=2)
    return _TABLES[table](sections)


def validation_split(config: Mapping[str, Any]) -> str:
    """Return the name of a config's validation data."""
    name = _SPLITS.get(config["validation"], str(config["validation"]))
    return name.replace("{owner}", owner_of(config["dataset"]["name"]))


def tested_weights(run: SavedRun) -> str:
    """Return the epoch whose weights are tested, in words."""
    if (run.result or {}).get("tested_with", run.config["test_with"]) == "best":
        return "best epoch"
    return "last epoch, stopped early" if is_stopped_early(run.config, run.result) else "last epoch"


def weights_of(group: RecipeGroup) -> str:
    """Return the `tested_weights` of a group; they differ if only some of its runs stop early."""
    return " or ".join(sorted({tested_weights(run) for run in group.shown}))


def device(run: SavedRun) -> str:
    """Return the run's devices, such as `2 × AMD EPYC`; "" if unknown."""
    return count_names(run.environment.get("devices") or [])


def machines(group: RecipeGroup) -> str:
    """Return the devices of a group's runs; "" if unknown."""
    return "; ".join(sorted({device(run) for run in group.shown} - {""}))


def code(group: RecipeGroup) -> str:
    """Return the `code_text` of a group's runs."""
    return "; ".join(sorted({code_text(run.version, run.commit) for run in group.shown}))


def code_text(version: str, commit: str) -> str:
    """Return version and commit, such as `0.2.0 d7d8e1a, modified`; "" if both are unknown."""
    number, comma, modified = commit.partition(",")
    return f"{version} {number[:7]}{comma}{modified}".strip()


def networks(sections: list[Section]) -> list[TableRow]:
    """Return a row for each group: means and standard deviations over its finished runs."""
    return [_network(section, group) for section in sections for group in section.groups]


def _network(section: Section, group: RecipeGroup) -> TableRow:
    row = {
        "dataset": section.dataset,
        "network": group.run.network,
        "label": group.label,
        "finished_runs": len(group.finished),
        "unfinished_runs": len(group.unfinished),
        "published_accuracy": group.published,
        "published_best_accuracy": group.figures.best if group.figures else None,
        "validation_split": validation_split(group.run.config),
        "tested_weights": weights_of(group),
        "test_set_served_as_validation": group.run.is_test_in_sight,
        "recipe_tuned_on_test": group.run.is_tuned_on_test,
    }
    for name in _RESULTS:
        row |= _mean_and_std(name, group.result(name))
    for name in _EVALUATED:
        row |= _mean_and_std(name, group.evaluated(name))
    row |= _mean_and_std("test_loss_by_batch_size", group.batch_loss)
    row |= _mean_and_std("seconds_per_epoch", group.seconds_per_epoch)
    row |= _low_and_high("test_accuracy", group.interval())
    return row | {"machines": machines(group), "code": code(group)}


def _low_and_high(name: str, interval: Interval | None) -> TableRow:
    """Return the ends of a 95 % interval."""
    return dict(zip((f"{name}_low", f"{name}_high"), interval or (None, None), strict=True))


def _mean_and_std(name: str, value: MeanAndStd | None) -> TableRow:
    if value is None:
        return {name: None, f"{name}_std": None}
    return {name: value.mean, f"{name}_std": value.std}


def runs(sections: list[Section], goal: Goal = NO_GOAL) -> list[TableRow]:
    """Return a row for each run."""
    return [
        _run(section, group, run) | {"goal_epoch": goal.first_epoch(run)}
        for section in sections
        for group in section.groups
        for run in group.runs
    ]


def _run(section: Section, group: RecipeGroup, run: SavedRun) -> TableRow:
    validation = series(run.rows, "validation", "accuracy")
    best = best_epoch(run.rows, run.config.get("best_metric", "accuracy"))
    result, num_images = run.result or {}, run.num_images("test")
    accuracy = MeanAndStd.of([result.get("test_accuracy")])
    interval = wilson_interval(accuracy.mean, num_images) if accuracy and num_images else None
    return {
        "run": str(run.folder),
        "dataset": section.dataset,
        "label": group.label,
        "seed": run.config["seed"],
        "finished": run.result is not None,
        "state": "finished" if run.result else run.state,
        "epoch": run.epochs_done,
        "num_epochs": run.config.get("num_epochs"),
        "test_accuracy": result.get("test_accuracy"),
        "test_loss": result.get("test_loss"),
        "last_validation_accuracy": list(validation.values())[-1] if validation else None,
        "best_validation_accuracy": validation.get(best),
        "best_epoch": best,
        "validation_split": validation_split(run.config),
        "tested_weights": tested_weights(run),
        "test_set_served_as_validation": run.is_test_in_sight,
        "recipe_tuned_on_test": run.is_tuned_on_test,
        "seconds": result.get("seconds"),
        "images_per_second": result.get("images_per_second"),
        "seconds_per_epoch": run.seconds_per_epoch,
        "device": device(run),
        "version": run.version,
        "commit": run.commit,
        "class_wise_figures": bool(run.evaluation),
        "test_images": num_images,
        **_low_and_high("test_accuracy", interval),
    }


def differences(sections: list[Section]) -> list[TableRow]:
    """Return a row for each finished recipe but the best of its dataset: its test against that."""
    return [
        {"dataset": section.dataset} | pair_row(pair)
        for section in sections
        for pair in pairs_of(section)
    ]


def classes(sections: list[Section]) -> list[TableRow]:
    """Return a row for each class and superclass of each evaluated group."""
    return [
        _class(section, group, kind, name)
        for section in sections
        for kind in ("classes", "superclasses")
        for name in section.class_names(kind)
        for group in section.finished
        if group.class_metric(name, kind=kind)
    ]


def _class(section: Section, group: RecipeGroup, kind: str, name: str) -> TableRow:
    row = {"dataset": section.dataset, "label": group.label, "of": kind, "class": name}
    for metric in _CLASS_METRICS:
        row |= _mean_and_std(metric, group.class_metric(name, metric, kind))
    support, accuracy = (group.class_metric(name, key, kind) for key in ("support", "accuracy"))
    return row | {"support": support and round(support.mean), "n": accuracy and accuracy.n}


def grids(sections: list[Section], fields: Fields | None = None) -> list[TableRow]:
    """Return a row for each cell of each grid that was run."""
    return [
        {
            "dataset": section.dataset,
            "grid": grid.title,
            "label": group.label,
            "row_field": grid.fields[0],
            "row": short_value(grid.rows[row]),
            "column_field": grid.fields[1],
            "column": short_value(grid.columns[column]),
            "n": len(group.finished),
            **_mean_and_std("test_accuracy", group.result("test_accuracy")),
            **_low_and_high("test_accuracy", group.interval()),
            **_mean_and_std("test_loss", group.result("test_loss")),
            **_mean_and_std("test_loss_by_batch_size", group.batch_loss),
        }
        for section in sections
        for grid in grids_of(section, fields)
        for (row, column), group in sorted(grid.cells.items(), key=lambda cell: cell[0])
    ]


def goals(sections: list[Section], goal: Goal) -> list[TableRow]:
    """Return a row for each group with what it reaches; none without a goal."""
    if not goal:
        return []
    return [
        {
            "dataset": section.dataset,
            "label": group.label,
            "goal": goal.accuracy,
            **_mean_and_std("first_epoch", first := goal.first_epochs(group)),
            "runs": len(group.shown),
            "runs_that_reach_it": first.n if first else 0,
            "max_parameters": goal.max_parameters,
            "within_max_parameters": goal.is_within(group),
        }
        for section in sections
        for group in section.groups
    ]


def to_csv(rows: list[TableRow]) -> str:
    """Return rows with the same keys as CSV with a header line; None is an empty cell."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, rows[0] if rows else [])
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def everything(
    sections: list[Section], fields: Fields | None = None, goal: Goal = NO_GOAL
) -> dict[str, list[TableRow]]:
    """Return all tables by name: networks, runs, differences, classes, grids, goals.

    Args:
      fields: see `grids_of`.
      goal: see `goals`.
    """
    return {
        "networks": networks(sections),
        "runs": runs(sections, goal),
        "differences": differences(sections),
        "classes": classes(sections),
        "grids": grids(sections, fields),
        "goals": goals(sections, goal),
    }


_TABLES = {
    "runs": runs,
    "networks": networks,
    "differences": differences,
    "classes": classes,
    "grids": grids,
}
