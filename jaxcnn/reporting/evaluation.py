"""The evaluation of a run: what it writes to `evaluation/` and `plots/`, and what it is worth."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.data.superclasses import SELECTED, SELECTED_BY, superclasses_of
from jaxcnn.errors import UserError
from jaxcnn.evaluation.calibration import calibration_error, reliability
from jaxcnn.evaluation.metrics import (
    Predictions,
    class_scores,
    confusion_matrix,
    merged,
    most_confused,
    overall,
)
from jaxcnn.files.reading import read_json
from jaxcnn.files.writing import write_json, write_text
from jaxcnn.reporting.figures.calibration import plot_reliability
from jaxcnn.reporting.figures.confusion import plot_confusion
from jaxcnn.reporting.protocol import owner_of

FOLDER = "evaluation"


def write_scores(
    workdir: Path,
    stem: str,
    found: Predictions,
    about: Mapping[str, Any],
    pictures: Sequence[str] = (),
) -> dict[str, Any]:
    """Writes the figures of an evaluation and their pictures.

    `evaluation/STEM.json` holds all of them; `STEM_classes.csv`, `STEM_confusion.csv` and
    `STEM_reliability.csv` hold the tables; where classes have superclasses there are
    `STEM_superclasses.csv` and `STEM_superclass_confusion.csv` too. The pictures of the matrices
    and of the reliability lie in `plots/`.

    Args:
      stem: such as "test".
      about: split, checkpoint, step, epoch, publication ("" or whose recipe the run follows) and
        what else stands first in the JSON.
      pictures: names of those in `plots/` that are drawn already, for the JSON.

    Returns:
      What the JSON holds.

    Raises:
      UserError: the folder cannot be written.
    """
    bins = reliability(found.confidence, found.is_correct)
    scores = {
        **about,
        **overall(found),
        "calibration_error": calibration_error(bins),
        "classes": class_scores(found),
        "most_confused": most_confused(confusion_matrix(found), found.class_names),
    }
    _write_table(workdir, f"{stem}_classes", _rows(scores["classes"]))
    _write_table(workdir, f"{stem}_reliability", _rows(bins))
    drawn = [_write_confusion(workdir, f"{stem}_confusion", found)]
    superclasses = superclasses_of(found.class_names)
    if superclasses is not None:
        coarse = merged(found, superclasses)
        scores |= _score_superclasses(coarse)
        if scores.get("publication") == SELECTED_BY:
            scores["selected_classes"] = list(SELECTED)
        _write_table(workdir, f"{stem}_superclasses", _rows(scores["superclasses"]))
        drawn.append(_write_confusion(workdir, f"{stem}_superclass_confusion", coarse))
    drawn.append(plot_reliability(bins, workdir / "plots" / f"{stem}_reliability"))
    scores["reliability"] = bins
    scores["pictures"] = [*(picture.stem for picture in drawn), *pictures]
    path = workdir / FOLDER / f"{stem}.json"
    write_json(path, scores)
    return read_json(path)


def _score_superclasses(found: Predictions) -> dict[str, Any]:
    accuracy = overall(found)["accuracy"]
    return {"superclass_accuracy": accuracy, "superclasses": class_scores(found)}


def _write_confusion(workdir: Path, name: str, found: Predictions) -> Path:
    """The matrix in numbers and as a picture, whose PNG is returned."""
    matrix, names = confusion_matrix(found), found.class_names
    lines = ([name, *line] for name, line in zip(names, matrix.tolist(), strict=True))
    _write_table(workdir, name, [["true \\ predicted", *names], *lines])
    return plot_confusion(matrix, names, workdir / "plots" / name)


def _rows(rows: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    return [list(rows[0]), *(list(row.values()) for row in rows)]


def _write_table(workdir: Path, name: str, rows: Sequence[Sequence[Any]]) -> None:
    """A CSV file; a number that is missing is an empty cell."""
    folder = workdir / FOLDER
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["" if _is_nan(cell) else cell for cell in row] for row in rows])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / f"{name}.csv", text.getvalue())
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}") from error


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def provenance(about: Mapping[str, Any]) -> str:
    """Which weights were scored, what chose them, and what the figures are therefore worth.

    Args:
      about: of the evaluation: `split` ("train", "validation" or "test"), `checkpoint` ("best" or
        "latest"), `epoch`; of the run: `dataset`, `validation`, `tuned_on_test`, `init_from`
        (these two are missing in evaluations by older code).
    """
    validation, split = about["validation"], about["split"]
    served = {
        "holdout": "a held-out part of the training set",
        "tail": "the held-out last part of the training set",
        "validation": f"the {owner_of(about.get('dataset', ''))} validation split",
        "test": "the test split",
    }[validation]
    best = about["checkpoint"] == "best"
    weights = f"the best on {served}" if best else "the latest"
    text = f"Weights of epoch {about['epoch']}, {weights}."
    if split == "train":
        return f"{text} The network was trained on these images."
    if split == "validation" or validation == "test":
        if best:
            return f"{text} These same images chose the epoch: no estimate on unseen images."
        return f"{text} These images served as validation: no estimate on unseen images."
    if about.get("trained_on"):
        return (
            f"{text} {about['trained_on']:,} of the {about['num_examples']:,} images were trained "
            "on, as copies in the training split: no estimate on unseen images."
        )
    text += " The images took no part in the training or in the choice of the epoch"
    if about.get("init_from"):
        text += f" of this run, which started from the weights of {about['init_from']}"
    if about.get("tuned_on_test"):
        return f"{text}. But the recipe was chosen by test accuracy: no estimate on unseen images."
    return f"{text}."
