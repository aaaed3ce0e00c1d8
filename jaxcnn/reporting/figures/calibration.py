"""Whether a network is right as often as it says: reliability, and the error of the confidence.

References:
  Guo, Pleiss, Sun, Weinberger, On Calibration of Modern Neural Networks, 2017.
  https://arxiv.org/abs/1706.04599
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.evaluation.calibration import calibration_error
from jaxcnn.reporting.figures.style import BLUE, COLUMN, GREY, SKY, new_figure, save, styled

_FEW = 20  # images: a bin of fewer says little


def plot_reliability(bins: Sequence[dict[str, Any]], stem: Path) -> Path:
    """Draws accuracy against confidence, and below it how many images have which confidence."""
    start, width = (np.array([row[name] for row in bins]) for name in ("from", "to"))
    width = 100 * (width - start)
    total = sum(row["count"] for row in bins)
    with styled():
        figure = new_figure(COLUMN, 4.5)
        upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1))
        bars = {"align": "edge", "color": BLUE, "edgecolor": "white", "linewidth": 0.5}
        accuracy = [100 * row["accuracy"] if row["count"] else 0 for row in bins]
        colors = [BLUE if row["count"] >= _FEW else SKY for row in bins]
        upper.bar(100 * start, accuracy, width, **bars | {"color": colors})
        for row, left, wide in zip(bins, 100 * start, width, strict=True):
            if row["count"]:  # a bar of no height is not seen
                y = 2 * [100 * row["accuracy"]]
                upper.plot([left, left + wide], y, color=BLUE, linewidth=2.5, clip_on=False)
        upper.plot([0, 100], [0, 100], color=GREY, linestyle="--", linewidth=1)
        upper.set(xlim=(0, 100), ylim=(0, 100), ylabel="right (% of the images)")
        error = 100 * calibration_error(bins)
        upper.set_title(
            f"expected calibration error: {error:.1f} percentage points\n"
            f"below the line: too sure; pale: fewer than {_FEW} images",
            fontsize=9,
        )
        lower.bar(100 * start, [100 * row["count"] / total for row in bins], width, **bars)
        lower.set(xlabel="probability of the predicted class (%)", ylabel="images (%)")
        return save(figure, stem)
