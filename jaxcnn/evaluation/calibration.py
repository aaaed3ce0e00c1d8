"""Calibration: how often the predictions of a given confidence are correct.

References:
  Guo, Pleiss, Sun, Weinberger, On Calibration of Modern Neural Networks, 2017.
  https://arxiv.org/abs/1706.04599
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

NUM_BINS = 15


def reliability(
    confidence: np.ndarray, is_correct: np.ndarray, num_bins: int = NUM_BINS
) -> list[dict[str, Any]]:
    """Return the accuracy and the mean confidence of the images, by confidence.

    The bins have equal width. Each is a dict with `from`, `to`, `count`, `confidence`, `accuracy`
    and holds the images whose confidence is above `from` and at most `to`. Both means of an empty
    bin are NaN.

    Args:
      confidence: float (n,), the probability of the predicted class, 0 to 1.
      is_correct: bool (n,).
    """
    edges = np.linspace(0, 1, num_bins + 1)
    bins = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, num_bins - 1)
    count, confidence_sum, num_correct = (
        np.bincount(bins, weights, minlength=num_bins) for weights in (None, confidence, is_correct)
    )
    with np.errstate(invalid="ignore"):
        columns = (edges[:-1], edges[1:], count, confidence_sum / count, num_correct / count)
    names = ("from", "to", "count", "confidence", "accuracy")
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [dict(zip(names, row, strict=True)) for row in rows]


def calibration_error(bins: Sequence[dict[str, Any]]) -> float:
    """Return the expected calibration error (ECE), 0 to 1.

    It is |accuracy − confidence| of the bins from `reliability`, averaged over the images.
    """
    filled = [row for row in bins if row["count"]]
    gaps = [row["count"] * abs(row["accuracy"] - row["confidence"]) for row in filled]
    return sum(gaps) / sum(row["count"] for row in filled)
