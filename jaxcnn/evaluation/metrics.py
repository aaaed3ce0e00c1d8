"""How good predictions are, in numbers: from labels and scores, with NumPy and scikit-learn."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    pass
import dataclasses

from scipy.special import log_softmax, logsumexp

from jaxcnn.evaluation.balance import balanced_accuracy


def most_confused(
    matrix: np.ndarray, class_names: Sequence[str], count: int = 10
) -> list[dict[str, Any]]:
    """The largest entries beside the diagonal: true, predicted, count, share of the true class."""
    wrong = matrix * ~np.eye(len(matrix), dtype=bool)
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
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


TOP = 5
_CLASSES_FOR_TOP = 10  # of so many classes or fewer, five guesses say little


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What a network says of labelled images.

    Attributes:
      true: int (n,), the class of each image; where people voted, the one with most votes (the
        first of equals).
      log_probabilities: float64 (n, num_classes), natural logarithms.
      targets: float (n, num_classes), the votes' shares; None where each image has one label.
      class_names: in the order of the columns.
    """

    true: np.ndarray
    log_probabilities: np.ndarray
    targets: np.ndarray | None
    class_names: tuple[str, ...]

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
        """bool (n,)."""
        return self.predicted == self.true

    def of(self, positions: np.ndarray) -> "Predictions":
        """The predictions for some of the images."""
        targets = None if self.targets is None else self.targets[positions]
        some = (self.true[positions], self.log_probabilities[positions], targets)
        return Predictions(*some, self.class_names)

    @property
    def losses(self) -> np.ndarray:
        """float64 (n,), the cross-entropy of each image, without regularisation."""
        if self.targets is None:
            return -np.take_along_axis(self.log_probabilities, self.true[:, None], axis=1)[:, 0]
        return -np.sum(self.targets * self.log_probabilities, axis=1)


def predictions(labels: np.ndarray, logits: np.ndarray, class_names: Sequence[str]) -> Predictions:
    """The predictions that logits (n, num_classes) stand for.

    Args:
      labels: int (n,), or distributions float (n, num_classes).
    """
    soft = labels.ndim == 2
    return Predictions(
        true=np.argmax(labels, axis=1) if soft else labels.astype(np.int64),
        log_probabilities=log_softmax(logits.astype(np.float64), axis=1),
        targets=labels if soft else None,
        class_names=tuple(class_names),
    )


def overall(found: Predictions) -> dict[str, Any]:
    """Accuracy, loss and the classes' means as a dict; `top5_accuracy` for more than 10 classes.

    `balanced_accuracy` is the mean recall: each class counts alike, however many images it has.

    The means over the classes leave out those without an image. `tied_labels` counts the images
    on which two classes have equally many votes.
    """
    rows = [row for row in class_scores(found) if row["support"]]
    scores = {
        "num_examples": len(found.true),
        "accuracy": float(found.is_correct.mean()),
        "balanced_accuracy": balanced_accuracy(rows),
        "loss": float(found.losses.mean()),
    }
    if len(found.class_names) > _CLASSES_FOR_TOP:
        scores[f"top{TOP}_accuracy"] = _top_accuracy(found)
    for name in ("precision", "recall", "f1"):
        scores[f"mean_{name}"] = float(np.mean([row[name] for row in rows]))
    if found.targets is not None:
        highest = found.targets == found.targets.max(axis=1, keepdims=True)
        scores["tied_labels"] = int((highest.sum(axis=1) > 1).sum())
    return scores


def _top_accuracy(found: Predictions) -> float:
    from sklearn.metrics import top_k_accuracy_score

    classes = range(len(found.class_names))
    return float(top_k_accuracy_score(found.true, found.log_probabilities, k=TOP, labels=classes))


def class_scores(found: Predictions) -> list[dict[str, Any]]:
    """A dict for each class: name, support, accuracy, precision, recall, f1.

    A class's `accuracy` is the share of its images that are recognised, which is its recall.
    `support` counts its images; without any, accuracy and recall are NaN. Precision is 0 for a
    class that is never predicted.
    """
    from sklearn.metrics import precision_recall_fscore_support

    classes = range(len(found.class_names))
    precision, recall, f1, support = precision_recall_fscore_support(
        found.true, found.predicted, labels=classes, zero_division=0.0
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
        for i, name in enumerate(found.class_names)
    ]


def confusion_matrix(found: Predictions) -> np.ndarray:
    """int (num_classes, num_classes): images by true class (row) and predicted class (column)."""
    from sklearn.metrics import confusion_matrix as count

    return count(found.true, found.predicted, labels=range(len(found.class_names)))


def merged(found: Predictions, group_of: Sequence[str]) -> Predictions:
    """The same predictions for groups of classes: a group's probability is its classes' sum.

    Args:
      group_of: the name of each class's group.
    """
    names = tuple(sorted(set(group_of)))
    members = np.array([names.index(group) for group in group_of])
    parts = [found.log_probabilities[:, members == i] for i in range(len(names))]
    log_probabilities = np.stack([logsumexp(part, axis=1) for part in parts], axis=1)
    targets = None if found.targets is None else found.targets @ np.eye(len(names))[members]
    return Predictions(members[found.true], log_probabilities, targets, names)


def confident_mistakes(found: Predictions, count: int) -> np.ndarray:
    """The positions of up to `count` wrong predictions, the most confident first."""
    wrong = np.flatnonzero(~found.is_correct)
    return wrong[np.argsort(-found.confidence[wrong], kind="stable")][:count]
