"""Metrics of labeled predictions: accuracy, loss, class-wise figures, confusions."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from scipy.special import log_softmax, logsumexp

from jaxcnn.config.parts import Registry
from jaxcnn.evaluation.balance import balanced_accuracy
from jaxcnn.training.class_metrics import auroc

TOP = 5
_CLASSES_FOR_TOP = 10  # with so many classes or fewer, five guesses say little


Metric = Callable[[np.ndarray, np.ndarray], float]
METRICS: Registry[Metric] = Registry("metric", ["labels", "probabilities"])


def metric(name: str) -> Callable:
    """Register a function `(labels, probabilities) -> float` as a metric.

    Both arguments are NumPy arrays: `labels` int64 (n,), `probabilities` float64 (n, num_classes)
    whose rows sum to 1. Each evaluation calls the function once, with all images of the split.

    Args:
      name: the name to list in `config.metrics`.

    Returns:
      The decorator.

    Raises:
      UserError: the name is taken, or the function does not take these arguments.
    """
    return METRICS.decorator(name, lambda function, part: function)


@dataclasses.dataclass(frozen=True)
class LabeledPredictions:
    """The predictions for labeled images.

    Attributes:
      true: int (n,), the class of each image. If people voted, it is the class with most votes,
        and the first one of a tie.
      log_probabilities: float64 (n, num_classes), natural logarithms.
      targets: float (n, num_classes), each class's share of the votes; None if each image has one
        label.
      class_names: in the order of the columns.
    """

    true: np.ndarray
    log_probabilities: np.ndarray
    targets: np.ndarray | None
    class_names: tuple[str, ...]

    @classmethod
    def from_logits(
        cls, labels: np.ndarray, logits: np.ndarray, class_names: Sequence[str]
    ) -> Self:
        """Return the predictions of logits (n, num_classes).

        Args:
          labels: int (n,), or distributions float (n, num_classes).
        """
        is_distribution = labels.ndim == 2
        return cls(
            true=np.argmax(labels, axis=1) if is_distribution else labels.astype(np.int64),
            log_probabilities=log_softmax(logits.astype(np.float64), axis=1),
            targets=labels if is_distribution else None,
            class_names=tuple(class_names),
        )

    @property
    def predicted(self) -> np.ndarray:
        """int (n,), the most probable class."""
        return np.argmax(self.log_probabilities, axis=1)

    @property
    def confidence(self) -> np.ndarray:
        """float64 (n,), the probability of the predicted class."""
        return np.exp(np.max(self.log_probabilities, axis=1))

    @property
    def is_correct(self) -> np.ndarray:
        """bool (n,), true where the predicted class is the true one."""
        return self.predicted == self.true

    @property
    def losses(self) -> np.ndarray:
        """float64 (n,), the cross-entropy of each image, without regularization."""
        if self.targets is None:
            return -np.take_along_axis(self.log_probabilities, self.true[:, None], axis=1)[:, 0]
        return -np.sum(self.targets * self.log_probabilities, axis=1)

    def at_temperature(self, temperature: float) -> Self:
        """Return the predictions with logits that are divided by a temperature."""
        scaled = log_softmax(self.log_probabilities / temperature, axis=1)
        return dataclasses.replace(self, log_probabilities=scaled)

    def take(self, positions: np.ndarray) -> Self:
        """Return the predictions for the images at `positions`, int (m,)."""
        return dataclasses.replace(
            self,
            true=self.true[positions],
            log_probabilities=self.log_probabilities[positions],
            targets=None if self.targets is None else self.targets[positions],
        )


def own_metrics(predictions: LabeledPredictions, names: Sequence[str]) -> dict[str, float]:
    """Return the user's metrics of predictions, by name.

    Raises:
      UserError: a metric has an error, or does not return one finite number.
    """
    values = {}
    for name in names:
        value = METRICS[name](predictions.true.copy(), np.exp(predictions.log_probabilities))
        if np.shape(value) != () or np.asarray(value).dtype.kind not in "fiu":
            raise METRICS.parts[name].fault(f"must return one number, not {value!r:.80}")
        if not np.isfinite(value):
            raise METRICS.parts[name].fault(f"gives {value} for {len(predictions.true)} images")
        values[name] = float(value)
    return values


def try_metrics(names: Sequence[str], class_names: Sequence[str]) -> None:
    """Compute the user's metrics of random predictions, so that a mistake is known before training.

    Raises:
      UserError: see `own_metrics`.
    """
    labels = np.arange(4 * len(class_names)) % len(class_names)
    logits = np.random.default_rng(0).normal(size=(len(labels), len(class_names)))
    own_metrics(LabeledPredictions.from_logits(labels, logits, class_names), names)


def overall_metrics(predictions: LabeledPredictions) -> dict[str, Any]:
    """Return the metrics over all images, as `evaluation/*.json` holds them.

    `balanced_accuracy` is the mean recall: each class counts alike, however many images it has.
    `auroc` is the mean area under the ROC curves of each class against the others. Means over
    classes leave out classes without images. `top5_accuracy` is there for more than 10 classes.
    `tied_labels`, for voted labels, counts the images with a tie for most votes.
    """
    rows = [row for row in class_metrics(predictions) if row["support"]]
    metrics = {
        "num_examples": len(predictions.true),
        "accuracy": float(predictions.is_correct.mean()),
        "balanced_accuracy": balanced_accuracy(rows),
        "loss": float(predictions.losses.mean()),
    }
    if len(predictions.class_names) > _CLASSES_FOR_TOP:
        metrics[f"top{TOP}_accuracy"] = _top_accuracy(predictions)
    for name in ("precision", "recall", "f1"):
        metrics[f"mean_{name}"] = float(np.mean([row[name] for row in rows]))
    metrics["auroc"], _ = auroc(predictions.true, predictions.log_probabilities)
    if predictions.targets is not None:
        highest = predictions.targets == predictions.targets.max(axis=1, keepdims=True)
        metrics["tied_labels"] = int((highest.sum(axis=1) > 1).sum())
    return metrics


def _top_accuracy(predictions: LabeledPredictions) -> float:
    from sklearn.metrics import top_k_accuracy_score

    classes = range(len(predictions.class_names))
    return float(
        top_k_accuracy_score(predictions.true, predictions.log_probabilities, k=TOP, labels=classes)
    )


def class_metrics(predictions: LabeledPredictions) -> list[dict[str, Any]]:
    """Return a dict for each class: name, support, accuracy, precision, recall, f1.

    A class's `accuracy` is the share of its images that are recognized, which is its recall.
    `support` counts its images; without images, accuracy and recall are NaN. Precision is 0 for a
    class that is never predicted.
    """
    from sklearn.metrics import precision_recall_fscore_support

    classes = range(len(predictions.class_names))
    precision, recall, f1, support = precision_recall_fscore_support(
        predictions.true, predictions.predicted, labels=classes, zero_division=0.0
    )
    recall = np.where(support, recall, np.nan)
    return [
        {
            "name": name,
            "support": int(support[i]),
            "accuracy": float(recall[i]),
            "precision": float(precision[i]),
            "recall": float(recall[i]),
            "f1": float(f1[i]),
        }
        for i, name in enumerate(predictions.class_names)
    ]


def confusion_matrix(predictions: LabeledPredictions) -> np.ndarray:
    """Return int (num_classes, num_classes): images by true class (row) and predicted class."""
    from sklearn.metrics import confusion_matrix as count

    classes = range(len(predictions.class_names))
    return count(predictions.true, predictions.predicted, labels=classes)


def most_confused(matrix: np.ndarray, class_names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the ten largest entries of a confusion matrix off its diagonal, largest first.

    Each is a dict: `true`, `predicted`, `count`, and `share` of the true class's images.
    """
    wrong = matrix * ~np.eye(len(matrix), dtype=bool)
    order = np.argsort(-wrong, axis=None, kind="stable")[:10]
    pairs = [divmod(int(position), len(matrix)) for position in order]
    return [
        {
            "true": class_names[i],
            "predicted": class_names[j],
            "count": int(wrong[i, j]),
            "share": float(wrong[i, j] / matrix[i].sum()),
        }
        for i, j in pairs
        if wrong[i, j]
    ]


def merge_classes(
    predictions: LabeledPredictions, superclass_of: Sequence[str]
) -> LabeledPredictions:
    """Return the same predictions for superclasses, sorted by name.

    The probability of a superclass is the sum over its classes.

    Args:
      superclass_of: the name of each class's superclass.
    """
    names = tuple(sorted(set(superclass_of)))
    members = np.array([names.index(name) for name in superclass_of])
    parts = [predictions.log_probabilities[:, members == i] for i in range(len(names))]
    targets = predictions.targets
    return LabeledPredictions(
        true=members[predictions.true],
        log_probabilities=np.stack([logsumexp(part, axis=1) for part in parts], axis=1),
        targets=None if targets is None else targets @ np.eye(len(names))[members],
        class_names=names,
    )


def confident_mistakes(predictions: LabeledPredictions, count: int) -> np.ndarray:
    """Return the positions of up to `count` wrong predictions, the most confident first."""
    wrong = np.flatnonzero(~predictions.is_correct)
    return wrong[np.argsort(-predictions.confidence[wrong], kind="stable")][:count]
