"""The files of an evaluation: `evaluation/NAME.json`, and its tables as CSV beside it."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.data.superclasses import superclasses_of
from jaxcnn.evaluation.calibration import calibration_error, reliability
from jaxcnn.evaluation.metrics import (
    LabeledPredictions,
    class_metrics,
    confusion_matrix,
    merge_classes,
    most_confused,
    overall_metrics,
    own_metrics,
)
from jaxcnn.files.reading import read_json
from jaxcnn.files.writing import write_json, write_text, writing_to

FOLDER = "evaluation"


def write_evaluation(
    workdir: Path,
    name: str,
    predictions: LabeledPredictions,
    about: Mapping[str, Any],
    *,
    metric_names: Sequence[str] = (),
    selected_classes: Sequence[str] = (),
    pictures: Sequence[str] = (),
) -> dict[str, Any]:
    """Compute the metrics of predictions, and write them.

    `evaluation/NAME.json` holds all of them. The tables are `NAME_classes.csv`,
    `NAME_reliability.csv` and `NAME_confusion.csv`; if the classes have superclasses, also
    `NAME_superclasses.csv` and `NAME_superclass_confusion.csv`.

    Args:
      name: such as "test".
      about: the first fields of the JSON: split, checkpoint, step, epoch, …
      metric_names: the user's metrics, kept by name in the field `metrics`.
      selected_classes: those that the report shows in a table of their own, kept only if the
        classes have superclasses.
      pictures: the names of the evaluation's pictures in `plots/`.

    Returns:
      The content of the JSON.

    Raises:
      UserError: the folder cannot be written.
    """
    bins = reliability(predictions.confidence, predictions.is_correct)
    matrix, class_names = confusion_matrix(predictions), predictions.class_names
    metrics = {
        **about,
        **overall_metrics(predictions),
        "calibration_error": calibration_error(bins),
        **({"metrics": own_metrics(predictions, metric_names)} if metric_names else {}),
        "classes": class_metrics(predictions),
        "most_confused": most_confused(matrix, class_names),
    }
    _write_csv(workdir, f"{name}_classes", _table(metrics["classes"]))
    _write_csv(workdir, f"{name}_reliability", _table(bins))
    _write_csv(workdir, f"{name}_confusion", _confusion_table(matrix, class_names))
    superclasses = superclasses_of(class_names)
    if superclasses is not None:
        merged = merge_classes(predictions, superclasses)
        metrics |= _write_superclasses(workdir, name, merged)
        metrics |= {"selected_classes": list(selected_classes)} if selected_classes else {}
    metrics |= {"reliability": bins, "pictures": list(pictures)}
    path = workdir / FOLDER / f"{name}.json"
    write_json(path, metrics)
    return read_json(path)


def _write_superclasses(
    workdir: Path, name: str, predictions: LabeledPredictions
) -> dict[str, Any]:
    """Write the tables of the superclasses, and return their metrics."""
    classes, matrix = class_metrics(predictions), confusion_matrix(predictions)
    _write_csv(workdir, f"{name}_superclasses", _table(classes))
    rows = _confusion_table(matrix, predictions.class_names)
    _write_csv(workdir, f"{name}_superclass_confusion", rows)
    accuracy = overall_metrics(predictions)["accuracy"]
    return {"superclass_accuracy": accuracy, "superclasses": classes}


def _confusion_table(matrix: np.ndarray, class_names: Sequence[str]) -> list[list[Any]]:
    rows = ([name, *row] for name, row in zip(class_names, matrix.tolist(), strict=True))
    return [["true \\ predicted", *class_names], *rows]


def _table(rows: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """Return the keys of the first row, and the values of each."""
    return [list(rows[0]), *(list(row.values()) for row in rows)]


def _write_csv(workdir: Path, name: str, rows: Sequence[Sequence[Any]]) -> None:
    """Write `evaluation/NAME.csv`, with an empty cell for a missing number."""
    folder = workdir / FOLDER
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["" if _is_nan(cell) else cell for cell in row] for row in rows])
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / f"{name}.csv", text.getvalue())


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
