"""The files of an evaluation: `evaluation/NAME.json`, and its tables as CSV beside it."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.data.superclasses import superclasses_of
from jaxcnn.errors import UserError
from jaxcnn.evaluation.calibration import (
    calibration_error,
    calibration_error_of,
    coverage,
    reliability,
)
from jaxcnn.evaluation.intervals import intervals
from jaxcnn.evaluation.metrics import (
    LabeledPredictions,
    class_metrics,
    confusion_matrix,
    merge_classes,
    most_confused,
    overall_metrics,
    own_metrics,
)
from jaxcnn.evaluation.predictions import Predictions
from jaxcnn.files.reading import read_bytes, read_json
from jaxcnn.files.writing import write_bytes, write_json, writing_to

FOLDER = "evaluation"
_MOST_PREDICTIONS = 1 << 32  # bytes


def write_evaluation(
    workdir: Path,
    name: str,
    predictions: LabeledPredictions,
    about: Mapping[str, Any],
    *,
    metric_names: Sequence[str] = (),
    selected_classes: Sequence[str] = (),
    mistakes: Sequence[Mapping[str, Any]] = (),
    pictures: Sequence[str] = (),
) -> dict[str, Any]:
    """Compute the metrics of predictions, and write them.

    `evaluation/NAME.json` holds all of them. The tables are `NAME_classes.csv`,
    `NAME_reliability.csv`, `NAME_coverage.csv` and `NAME_confusion.csv`; if the classes have
    superclasses, also `NAME_superclasses.csv` and `NAME_superclass_confusion.csv`.

    Args:
      name: such as "test".
      about: the first fields of the JSON: split, checkpoint, step, epoch, …
      metric_names: the user's metrics, kept by name in the field `metrics`.
      selected_classes: classes that the report shows in a table of their own; they are kept only
        if the classes have superclasses.
      mistakes: some wrong predictions, see `describe_mistakes`.
      pictures: the names of the evaluation's pictures in `plots/`.

    Returns:
      The content of the JSON.

    Raises:
      UserError: the folder cannot be written.
    """
    metrics = compute_metrics(
        predictions,
        about,
        metric_names=metric_names,
        selected_classes=selected_classes,
        mistakes=mistakes,
    )
    _write_csv(workdir, f"{name}_classes", _table(metrics["classes"]))
    _write_csv(workdir, f"{name}_reliability", _table(metrics["reliability"]))
    _write_csv(workdir, f"{name}_coverage", _table(metrics["coverage"]))
    _write_csv(workdir, f"{name}_confusion", _confusion_table(predictions))
    merged = _merged(predictions)
    if merged is not None:
        _write_csv(workdir, f"{name}_superclasses", _table(metrics["superclasses"]))
        _write_csv(workdir, f"{name}_superclass_confusion", _confusion_table(merged))
    metrics["pictures"] = list(pictures)
    path = workdir / FOLDER / f"{name}.json"
    write_json(path, metrics)
    return read_json(path)


def compute_metrics(
    predictions: LabeledPredictions,
    about: Mapping[str, Any],
    *,
    metric_names: Sequence[str] = (),
    selected_classes: Sequence[str] = (),
    mistakes: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return the metrics of predictions, as `evaluation/NAME.json` holds them.

    Args:
      about, metric_names, selected_classes, mistakes: see `write_evaluation`.
    """
    bins = reliability(predictions.confidence, predictions.is_correct)
    metrics = {
        **about,
        **overall_metrics(predictions),
        "intervals": intervals(predictions),
        "calibration_error": calibration_error(bins),
        **_uncalibrated(predictions, about),
        **({"metrics": own_metrics(predictions, metric_names)} if metric_names else {}),
        "classes": class_metrics(predictions),
        "most_confused": most_confused(confusion_matrix(predictions), predictions.class_names),
    }
    merged = _merged(predictions)
    if merged is not None:
        metrics["superclass_accuracy"] = overall_metrics(merged)["accuracy"]
        metrics["superclasses"] = class_metrics(merged)
        metrics |= {"selected_classes": list(selected_classes)} if selected_classes else {}
    table = coverage(predictions.confidence, predictions.is_correct)
    metrics |= {"mistakes": list(mistakes)} if mistakes else {}
    return metrics | {"coverage": table, "reliability": bins}


def _uncalibrated(
    predictions: LabeledPredictions, about: Mapping[str, Any]
) -> dict[str, dict[str, float]]:
    """Return the figures without the temperature of calibrated predictions; {} for others.

    They do not follow from `flip`'s means of probabilities.
    """
    if "temperature" not in about or about.get("tta") == "flip":
        return {}
    plain = predictions.at_temperature(1 / about["temperature"])
    error = calibration_error_of(plain)
    return {"uncalibrated": {"loss": float(plain.losses.mean()), "calibration_error": error}}


def write_predictions(workdir: Path, name: str, predictions: Predictions) -> None:
    """Write the table of the predictions, with numbers of five significant digits.

    The file is `evaluation/predictions.csv` for "test", the evaluation of the weights that the run
    itself tests. Any other is `evaluation/NAME_predictions.csv`.

    Args:
      name: as of `write_evaluation`.

    Raises:
      UserError: the folder cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(predictions.columns)
    for index in range(len(predictions)):
        numbers = predictions.numbers(index)
        # one format for all numbers is faster than one by one
        texts = (" ".join(["%.5g"] * len(numbers)) % tuple(numbers)).split()
        writer.writerow([*predictions.facts(index), *texts])
    file = "predictions" if name == "test" else f"{name}_predictions"
    _write_file(workdir, file, text.getvalue())


def write_logits(
    path: Path, logits: np.ndarray, predictions: Predictions, temperature: float
) -> None:
    """Write logits as NPZ, which `np.load` reads without pickle.

    The arrays are `logits`, float32 (n, num_classes); `index` and `true`, as in the table of the
    predictions, but with class numbers in `true`; `files`, if the images come from files;
    `class_names`; and `temperature`, which divides the network's logits.

    Args:
      path: the file.
      logits: scores whose softmax gives the probabilities; with test-time augmentation by mirror
        images they are logarithms of probabilities.
      predictions: the table.
      temperature: of the network.

    Raises:
      UserError: the file cannot be written.
    """
    arrays = {
        "logits": logits.astype(np.float32),
        "index": predictions.indices,
        "true": predictions.true,
        "files": predictions.files,
        "class_names": predictions.class_names,
        "temperature": temperature,
    }
    content = io.BytesIO()
    kept: dict[str, Any] = {
        name: np.asarray(value) for name, value in arrays.items() if value is not None
    }
    np.savez_compressed(content, **kept)
    write_bytes(path, content.getvalue())


def read_predictions(path: Path) -> Predictions:
    """Return the labeled predictions of a table that `write_predictions` wrote.

    Raises:
      UserError: the file is missing or damaged.
    """
    content = read_bytes(path, _MOST_PREDICTIONS)
    text = io.StringIO(content.decode(errors="surrogateescape"), newline="")
    try:
        rows = list(csv.DictReader(text, strict=True))
        columns = [name for name in rows[0] if name.startswith("p_")]
        names = tuple(name.removeprefix("p_") for name in columns)
        return Predictions(
            class_names=names,
            probabilities=np.array([[float(row[name]) for name in columns] for row in rows]),
            indices=np.array([int(row["index"]) for row in rows]),
            files=tuple(row["file"] for row in rows) if "file" in rows[0] else None,
            true=np.array([names.index(row["true"]) for row in rows]),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, csv.Error) as error:
        raise UserError(f"{path} is no table of predictions, or damaged ({error})") from error


def _merged(predictions: LabeledPredictions) -> LabeledPredictions | None:
    """Return the predictions of the superclasses; None where the classes have none."""
    superclasses = superclasses_of(predictions.class_names)
    return None if superclasses is None else merge_classes(predictions, superclasses)


def _confusion_table(predictions: LabeledPredictions) -> list[list[Any]]:
    names, counts = predictions.class_names, confusion_matrix(predictions).tolist()
    rows = ([name, *row] for name, row in zip(names, counts, strict=True))
    return [["true \\ predicted", *names], *rows]


def _table(rows: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """Return the keys of the first row, and the values of each."""
    return [list(rows[0]), *(list(row.values()) for row in rows)]


def _write_csv(workdir: Path, name: str, rows: Sequence[Sequence[Any]]) -> None:
    """Write `evaluation/NAME.csv`, with an empty cell for a missing number."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["" if _is_nan(cell) else cell for cell in row] for row in rows])
    _write_file(workdir, name, text.getvalue())


def _write_file(workdir: Path, name: str, text: str) -> None:
    folder = workdir / FOLDER
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
    # in UTF-8, except for a picture's name that is not
    write_bytes(folder / f"{name}.csv", text.encode(errors="surrogateescape"))


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
