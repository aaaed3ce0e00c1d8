"""The picture of a confusion matrix."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jaxcnn.reporting.figures.style import COLUMN, class_text, new_figure, save, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_NAME_LETTERS = 23  # of a class name beside an axis
_KEPT_IN_ORDER = 20  # so many classes or fewer keep their order and have numbers in the cells


def confusion_order(matrix: np.ndarray) -> np.ndarray:
    """Return the classes in an order that puts those that are confused next to each other.

    They are the leaves of a hierarchical clustering (average linkage) by the share of confusions,
    in the order that keeps neighbors closest.

    Args:
      matrix: int (num_classes, num_classes), images by true class (row) and predicted class.

    Returns:
      int (num_classes,), positions of the classes.

    References:
      Bar-Joseph, Gifford, Jaakkola, Fast optimal leaf ordering for hierarchical clustering, 2001.
    """
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import squareform

    shares = _shares(matrix)
    distances = 1 - (shares + shares.T) / 2
    np.fill_diagonal(distances, 0)
    return hierarchy.leaves_list(
        hierarchy.linkage(squareform(distances), "average", optimal_ordering=True)
    )


def _shares(matrix: np.ndarray) -> np.ndarray:
    """Return each row as shares of the class's images; zeros for a class without images."""
    return matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)


def plot_confusion(matrix: np.ndarray, class_names: Sequence[str], stem: Path) -> Path:
    """Draw the matrix in percent of each true class; many classes are ordered by confusion.

    Args:
      matrix: int (num_classes, num_classes), images by true class (row) and predicted class.

    Raises:
      UserError: the folder cannot be written.
    """
    is_small = len(matrix) <= _KEPT_IN_ORDER
    order = np.arange(len(matrix)) if is_small else confusion_order(matrix)
    percents = 100 * _shares(matrix)[np.ix_(order, order)]
    names = [class_text(class_names[i], _NAME_LETTERS) for i in order]
    size = COLUMN if len(names) <= 10 else 7.0
    with styled():
        from matplotlib.colors import PowerNorm

        figure = new_figure(size, 0.88 * size)
        axes = figure.add_subplot()
        # the square root makes rare confusions visible beside the diagonal
        image = axes.imshow(percents, cmap="Blues", norm=PowerNorm(0.5, vmin=0, vmax=100))
        _name_axes(axes, names, size)
        if is_small:
            _write_cells(axes, percents, size)
        else:
            axes.set_title("classes that are confused with each other are neighbors")
        bar = figure.colorbar(image, ax=axes, shrink=0.7, aspect=30, pad=0.02)
        bar.set_label("of the true class's images (%)")
        bar.set_ticks([0, 1, 5, 10, 25, 50, 75, 100])
        bar.outline.set_visible(False)
        return save(figure, stem)


def _name_axes(axes: "Axes", names: Sequence[str], size: float) -> None:
    font = min(9.0, 0.72 * size * 72 / len(names))
    ticks = range(len(names))
    axes.set_xticks(ticks, names, rotation=90, fontsize=font)
    axes.set_yticks(ticks, names, fontsize=font)
    axes.tick_params(length=0, pad=2)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="predicted class", ylabel="true class")


def _write_cells(axes: "Axes", percents: np.ndarray, size: float) -> None:
    """Write each entry that rounds to at least one percent."""
    font = min(8.0, 0.26 * size * 72 / len(percents))
    for (row, column), value in np.ndenumerate(percents):
        if value > 0.5:  # 0.5 rounds to 0
            color = "white" if value > 35 else "black"
            text = f"{value:.1f}" if 99.5 <= value < 100 else f"{value:.0f}"
            axes.text(column, row, text, ha="center", va="center", color=color, size=font)
