"""The tables of grids and goals, for the page and the terminal."""

from collections.abc import Callable

from jaxcnn.reporting.comparison.goal import Goal
from jaxcnn.reporting.comparison.grid import Grid
from jaxcnn.reporting.comparison.groups import RecipeGroup, Section
from jaxcnn.reporting.comparison.heat_map import axis_name
from jaxcnn.reporting.comparison.labels import short_value
from jaxcnn.reporting.comparison.tables import mean_text
from jaxcnn.reporting.document import Table
from jaxcnn.text import decimal, integer, join_names, loss, percent


def grid_tables(grid: Grid) -> list[Table]:
    """Return the grid of test accuracies; for [SGD], also that of the losses.

    That publication divides the mean loss by the batch size, see docs/publications.md.
    """
    tables = [_grid_table(grid, "Test accuracy", _accuracy)]
    if any(group.batch_loss for group in grid.cells.values()):
        tables.append(_grid_table(grid, "Test loss, and divided by the batch size", _losses))
    return tables


def _grid_table(grid: Grid, name: str, cell: Callable[[RecipeGroup], str]) -> Table:
    first, second = map(axis_name, grid.fields)
    caption = f"{name} by {first} (rows) and {second} (columns)"
    caption += f": {grid.title}" if grid.title else ""
    if grid.others:
        caption += f"; the recipes also differ in {join_names(grid.others)}"
    head = [f"{first} \\ {second}", *map(short_value, grid.columns)]
    rows = [
        [
            short_value(value),
            *(
                cell(grid.cells[row, column]) if (row, column) in grid.cells else "not run"
                for column in range(len(grid.columns))
            ),
        ]
        for row, value in enumerate(grid.rows)
    ]
    return Table(f"{caption}.", head, rows)


def _accuracy(group: RecipeGroup) -> str:
    accuracy = group.result("test_accuracy")
    if accuracy is None:
        return "not finished"
    count = f" (n = {accuracy.n})" if accuracy.n > 1 else ""
    return mean_text(accuracy, percent) + count


def _losses(group: RecipeGroup) -> str:
    value = mean_text(group.result("test_loss"), loss)
    return f"{value}, {mean_text(group.batch_loss, loss)}"


def goal_tables(section: Section, goal: Goal) -> list[Table]:
    """Return a table of the recipes with what they reach; none without a goal."""
    if not goal:
        return []
    head, captions = ["network"], []
    if goal.accuracy is not None:
        captions.append(
            f"First epoch with a validation accuracy of {percent(goal.accuracy)} or more, mean "
            "over the runs that reach it"
        )
        head += ["first epoch", "runs that reach it", "validation, best"]
    head.append("parameters")
    if goal.max_parameters is not None:
        captions.append(f"Limit: {goal.max_parameters:,} parameters")
        head.append("within the limit")
    rows = [_goal_row(group, goal) for group in section.groups]
    return [Table(f"{'. '.join(captions)}.", head, rows)]


def _goal_row(group: RecipeGroup, goal: Goal) -> list[str]:
    row = [group.title]
    if goal.accuracy is not None:
        first = goal.first_epochs(group)
        best = max(
            (value.mean for value in group.curve("validation", "accuracy").values()), default=None
        )
        row += [
            mean_text(first, decimal if len(group.shown) > 1 else integer) if first else "never",
            f"{first.n if first else 0} of {len(group.shown)}",
            percent(best),
        ]
    row.append(mean_text(group.result("parameters"), integer))
    if goal.max_parameters is not None:
        row.append({True: "yes", False: "no", None: "unknown"}[goal.is_within(group)])
    return row
