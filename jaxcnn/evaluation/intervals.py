"""95 % intervals of the metrics of one network, for other images like the evaluated ones.

They say nothing of other seeds of the training.
"""

import numpy as np
from scipy import stats

from jaxcnn.evaluation.metrics import LabeledPredictions, confusion_matrix
from jaxcnn.training.class_metrics import auroc, means_of_classes

_LEVEL = 0.95
_DRAWS = 1000
_SEED = 2026
Interval = tuple[float, float]


def intervals(predictions: LabeledPredictions) -> dict[str, Interval]:
    """Return the lower and upper ends by the names of the metrics.

    `accuracy` has Wilson's interval, `auroc` that of DeLong's standard error, and `loss` that of
    the normal distribution. `balanced_accuracy` and `mean_f1` have the 2.5 % and 97.5 % quantiles
    of 1,000 bootstrap samples, in which each class keeps its number of images. The interval of a
    value that does not vary, such as a recall of 1 in every class, has no width. `auroc` has none
    if a class has a single image, and `loss` has none for a single image.
    """
    hits = int(predictions.is_correct.sum())
    accuracy = stats.binomtest(hits, len(predictions.true)).proportion_ci(_LEVEL, "wilson")
    area, error = auroc(predictions.true, predictions.log_probabilities)
    low, high = _normal(area, error)
    area_interval = {} if np.isnan(error) else {"auroc": (max(low, 0.0), min(high, 1.0))}
    return {
        "accuracy": (float(accuracy.low), float(accuracy.high)),
        **_bootstrap(confusion_matrix(predictions)),
        **area_interval,
        **_of_loss(predictions.losses),
    }


def _of_loss(losses: np.ndarray) -> dict[str, Interval]:
    if len(losses) < 2:
        return {}
    error = losses.std(ddof=1) / np.sqrt(len(losses))
    return {"loss": _normal(float(losses.mean()), float(error))}


def _normal(value: float, error: float) -> Interval:
    width = float(stats.norm.ppf((1 + _LEVEL) / 2)) * error
    return value - width, value + width


def _bootstrap(matrix: np.ndarray) -> dict[str, Interval]:
    """Return the intervals of the means over classes.

    Drawing images of a class again is drawing from its row of the confusion matrix.

    Args:
      matrix: int (num_classes, num_classes), images by true and predicted class.
    """
    random, support = np.random.default_rng(_SEED), matrix.sum(axis=1)
    hits, guesses = np.zeros((2, _DRAWS, len(matrix)), np.int64)
    for number, row in enumerate(matrix):
        if not support[number]:
            continue
        (predicted,) = np.nonzero(row)  # of many classes, few occur
        drawn = random.multinomial(support[number], row[predicted] / support[number], _DRAWS)
        guesses[:, predicted] += drawn
        hits[:, number] = drawn[:, predicted == number].sum(axis=1)
    ends = ((1 - _LEVEL) / 2, (1 + _LEVEL) / 2)
    return {
        name: tuple(np.quantile(values, ends).tolist())
        for name, values in means_of_classes(hits, guesses, support).items()
    }
