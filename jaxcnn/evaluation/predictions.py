"""Predictions for a user's pictures: probabilities, and the most likely classes."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from jaxcnn.evaluation.trained import Trained


@dataclasses.dataclass(frozen=True)
class TopClasses:
    """The most likely classes of one picture.

    Attributes:
      path: the picture's file.
      image: the network's input, uint8 (height, width, channels).
      classes: the class names, the most likely first.
      probabilities: their probabilities, in the same order.
    """

    path: Path
    image: np.ndarray
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the file and its classes with their probabilities."""
        pairs = zip(self.classes, self.probabilities, strict=True)
        top = [{"class": name, "probability": value} for name, value in pairs]
        return {"file": str(self.path), "top": top}


def predict(
    trained: Trained, paths: Sequence[Path], images: np.ndarray, *, top_k: int, tta: str = "none"
) -> list[TopClasses]:
    """Return the most likely classes of each picture.

    Args:
      trained: the network.
      paths: the pictures' files.
      images: uint8 (n, height, width, channels), as the network takes them.
      top_k: the number of classes; all of them if the network has fewer.
      tta: see `probabilities`.
    """
    predictions = []
    for path, image, row in zip(paths, images, probabilities(trained, images, tta), strict=True):
        top = np.argsort(-row, kind="stable")[:top_k]
        classes = tuple(trained.class_names[index] for index in top)
        predictions.append(TopClasses(path, image, classes, tuple(row[top].tolist())))
    return predictions


def probabilities(trained: Trained, images: np.ndarray, tta: str = "none") -> np.ndarray:
    """Return the class probabilities, float32 (n, num_classes); each row sums to 1.

    Args:
      images: uint8 (n, height, width, channels).
      tta: test-time augmentation; "flip" averages the probabilities of the image and of its mirror
        image.
    """
    views = [images, images[:, :, ::-1]] if tta == "flip" else [images]
    return np.mean([softmax(trained.logits(view), axis=-1) for view in views], axis=0)
