"""What a trained network says of pictures: probabilities, and the likeliest classes."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from jaxcnn.evaluation.trained import Trained


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What the network says of one picture.

    Attributes:
      path: the picture's file.
      image: what the network was given, uint8 (height, width, channels).
      classes: the likeliest classes, the first one first.
      probabilities: theirs.
    """

    path: Path
    image: np.ndarray
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """The file and its classes with their probabilities."""
        pairs = zip(self.classes, self.probabilities, strict=True)
        top = [{"class": name, "probability": value} for name, value in pairs]
        return {"file": str(self.path), "top": top}


def predict(
    trained: Trained, paths: Sequence[Path], images: np.ndarray, *, top_k: int, tta: str = "none"
) -> list[Prediction]:
    """A prediction for each picture.

    Args:
      trained: the network.
      paths: the pictures' files.
      images: uint8 (n, height, width, channels), as the network takes them.
      top_k: how many classes; all of them if there are fewer.
      tta: see `probabilities`.
    """
    predictions = []
    for path, image, row in zip(paths, images, probabilities(trained, images, tta), strict=True):
        top = np.argsort(-row, kind="stable")[:top_k]
        classes = tuple(trained.class_names[index] for index in top)
        predictions.append(Prediction(path, image, classes, tuple(row[top].tolist())))
    return predictions


def probabilities(trained: Trained, images: np.ndarray, tta: str = "none") -> np.ndarray:
    """uint8 (n, height, width, channels) → float32 (n, num_classes), each row adding up to 1.

    With test-time augmentation "flip" the mean of those of the picture and of its mirror image.
    """
    views = [images, images[:, :, ::-1]] if tta == "flip" else [images]
    return np.mean([softmax(trained.logits(view), axis=-1) for view in views], axis=0)
