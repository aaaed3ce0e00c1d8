"""The reliability diagram: accuracy against confidence.

References:
  Guo, Pleiss, Sun, Weinberger, On Calibration of Modern Neural Networks, 2017.
  https://arxiv.org/abs/1706.04599
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcnn.evaluation.calibration import calibration_error
from jaxcnn.reporting.figures.style import BLUE, COLUMN, GRAY, SKY, new_figure, save, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BARS = {"align": "edge", "edgecolor": "white", "linewidth": 0.5}
_FEW = 20  # images; the accuracy of a bin with fewer is drawn pale


def plot_reliability(bins: Sequence[dict[str, Any]], stem: Path) -> Path:
    """Draw the accuracy of each bin, and below it the share of images in the bin.

    Args:
      bins: from `evaluation.calibration.reliability`.

    Raises:
      UserError: the folder cannot be written.
    """
    start, end = (np.array([row[name] for row in bins]) for name in ("from", "to"))
    left, width = 100 * start, 100 * (end - start)
    total = sum(row["count"] for row in bins)
    with styled():
        figure = new_figure(COLUMN, 4.5)
        upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1))
        _draw_accuracy(upper, bins, left, width)
        lower.bar(left, [100 * row["count"] / total for row in bins], width, color=BLUE, **_BARS)
        lower.set(xlabel="probability of the predicted class (%)", ylabel="images (%)")
        return save(figure, stem)


def _draw_accuracy(
    axes: "Axes", bins: Sequence[dict[str, Any]], left: np.ndarray, width: np.ndarray
) -> None:
    accuracy = [100 * row["accuracy"] if row["count"] else 0 for row in bins]
    colors = [BLUE if row["count"] >= _FEW else SKY for row in bins]
    axes.bar(left, accuracy, width, color=colors, **_BARS)
    for i, row in enumerate(bins):
        if row["count"]:  # a line on top, because a bar of height 0 is invisible
            ends, y = [left[i], left[i] + width[i]], 2 * [accuracy[i]]
            axes.plot(ends, y, color=BLUE, linewidth=2.5, clip_on=False)
    axes.plot([0, 100], [0, 100], color=GRAY, linestyle="--", linewidth=1)
    axes.set(xlim=(0, 100), ylim=(0, 100), ylabel="correct (% of the images)")
    error = 100 * calibration_error(bins)
    axes.set_title(
        f"expected calibration error: {error:.1f} percentage points\n"
        f"below the line: overconfident; pale: fewer than {_FEW} images",
        fontsize=9,
    )
