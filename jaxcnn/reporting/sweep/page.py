"""The page of a sweep, `report.html` and `report.md`, and the config of its best recipe."""

import contextlib
import itertools
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.errors import UserError
from jaxcnn.files.writing import write_json, write_text
from jaxcnn.reporting.comparison.grid import Grid, grids_of
from jaxcnn.reporting.comparison.heat_map import plot_grid
from jaxcnn.reporting.comparison.labels import axis_name, short_value
from jaxcnn.reporting.comparison.pair_tables import (
    interval_text,
    pair_remarks,
    pair_table,
    verdict_text,
)
from jaxcnn.reporting.comparison.pairs import Pair, against
from jaxcnn.reporting.comparison.runs import SavedRun
from jaxcnn.reporting.comparison.tables import marks, mean_text, remarks
from jaxcnn.reporting.document import (
    Block,
    Heading,
    Paragraph,
    Picture,
    Table,
    to_html,
    to_markdown,
)
from jaxcnn.reporting.series import best_epoch, series
from jaxcnn.reporting.sweep.figures import plot_outcome
from jaxcnn.reporting.sweep.outcome import Outcome, SweptRecipe
from jaxcnn.text import clock, percent
from jaxcnn.workdir.full_paths import config_in_full

BEST, PAGE = "best.json", "report.html"
_PLOTS = "plots"
_MANY_ROWS = 30  # a longer table is folded
_MOST_GRIDS = 6


def write_report(
    outcome: Outcome, configs: Mapping[str, ConfigDict], workdir: Path, num_devices: int
) -> None:
    """Write the page with its pictures, and the config of the best recipe with its first seed.

    Args:
      outcome: of the sweep.
      configs: the members' configs, by the names of their folders.
      workdir: the folder of the population.
      num_devices: `config.num_devices` of the sweep; members have 1.

    Raises:
      UserError: the folder cannot be written.
    """
    config = config_in_full(configs[outcome.best.members[0]]) | {"num_devices": num_devices}
    write_json(workdir / BEST, config)
    kind = "Sweep" if outcome.fields else "Seeds"
    title = f"{kind} of {outcome.section.groups[0].run.network} on {outcome.section.dataset}"
    blocks = _blocks(outcome, workdir)
    write_text(workdir / "report.md", to_markdown(title, blocks))
    write_text(workdir / PAGE, to_html(title, blocks, workdir))


def summary(outcome: Outcome) -> dict[str, Any]:
    """Return the fields of the population's `result.json` about its recipes."""
    best = _row(outcome.best)
    return {
        "chosen_by": outcome.metric,
        "recipes": list(map(_row, outcome.recipes)),
        "best": best | {"config": BEST},
    }


def _row(recipe: SweptRecipe) -> dict[str, Any]:
    row: dict[str, Any] = {"values": dict(recipe.values), "members": recipe.members}
    row["n"] = len(recipe.group.finished)
    intervals = recipe.validation_interval, recipe.group.interval()
    for name, value, interval in (
        ("validation_accuracy", recipe.validation, intervals[0]),
        ("test_accuracy", recipe.test, intervals[1]),
    ):
        low, high = interval or (None, None)
        row |= {name: value and value.mean, f"{name}_std": value and value.std}
        row |= {f"{name}_low": low, f"{name}_high": high}
    return row


def choice_text(outcome: Outcome, workdir: Path) -> str:
    """Return sentences on the chosen recipe and its config."""
    best = outcome.best
    which = "last" if outcome.metric.startswith("last") else "best"
    n = len(best.group.finished)
    over = f"mean over {n} seeds" if n > 1 else "one run"
    is_choice = len(outcome.recipes) > 1
    subject = f"The recipe with {best.label} is chosen by its" if is_choice else "The"
    is_too_high = is_choice and not best.group.run.is_test_in_sight
    caution = ", which is too high because it chose the recipe" * is_too_high
    command = f"jaxcnn train --config={shlex.quote(str(workdir / BEST))}"
    return (
        f"{subject} validation accuracy of the {which} epoch, {over}: "
        f"{mean_text(best.validation, percent)}{caution}. The test accuracy: "
        f"{mean_text(best.test, percent)}. `{command}` trains the recipe again."
    )


def recipe_table(outcome: Outcome) -> Table:
    """Return a table of the recipes, the best validation accuracy first."""
    several = any(len(recipe.group.finished) > 1 for recipe in outcome.recipes)
    statistic = "; mean ± sample standard deviation over n seeds" if several else ""
    kinds = "Student's t over the seeds, or Wilson's of one run" if several else "Wilson's"
    caption = f"Recipes by validation accuracy{statistic}; 95 % intervals: {kinds}."
    head = [
        *(map(axis_name, outcome.fields) if outcome.fields else ["network"]), "validation accuracy",
        "95 % interval", "test accuracy", "95 % interval", "n",
    ]  # fmt: skip
    rows = [_cells(recipe) for recipe in outcome.recipes]
    return Table(caption, head, rows, folded=len(rows) > _MANY_ROWS)


def _cells(recipe: SweptRecipe) -> list[str]:
    run, diverged = recipe.group.run, len(recipe.group.unfinished)
    values = [short_value(value) for value in recipe.values.values()] or [run.network]
    count = str(len(recipe.group.finished)) + (f", {diverged} diverged" if diverged else "")
    mark = marks(run.is_test_in_sight, run.is_tuned_on_test) if recipe.test else ""
    return [
        *values,
        mean_text(recipe.validation, percent),
        interval_text(recipe.validation_interval),
        mean_text(recipe.test, percent) + mark,
        interval_text(recipe.group.interval()),
        count,
    ]


def comparison_text(outcome: Outcome) -> str:
    """Return a sentence on the recipes that cannot be told apart from the best; "" if alone."""
    pairs = _pairs(outcome)
    return verdict_text(pairs, "By test accuracy, the chosen recipe") if pairs else ""


def _comparison(outcome: Outcome) -> list[Table | Paragraph]:
    """Return the tests of the recipes' test accuracies against that of the best recipe."""
    pairs = _pairs(outcome)
    return [*pair_table(pairs, "the chosen recipe"), *pair_remarks(pairs, "the chosen recipe")]


def _pairs(outcome: Outcome) -> list[Pair]:
    return against(outcome.best.group, [recipe.group for recipe in outcome.recipes])


def _blocks(outcome: Outcome, workdir: Path) -> list[Block]:
    pictures = plot_outcome(outcome, workdir / _PLOTS)
    tests = _comparison(outcome)
    return [
        Paragraph(choice_text(outcome, workdir)),
        recipe_table(outcome),
        *remarks(outcome.section),
        Heading("Validation accuracy"),
        *(Picture(f"{_PLOTS}/{name}", caption) for name, caption in pictures.items()),
        *_heat_maps(outcome, workdir / _PLOTS),
        *([Heading("Differences of the test accuracies")] if tests else []),
        *tests,
        Heading("Members"),
        _member_table(outcome),
    ]


def _heat_maps(outcome: Outcome, folder: Path) -> list[Picture]:
    """Draw the validation accuracies by each pair of fields, for each value of the others.

    The network has no heat map with a field if an option of the networks varies as well.
    """
    fields = [name for name, values in outcome.fields.items() if len(values) > 1]
    grids: list[Grid] = []
    for pair in itertools.combinations(fields, 2):
        with contextlib.suppress(UserError):  # the networks of the pair differ in their options too
            grids += grids_of(outcome.section, pair)
    pictures = []
    for number, grid in enumerate(grids[:_MOST_GRIDS], 1):
        name = f"grid{number}"
        plot_grid(grid, folder / name, outcome.metric, "validation accuracy (%)")
        first, second = map(axis_name, grid.fields)
        caption = f"Validation accuracy by {first} and {second}, mean over the seeds"
        pictures.append(Picture(f"{folder.name}/{name}", caption))
    return pictures


def _member_table(outcome: Outcome) -> Table:
    head = [
        "member", *map(axis_name, outcome.fields), "seed", "validation, best", "validation, last",
        "test accuracy", "epochs", "ended", "time",
    ]  # fmt: skip
    values_of = {name: r.values.values() for r in outcome.recipes for name in r.members}
    rows = [
        [run.folder.name, *map(short_value, values_of[run.folder.name]), *_run_cells(run)]
        for run in outcome.runs
    ]
    return Table(
        "Each member is a run in the folder members.", head, rows, folded=len(rows) > _MANY_ROWS
    )


def _run_cells(run: SavedRun) -> list[str]:
    accuracies = series(run.rows, "validation", "accuracy")
    best = best_epoch(run.rows, run.config.get("best_metric", "accuracy"))
    result = run.result or {}
    ended = result.get("ended", "-") if run.result else "diverged"
    best_text = "-" if best is None else f"{percent(accuracies[best])} in epoch {best}"
    return [
        str(run.config["seed"]),
        best_text,
        percent(next(reversed(accuracies.values()), None)),
        percent(result.get("test_accuracy")),
        str(result.get("num_epochs", max(accuracies, default=0))),
        str(ended).replace("_", " "),
        clock(result.get("seconds")),
    ]
