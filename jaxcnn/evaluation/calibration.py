"""Calibration: how often the predictions of a given confidence are correct, and a remedy.

References:
  Guo, Pleiss, Sun, Weinberger, On Calibration of Modern Neural Networks, 2017.
  https://arxiv.org/abs/1706.04599
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from jaxcnn.evaluation.metrics import LabeledPredictions

NUM_BINS = 15
_THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999)  # of the table of coverage
_HIGHEST = 20.0  # temperature; the lowest is its reciprocal


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


def calibration_error_of(predictions: LabeledPredictions) -> float:
    """Return the expected calibration error of predictions, 0 to 1."""
    return calibration_error(reliability(predictions.confidence, predictions.is_correct))


def fit_temperature(predictions: LabeledPredictions) -> float:
    """Return the temperature, 0.05 to 20, with the lowest cross-entropy of the predictions.

    The logits are divided by it before the softmax. It makes all predictions less confident, or
    all of them more; the most probable class of an image stays. It is 1 if every prediction is
    correct, because then no confidence is too high.
    """
    if predictions.is_correct.all():
        return 1.0

    def loss(log_temperature: float) -> float:
        return float(predictions.at_temperature(np.exp(log_temperature)).losses.mean())

    end = np.log(_HIGHEST)
    return float(np.exp(minimize_scalar(loss, bounds=(-end, end), method="bounded").x))


def coverage(confidence: np.ndarray, is_correct: np.ndarray) -> list[dict[str, Any]]:
    """Return the share and the accuracy of the images left if uncertain ones are "unknown".

    Each row is a dict with `min_confidence`, the `coverage`, which is the share of the images with
    at least this confidence, and their `accuracy`, NaN without any.

    Args:
      confidence: float (n,), the probability of the predicted class, 0 to 1.
      is_correct: bool (n,).
    """
    rows = []
    for threshold in _THRESHOLDS:
        is_known = confidence >= threshold
        accuracy = float(is_correct[is_known].mean()) if is_known.any() else float("nan")
        share = float(is_known.mean())
        rows.append({"min_confidence": threshold, "coverage": share, "accuracy": accuracy})
    return rows
