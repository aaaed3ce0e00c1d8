"""The answers of a run on the test images, read from its predictions."""

import csv
import dataclasses
import hashlib
import io
from pathlib import Path

import numpy as np

from jaxcnn.errors import UserError
from jaxcnn.files.reading import read_bytes

PREDICTIONS = "evaluation/predictions.csv"
_NEEDED = ("index", "true", "predicted")
_SAME = 1e-3  # rounding on another device may change an accuracy by so much


@dataclasses.dataclass(frozen=True)
class Answers:
    """The answers of a network on the test images.

    Attributes:
      images: a digest of the images' indices and true classes.
      is_correct: bool (n,), by index.
      fault: the reason why they cannot be used; "" if they can.
    """

    images: str = ""
    is_correct: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, bool))
    fault: str = ""


def read_answers(folder: Path, accuracy: float) -> Answers:
    """Return the answers of a run.

    Args:
      folder: the run's folder.
      accuracy: its test accuracy, which tells whether the predictions are of the tested weights.
    """
    path = folder / PREDICTIONS
    if not path.exists():
        return Answers(fault=f"{folder} keeps no {PREDICTIONS}")
    try:
        answers = _parse(read_bytes(path))
    except UserError as error:
        return Answers(fault=str(error))
    except (ValueError, KeyError, csv.Error):
        return Answers(fault=f"{path} is damaged")
    if abs(float(np.mean(answers.is_correct)) - accuracy) > _SAME:
        return Answers(fault=f"{path} is of other weights than the result")
    return answers


def _parse(content: bytes) -> Answers:
    """Return the answers in a table of predictions.

    Raises:
      ValueError, KeyError, csv.Error: it is no such table.
    """
    text = io.StringIO(content.decode(errors="surrogateescape"), newline="")
    reader = csv.reader(text, strict=True)
    head = next(reader, [])
    index, true, predicted = (head.index(name) for name in _NEEDED)
    rows = {}
    for row in reader:
        if len(row) != len(head):
            raise ValueError("a row has another number of cells than the head")
        rows[int(row[index])] = (row[true], row[true] == row[predicted])
    if not rows:
        raise ValueError("there is no row")
    images = repr([(number, rows[number][0]) for number in sorted(rows)])
    digest = hashlib.sha256(images.encode(errors="surrogateescape")).hexdigest()
    return Answers(digest, np.array([rows[number][1] for number in sorted(rows)]))
