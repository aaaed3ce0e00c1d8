"""Wrong predictions by name: the image, its label, the predicted class, and their probabilities."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.data.places import is_pictures_name, pictures_folder
from jaxcnn.evaluation.predictions import Predictions

MOST_MISTAKES = 20  # in a report


@dataclasses.dataclass(frozen=True)
class Doubt:
    """An image whose label and predicted class differ.

    Attributes:
      name: the image's file, or its number in the split.
      picture: its file; or the network's input, uint8 (height, width, channels).
      label: the name of its class.
      predicted: the name of the predicted class.
      label_probability: that of the label.
      predicted_probability: that of the predicted class.
    """

    name: str
    picture: Path | np.ndarray
    label: str
    predicted: str
    label_probability: float
    predicted_probability: float


def describe_mistakes(predictions: Predictions, positions: np.ndarray) -> list[dict[str, Any]]:
    """Return wrong predictions as dicts for JSON.

    Each has `index`; `file`, if the images come from files; `true`, `predicted`, the `probability`
    of the predicted class, and `loss`.

    Args:
      predictions: with labels.
      positions: int (n,), of the wrong ones, see `confident_mistakes`.
    """
    rows = [predictions[position] for position in positions.tolist()]
    return [
        {name: row[name] for name in ("index", "file", "true", "predicted") if name in row}
        | {"probability": row[f"p_{row['predicted']}"], "loss": row["loss"]}
        for row in rows
    ]


def doubts(
    predictions: Predictions, positions: Sequence[int], images: np.ndarray, dataset: str
) -> list[Doubt]:
    """Return the images at some positions with their labels and predicted classes.

    Args:
      predictions: with labels.
      positions: of the images among the predictions.
      images: uint8 (n, height, width, channels), those of the predictions.
      dataset: the name of the dataset, which tells where the files of pictures lie.
    """
    folder = pictures_folder(dataset) if is_pictures_name(dataset) else None
    names, labels = predictions.class_names, np.asarray(predictions.true)
    result = []
    for position in positions:
        name, picture = str(predictions.indices[position]), images[position]
        if predictions.files is not None:
            name = predictions.files[position]
            file = folder / name if folder else None
            picture = file if file and file.is_file() else picture
        row, label = predictions.probabilities[position], labels[position]
        other = _likeliest_other(row, label)
        shares = float(row[label]), float(row[other])
        result.append(Doubt(name, picture, names[label], names[other], *shares))
    return result


def _likeliest_other(row: np.ndarray, label: int) -> int:
    """Return the most probable class other than the label."""
    return int(np.argmax(np.where(np.arange(len(row)) == label, -1, row)))
