"""The tables of grids and goals, for the page and the terminal."""

from collections.abc import Callable

from jaxcnn.reporting.comparison.goal import Goal
from jaxcnn.reporting.comparison.grid import Grid
from jaxcnn.reporting.comparison.groups import RecipeGroup, Section
from jaxcnn.reporting.comparison.labels import axis_name, short_value
from jaxcnn.reporting.comparison.tables import mean_text
from jaxcnn.reporting.document import Table
from jaxcnn.text import decimal, integer, join_names, loss, percent


def grid_tables(grid: Grid) -> list[Table]:
    """Return the grid of test accuracies; for [sgd], also that of the losses.

    That publication divides the mean loss by the batch size, see docs/publications.md.
    """
    counts = {len(group.finished) for group in grid.cells.values() if group.finished}
    in_cells = len(counts) > 1
    statistic = (
        "; mean ± sample standard deviation over n seeds" if max(counts, default=0) > 1 else ""
    )
    count = f", n = {max(counts)}" if statistic and not in_cells else ""
    caption = f"Test accuracy by {_axes(grid)}{statistic}{count}"
    tables = [_grid_table(grid, caption, lambda group: _accuracy(group, in_cells))]
    if any(group.batch_loss for group in grid.cells.values()):
        caption = f"Mean test loss, and this loss divided by the batch size, by {_axes(grid)}"
        tables.append(_grid_table(grid, caption, _losses))
    return tables


def _axes(grid: Grid) -> str:
    first, second = map(axis_name, grid.fields)
    return f"{first} (rows) and {second} (columns)" + (f": {grid.title}" if grid.title else "")


def _grid_table(grid: Grid, caption: str, cell: Callable[[RecipeGroup], str]) -> Table:
    if grid.others:
        caption += f"; the recipes also differ in {join_names(grid.others)}"
    head = [" \\ ".join(map(axis_name, grid.fields)), *map(short_value, grid.columns)]
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


def _accuracy(group: RecipeGroup, with_count: bool) -> str:
    accuracy = group.result("test_accuracy")
    if accuracy is None:
        return "not finished"
    return mean_text(accuracy, percent) + f" (n = {accuracy.n})" * with_count


def _losses(group: RecipeGroup) -> str:
    mean, divided = group.result("test_loss"), group.batch_loss
    if mean is None:
        return "not finished"
    return f"{loss(mean.mean)}, {loss(divided.mean) if divided else '-'}"


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
    parameters = group.result("parameters")
    row.append(integer(parameters.mean) if parameters else "-")
    if goal.max_parameters is not None:
        row.append({True: "yes", False: "no", None: "unknown"}[goal.is_within(group)])
    return row
