"""The pictures of a search: validation accuracy by trial, and against each field."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcnn.config.sweep import Range, Values
from jaxcnn.reporting.comparison.labels import axis_name, short_value
from jaxcnn.reporting.figures.style import (
    BLUE,
    COLUMN,
    GRAY,
    SKY,
    VERMILION,
    new_figure,
    plain,
    save,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rows = Sequence[Mapping[str, Any]]  # of the trials, as `result.json` has them
# the states of the trials that are drawn, with color and marker
DRAWN = {"dropped": (GRAY, "x"), "replaced": (GRAY, "x"), "finished": (BLUE, "o")}
_COST_LABELS = {
    "parameters": "parameters",
    "operations": "operations of the forward pass of an image",
    "seconds": "seconds of training per epoch",
}
_HEIGHT = 2.8  # inches
_MOST_LETTERS = 40  # that fit below the axis side by side
_MARGIN = 0.08  # around what is drawn, as a share of the axis
# The axis ends so many times the range of the upper three quarters below them.
_TIMES_USUAL = 2


def plot_history(rows: Rows, best: int, stem: Path) -> Path:
    """Draw the accuracy of each trial, and the best so far; return the PNG's path.

    Args:
      rows: of the trials, by number.
      best: the number of the best trial.
      stem: the path of the picture without its suffix.

    Raises:
      UserError: the folder cannot be written.
    """
    with styled():
        figure = new_figure(COLUMN, _HEIGHT)
        axes = figure.add_subplot()
        _scatter(axes, rows, [row["trial"] for row in rows], best)
        finished = [row for row in rows if row["state"] == "finished"]
        highest = np.maximum.accumulate([row["validation_accuracy"] for row in finished])
        numbers = [row["trial"] for row in finished]
        axes.step(numbers, 100 * highest, where="post", color=SKY, label="best so far", zorder=0)
        axes.set_xlabel("trial")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
        return save(figure, stem)


def plot_field(rows: Rows, best: int, name: str, values: Values, stem: Path) -> Path:
    """Draw the accuracy of each trial against a field; return the PNG's path.

    Args:
      rows: of the trials.
      best: the number of the best trial.
      name: the dotted name of the field.
      values: those that the field may take.
      stem: the path of the picture without its suffix.

    Raises:
      UserError: the folder cannot be written.
    """
    with styled():
        figure = new_figure(COLUMN, _HEIGHT)
        axes = figure.add_subplot()
        if isinstance(values, Range):
            _scatter(axes, rows, [row[name] for row in rows], best)
            axes.set_xscale("log" if values.scale == "log" else "linear")
        else:
            _scatter(axes, rows, [values.index(row[name]) for row in rows], best)
            names = [plain(short_value(value)) for value in values]
            is_long = sum(map(len, names)) > _MOST_LETTERS
            slanted = {"rotation": 25, "ha": "right", "rotation_mode": "anchor"} if is_long else {}
            axes.set_xticks(range(len(values)), names, **slanted)
            axes.margins(x=_MARGIN)
        axes.set_xlabel(plain(axis_name(name)))
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
        return save(figure, stem)


def plot_front(rows: Rows, front: Rows, minimize: str, stem: Path) -> Path:
    """Draw the accuracy of each trial against its cost, and mark those that no other one beats.

    Args:
      rows: of the trials with a cost.
      front: of the trials that no other one beats, the cheapest first.
      minimize: the name of the cost.
      stem: the path of the picture without its suffix.

    Raises:
      UserError: the folder cannot be written.
    """

    def points(rows: Rows) -> tuple[list[float], list[float]]:
        return [row[minimize] for row in rows], [100 * row["validation_accuracy"] for row in rows]

    with styled():
        figure = new_figure(COLUMN, _HEIGHT)
        axes = figure.add_subplot()
        axes.scatter(*points(rows), s=18, color=BLUE, label="trials")
        axes.step(*points(front), where="post", color=SKY, zorder=0)
        axes.scatter(*points(front), s=30, color=VERMILION, marker="D", label="front", zorder=3)
        axes.set_xscale("log")
        axes.set_xlabel(_COST_LABELS[minimize])
        axes.set_ylabel("validation accuracy (%)")
        _cut_low(axes, *points(rows))
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
        return save(figure, stem)


def _scatter(axes: "Axes", rows: Rows, positions: Sequence[float], best: int) -> None:
    """Draw a point for each trial; the best one stands out."""
    accuracies = [100 * row["validation_accuracy"] for row in rows]
    for state, (color, marker) in DRAWN.items():
        points = [
            (position, accuracy)
            for position, accuracy, row in zip(positions, accuracies, rows, strict=True)
            if row["state"] == state
        ]
        if points:
            axes.scatter(*zip(*points, strict=True), s=18, color=color, marker=marker, label=state)
    index = [row["trial"] for row in rows].index(best)
    axes.scatter(
        positions[index], accuracies[index], s=60, color=VERMILION, marker="*", zorder=3,
        label="best",
    )  # fmt: skip
    axes.set_ylabel("validation accuracy (%)")
    _cut_low(axes, positions, accuracies)


def _cut_low(axes: "Axes", positions: Sequence[float], accuracies: Sequence[float]) -> None:
    """Cut the axis below the usual accuracies, and mark each trial below with a triangle."""
    usual, highest = np.quantile(accuracies, 0.25), max(accuracies)
    lowest = usual - _TIMES_USUAL * max(highest - usual, 1)
    cut = [x for x, y in zip(positions, accuracies, strict=True) if y < lowest]
    if not cut:
        return
    inside = min(y for y in accuracies if y >= lowest)
    margin = _MARGIN * max(highest - inside, 1)
    edge = inside - margin
    axes.set_ylim(edge, highest + margin)
    axes.plot(
        cut, [edge] * len(cut), marker="v", color=GRAY, linestyle="none", clip_on=False,
        label=f"cut off, down to {min(accuracies):.1f} %",
    )  # fmt: skip
