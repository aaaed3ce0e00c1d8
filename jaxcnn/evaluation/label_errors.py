"""Likely label errors, by confident learning on predictions of images that were not trained on.

References:
  Northcutt, Jiang, Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels, 2021.
  https://arxiv.org/abs/1911.00068
"""

import numpy as np

_ROUNDING = 1e-9  # of a mean of equal probabilities


def find_label_errors(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the positions of the images whose labels are likely wrong, the likeliest first.

    An image counts as one of a class if its probability of the class is at least the mean
    probability that the class has among the images with its label. A class that is predicted with
    low probabilities has a low threshold, so that it is not called wrong too often. Of several such
    classes the most probable counts. If it is not the label, the label is likely wrong, unless the
    network predicts the label nevertheless. The images are sorted by the probability of the label
    minus that of the most probable other class.

    Args:
      labels: int (n,).
      probabilities: float (n, num_classes), by networks that were not trained on these images.
    """
    present = np.unique(labels)
    thresholds = np.full(probabilities.shape[1], np.inf)
    for label in present:
        thresholds[label] = probabilities[labels == label, label].mean() - _ROUNDING
    confident = np.where(probabilities >= thresholds, probabilities, -np.inf)
    rows = np.arange(len(labels))
    likely = confident.argmax(axis=1)
    is_wrong = np.isfinite(confident[rows, likely]) & (likely != labels)
    is_wrong &= probabilities.argmax(axis=1) != labels
    others = probabilities.copy()
    others[rows, labels] = -np.inf
    margins = probabilities[rows, labels] - others.max(axis=1)
    positions = np.flatnonzero(is_wrong)
    return positions[np.argsort(margins[positions], kind="stable")]
