"""Whether a network is right as often as it says: reliability, and the error of the confidence.

References:
  Guo, Pleiss, Sun, Weinberger, On Calibration of Modern Neural Networks, 2017.
  https://arxiv.org/abs/1706.04599
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.reporting.style import BLUE, COLUMN, GREY, SKY, new_figure, save, styled

NUM_BINS = 15
_FEW = 20  # images: a bin of fewer says little


def reliability(
    confidence: np.ndarray, is_correct: np.ndarray, num_bins: int = NUM_BINS
) -> list[dict[str, Any]]:
    """Images by the probability of their predicted class, in bins of equal width.

    A bin holds what is above `from` up to and including `to`; NaN where it holds nothing.

    Args:
      confidence: float (n,), 0 to 1.
      is_correct: bool (n,).
    """
    edges = np.linspace(0, 1, num_bins + 1)
    bins = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, num_bins - 1)
    count, said, right = (
        np.bincount(bins, weights, minlength=num_bins) for weights in (None, confidence, is_correct)
    )
    with np.errstate(invalid="ignore"):
        columns = (edges[:-1], edges[1:], count, said / count, right / count)
    names = ("from", "to", "count", "confidence", "accuracy")
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [dict(zip(names, row, strict=True)) for row in rows]


def calibration_error(bins: Sequence[dict[str, Any]]) -> float:
    """The expected calibration error (ECE), 0 to 1: |accuracy − confidence|, mean over images."""
    filled = [row for row in bins if row["count"]]
    gaps = [row["count"] * abs(row["accuracy"] - row["confidence"]) for row in filled]
    return sum(gaps) / sum(row["count"] for row in filled)


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
