"""Metrics in which each class counts alike, from the scores of all examples.

Means over classes leave out classes without examples.
"""

import numpy as np
from scipy.special import log_softmax
from scipy.stats import rankdata


def class_balanced_metrics(true: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Return `balanced_accuracy`, `mean_f1` and `auroc`.

    Args:
      true: int (n,), the class of each example.
      scores: float (n, num_classes); their softmax gives the probabilities.
    """
    num_classes, predicted = scores.shape[1], scores.argmax(axis=1)
    hits, guesses, support = (
        np.bincount(classes, minlength=num_classes)
        for classes in (true[true == predicted], predicted, true)
    )
    metrics = means_of_classes(hits, guesses, support)
    value, _ = auroc(true, log_softmax(scores.astype(np.float64), axis=1))
    return {name: float(mean) for name, mean in metrics.items()} | {"auroc": value}


def means_of_classes(
    hits: np.ndarray, guesses: np.ndarray, support: np.ndarray
) -> dict[str, np.ndarray]:
    """Return `balanced_accuracy`, the mean recall, and `mean_f1`, each of the shape (...).

    Args:
      hits: (..., num_classes), the examples of each class that are recognized.
      guesses: (..., num_classes), the examples for which the class is predicted.
      support: (num_classes,), the examples of the class.
    """
    filled = support > 0
    hits, guesses, support = hits[..., filled], guesses[..., filled], support[filled]
    return {
        "balanced_accuracy": (hits / support).mean(axis=-1),
        "mean_f1": (2 * hits / (guesses + support)).mean(axis=-1),
    }


def auroc(true: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    """Return the mean area under the ROC curves of each class against the others.

    The area is the probability that a random example of the class has a higher score than a random
    other one; ties count half. It is 0.5 where there is one class alone.

    Args:
      true: int (n,), the class of each example.
      scores: float (n, num_classes), comparable between examples, such as log-probabilities.

    Returns:
      The mean, and its standard error by DeLong's method: NaN if a class, or all others of a
      class, are one example.

    References: DeLong, DeLong, Clarke-Pearson 1988, Comparing the Areas under Two or More
    Correlated Receiver Operating Characteristic Curves.
    """
    classes, num_examples = np.unique(true), len(true)
    if len(classes) < 2:
        return 0.5, 0.0
    areas, influence = [], np.zeros(num_examples)
    for number in classes:
        column, is_member = scores[:, number], true == number
        members = np.sort(column[is_member])
        num_members = len(members)
        # the share of the examples of the other side that an example beats, ties as half
        below, up_to = (np.searchsorted(members, column, side) for side in ("left", "right"))
        shares = 1 - (below + up_to) / (2 * num_members)
        others_below = rankdata(column)[is_member] - rankdata(column[is_member])
        shares[is_member] = others_below / (num_examples - num_members)
        areas.append(shares[is_member].mean())
        sides = np.where(is_member, num_members, num_examples - num_members)
        with np.errstate(invalid="ignore", divide="ignore"):  # of a single example
            influence += (shares - areas[-1]) / np.sqrt(sides * (sides - 1))
    error = np.sqrt(np.sum((influence / len(classes)) ** 2))
    return float(np.mean(areas)), float(error)
