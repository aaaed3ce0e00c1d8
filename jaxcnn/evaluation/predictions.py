"""Predictions: probabilities, and the most likely classes."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from scipy.special import log_softmax, softmax

from jaxcnn.text import percent, printable

if TYPE_CHECKING:
    from jaxcnn.evaluation.examples import Examples
    from jaxcnn.evaluation.metrics import LabeledPredictions
    from jaxcnn.evaluation.trained import Trained

_SHOWN = 10  # predictions in the text of an object
_VIEWED = 1024  # images whose six views are in memory at a time
TTA = ("none", "flip", "six_views")
UNKNOWN = "unknown"  # in place of the class of an image below the least confidence
_COLUMN = "p_{}"  # of a class's probability


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Predictions(Sequence[dict[str, Any]]):
    """The predictions for some images, in their order.

    It is a sequence of rows, so `pandas.DataFrame(predictions)` is the table of
    `evaluation/predictions.csv`: `index`; `file`, if the images come from files; `true`, if they
    have labels; `predicted`; the probability of each class, `p_CLASS`; and `loss`, if they have
    labels.

    Attributes:
      class_names: in the order of the columns of `probabilities`.
      probabilities: float64 (n, num_classes); each row sums to 1.
      indices: int (n,), positions of the images in their array or split.
      files: the images' files; None for images without files.
      true: int (n,), the classes of the images; None for images without labels.
      min_confidence: images whose most probable class has a lower probability are "unknown" in
        `classes`.
      losses: float64 (n,), the cross-entropy of each image; None for images without labels.
    """

    class_names: tuple[str, ...]
    probabilities: np.ndarray
    indices: np.ndarray
    files: tuple[str, ...] | None = None
    true: np.ndarray | None = None
    min_confidence: float = 0.0
    losses: np.ndarray | None = None

    @classmethod
    def of_examples(cls, predictions: "LabeledPredictions", examples: "Examples") -> "Predictions":
        """Return the predictions for the examples of a split."""
        return cls(
            class_names=predictions.class_names,
            probabilities=np.exp(predictions.log_probabilities),
            indices=examples.indices,
            files=examples.files,
            true=predictions.true,
            losses=predictions.losses,
        )

    @property
    def predicted(self) -> np.ndarray:
        """int (n,), the most probable class."""
        return np.argmax(self.probabilities, axis=1)

    @property
    def classes(self) -> list[str]:
        """The name of the most probable class of each image, or "unknown"."""
        is_known = self.probabilities.max(axis=1) >= self.min_confidence
        return [
            self.class_names[number] if known else UNKNOWN
            for number, known in zip(self.predicted, is_known, strict=True)
        ]

    def top(self, count: int = 5) -> list[list[tuple[str, float]]]:
        """Return the most probable classes of each image, as pairs (name, probability)."""
        order = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :count]
        return [
            [(self.class_names[number], float(row[number])) for number in best]
            for row, best in zip(self.probabilities, order, strict=True)
        ]

    @functools.cached_property
    def columns(self) -> list[str]:
        """The names of the columns of a row."""
        facts = {"index": self.indices, "file": self.files, "true": self.true, "predicted": ()}
        names = [name for name, values in facts.items() if values is not None]
        names += [_COLUMN.format(name) for name in self.class_names]
        return names if self.losses is None else [*names, "loss"]

    def facts(self, index: int) -> list[Any]:
        """Return the values of a row up to the probabilities."""
        values: list[Any] = [int(self.indices[index])]
        values += [] if self.files is None else [self.files[index]]
        values += [] if self.true is None else [self.class_names[self.true[index]]]
        return [*values, self.class_names[np.argmax(self.probabilities[index])]]

    def numbers(self, index: int) -> list[float]:
        """Return the values of a row from the probabilities on."""
        losses = [] if self.losses is None else [float(self.losses[index])]
        return [*self.probabilities[index].tolist(), *losses]

    def __len__(self) -> int:
        return len(self.probabilities)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        """Return a row, or a list of rows for a slice."""
        if isinstance(index, slice):
            return [self[position] for position in range(len(self))[index]]
        values = [*self.facts(index), *self.numbers(index)]
        return dict(zip(self.columns, values, strict=True))

    def __repr__(self) -> str:
        lines = [f"Predictions of {len(self):,} images, {len(self.class_names)} classes"]
        shown = dataclasses.replace(self, probabilities=self.probabilities[:_SHOWN])
        for index, best in enumerate(shown.top(3)):
            name = str(self.indices[index]) if self.files is None else printable(self.files[index])
            text = ", ".join(f"{printable(label)} {percent(value)}" for label, value in best)
            true = "" if self.true is None else f" (true: {self.class_names[self.true[index]]})"
            lines.append(f"  {name}: {text}{true}")
        return "\n".join(lines + (["  …"] if len(self) > _SHOWN else []))


@dataclasses.dataclass(frozen=True)
class TopClasses:
    """The most likely classes of one picture.

    Attributes:
      path: the picture's file.
      image: the network's input, uint8 (height, width, channels).
      classes: the class names, the most likely first.
      probabilities: their probabilities, in the same order.
      min_confidence: with a lower probability of the first class the picture is "unknown"; None if
        there is no such limit.
    """

    path: Path
    image: np.ndarray
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]
    min_confidence: float | None = None

    @property
    def is_unknown(self) -> bool:
        """True if the first class is less probable than the limit."""
        return self.min_confidence is not None and self.probabilities[0] < self.min_confidence

    def to_json(self) -> dict[str, Any]:
        """Return the file and its classes with their probabilities.

        With a limit, `class` is the first class or "unknown".
        """
        pairs = zip(self.classes, self.probabilities, strict=True)
        top = [{"class": name, "probability": value} for name, value in pairs]
        verdict = {"class": UNKNOWN if self.is_unknown else self.classes[0]}
        decided = {} if self.min_confidence is None else verdict
        return {"file": str(self.path), **decided, "top": top}


def predict(
    trained: "Trained",
    paths: Sequence[Path],
    images: np.ndarray,
    *,
    top_k: int,
    tta: str = "none",
    min_confidence: float | None = None,
) -> list[TopClasses]:
    """Return the most likely classes of each picture.

    Args:
      trained: the network.
      paths: the pictures' files.
      images: uint8 (n, height, width, channels), as the network takes them.
      top_k: the number of classes; all of them if the network has fewer.
      tta: see `probabilities`.
      min_confidence: see `TopClasses`.
    """
    predictions = []
    for path, image, row in zip(paths, images, probabilities(trained, images, tta), strict=True):
        predictions.append(
            top_classes(
                trained.class_names, path, image, row, top_k=top_k, min_confidence=min_confidence
            )
        )
    return predictions


def top_classes(
    class_names: Sequence[str],
    path: Path,
    image: np.ndarray,
    row: np.ndarray,
    *,
    top_k: int,
    min_confidence: float | None = None,
) -> TopClasses:
    """Return the most likely classes of a picture, from its probabilities, (num_classes,)."""
    top = np.argsort(-row, kind="stable")[:top_k]
    classes = tuple(class_names[index] for index in top)
    return TopClasses(path, image, classes, tuple(row[top].tolist()), min_confidence)


def probabilities(trained: "Trained", images: np.ndarray, tta: str = "none") -> np.ndarray:
    """Return the class probabilities, float32 (n, num_classes); each row sums to 1.

    Args:
      images: uint8 (n, height, width, channels).
      tta: test-time augmentation, one of `TTA`; "flip" averages the probabilities of the image and
        of its mirror image, "six_views" the logits of the views of `six_views`, by their weights.
    """
    if tta == "six_views":
        return softmax(_mean_logits(trained, images), axis=-1)
    views = [images, images[:, :, ::-1]] if tta == "flip" else [images]
    return np.mean([softmax(trained.logits(view), axis=-1) for view in views], axis=0)


def scores(trained: "Trained", images: np.ndarray, tta: str = "none") -> np.ndarray:
    """Return scores whose softmax gives the `probabilities`; without augmentation the logits."""
    if tta == "six_views":
        return _mean_logits(trained, images)
    if tta == "none":
        return trained.logits(images)
    views = (images, images[:, :, ::-1])
    return np.logaddexp(
        *(log_softmax(trained.logits(v).astype(np.float64), axis=-1) for v in views)
    )


def _mean_logits(trained: "Trained", images: np.ndarray) -> np.ndarray:
    """Return the weighted mean of the logits of six views, float32 (n, num_classes)."""
    import jax.numpy as jnp

    from jaxcnn.training.test_time_augmentation import WEIGHTS, six_views

    weights = np.array(WEIGHTS, np.float32)[:, None, None]
    parts = [np.zeros((0, len(trained.class_names)), np.float32)]
    for start in range(0, len(images), _VIEWED):
        views = np.asarray(six_views(jnp.asarray(images[start : start + _VIEWED])))
        logits = trained.logits(views.reshape(-1, *views.shape[2:]))
        parts.append((weights * logits.reshape(*views.shape[:2], -1)).sum(axis=0))
    return np.concatenate(parts)
