"""The picture of a grid: accuracies as colors, with the numbers in the cells."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jaxcnn.reporting.comparison.grid import Grid
from jaxcnn.reporting.comparison.labels import axis_name, short_value
from jaxcnn.reporting.figures.style import new_figure, plain, save, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# not quite black and white, which follow the color scheme of the page
_DARK, _LIGHT, _EMPTY = "#111111", "#fefefe", "#888888"
_CELL_WIDTH, _CELL_HEIGHT = 0.85, 0.45  # inches


def plot_grid(
    grid: Grid, stem: Path, metric: str = "test_accuracy", label: str = "test accuracy (%)"
) -> Path:
    """Draw a grid's accuracies: mean, and ± standard deviation below it.

    Args:
      grid: the groups.
      stem: the picture's path without a suffix.
      metric: the accuracy in `result.json`.
      label: the name of the accuracy in the picture.

    Raises:
      UserError: the folder cannot be written.
    """
    percents = np.full((len(grid.rows), len(grid.columns)), np.nan)
    for position, group in grid.cells.items():
        if accuracy := group.result(metric):
            percents[position] = 100 * accuracy.mean
    with styled():
        width = 2.2 + _CELL_WIDTH * len(grid.columns)
        figure = new_figure(max(3.2, width), 1.0 + _CELL_HEIGHT * len(grid.rows))
        axes = figure.add_subplot()
        low, high = _limits(percents)
        image = axes.imshow(percents, cmap="viridis", vmin=low, vmax=high, aspect="auto")
        _name_axes(axes, grid)
        _write_cells(axes, grid, metric, (low + high) / 2)
        bar = figure.colorbar(image, ax=axes, aspect=15, pad=0.03)
        bar.set_label(label)
        bar.outline.set_visible(False)
        return save(figure, stem)


def _limits(percents: np.ndarray) -> tuple[float, float]:
    """Return the ends of the color scale, at least one percentage point apart."""
    known = percents[np.isfinite(percents)]
    if not len(known):
        return 0, 100
    middle, half = (known.max() + known.min()) / 2, max(0.5, (known.max() - known.min()) / 2)
    return middle - half, middle + half


def _name_axes(axes: "Axes", grid: Grid) -> None:
    rows, columns = (
        [plain(short_value(v)) for v in values] for values in (grid.rows, grid.columns)
    )
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(range(len(columns)), columns)
    axes.set(ylabel=plain(axis_name(grid.fields[0])), xlabel=plain(axis_name(grid.fields[1])))
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    if grid.title:
        axes.set_title(plain(grid.title), fontsize=9)


def _write_cells(axes: "Axes", grid: Grid, metric: str, middle: float) -> None:
    for row in range(len(grid.rows)):
        for column in range(len(grid.columns)):
            group = grid.cells.get((row, column))
            accuracy = group.result(metric) if group else None
            if accuracy:
                spread = "" if accuracy.std is None else f"\n± {100 * accuracy.std:.2f}"
                text = f"{100 * accuracy.mean:.2f}{spread}"
                color = _DARK if 100 * accuracy.mean > middle else _LIGHT
            else:
                text, color = "not finished" if group else "not run", _EMPTY
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=8)
