"""Calibration: how often predictions of a confidence are right."""

from collections.abc import Sequence
from typing import Any

import numpy as np

NUM_BINS = 15


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
