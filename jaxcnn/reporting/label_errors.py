"""The likely label errors of a cross-validation: a table, a page, and a list to leave out."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.data.pictures.exclusion import exclusion_line
from jaxcnn.data.views import data_identity, views_of
from jaxcnn.errors import UserError
from jaxcnn.evaluation.evaluation_files import FOLDER, read_predictions
from jaxcnn.evaluation.label_errors import find_label_errors
from jaxcnn.evaluation.mistakes import Doubt, doubts
from jaxcnn.files.writing import write_bytes, write_list
from jaxcnn.reporting.doubts_page import MOST_SHOWN, write_doubts_page
from jaxcnn.text import integer
from jaxcnn.workdir.run_config import read_config
from jaxcnn.workdir.run_data import load_run_data, refuse_other_data
from jaxcnn.workdir.run_parts import require_parts

_PREDICTIONS = f"{FOLDER}/out_of_fold_predictions.csv"  # of `train_folds`
_TABLE, _PAGE = f"{FOLDER}/label_errors.csv", "label_errors.html"
_EXCLUSION = f"{FOLDER}/label_errors.exclude.txt"


def report_label_errors(workdir: Path, data_at: Path | None = None) -> dict[str, Any]:
    """Find the likely label errors in the training split of a cross-validation, and write them.

    `label_errors.html` shows the images, and `evaluation/label_errors.csv` lists them, the
    likeliest errors first. For pictures there is also `evaluation/label_errors.exclude.txt`, a list
    for `dataset.exclude` whose lines are comments: a person decides.

    Args:
      workdir: the folder that `train_folds` wrote.
      data_at: see `load_run_data`.

    Returns:
      `num_examples`, `num_errors`, `pairs` (`true`, `predicted`, `count`), and the paths `table`,
      `page` and `kept`, the name that an earlier list with another content has got; None without
      one.

    Raises:
      UserError: the folder holds no folds, a file in it is damaged, the data cannot be read or are
        not those of the folds, or the folder cannot be written.
    """
    if not (workdir / _PREDICTIONS).is_file():
        raise UserError(
            f"{workdir}: holds no {_PREDICTIONS}; train folds first: python -m jaxcnn.main "
            f"--folds=5 --workdir={workdir}"
        )
    predictions = read_predictions(workdir / _PREDICTIONS)
    fold = workdir / "folds" / "0"
    config = read_config(fold)
    require_parts(fold, config, ["dataset"])
    dataset = load_run_data(config, fold, data_at)
    refuse_other_data(fold, data_identity(dataset, views_of(config, dataset)))
    labels = np.asarray(predictions.true)
    positions = find_label_errors(labels, predictions.probabilities).tolist()
    images = dataset.splits["train"].images
    errors = doubts(predictions, positions, images, dataset.name)
    _write_table(workdir / _TABLE, [int(predictions.indices[i]) for i in positions], errors)
    kept = None
    if predictions.files is not None:
        kept = _write_exclusion(workdir / _EXCLUSION, errors)
    intro = [
        f"{integer(len(errors))} of {integer(len(predictions))} labels of the training split are "
        "likely wrong: networks that were not trained on these images are confident of another "
        "class (confident learning). An unusual image looks the same to them; judge each one."
    ]
    title = f"Likely label errors of {dataset.name}"
    write_doubts_page(workdir / _PAGE, title, intro, errors[:MOST_SHOWN], len(errors))
    pairs = Counter((doubt.label, doubt.predicted) for doubt in errors).most_common()
    return {
        "num_examples": len(predictions),
        "num_errors": len(errors),
        "pairs": [{"true": t, "predicted": p, "count": count} for (t, p), count in pairs],
        "table": str(workdir / _TABLE),
        "page": str(workdir / _PAGE),
        "kept": kept and str(kept),
    }


def _write_table(file: Path, indices: Sequence[int], errors: Sequence[Doubt]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("index", "image", "label", "predicted", "p_label", "p_predicted"))
    for index, doubt in zip(indices, errors, strict=True):
        numbers = (f"{doubt.label_probability:.5g}", f"{doubt.predicted_probability:.5g}")
        writer.writerow((index, doubt.name, doubt.label, doubt.predicted, *numbers))
    write_bytes(file, text.getvalue().encode(errors="surrogateescape"))


def _write_exclusion(file: Path, errors: Sequence[Doubt]) -> Path | None:
    lines = ["# likely label errors; remove '# ' before a picture to leave it out"]
    for doubt in errors:
        lines.append(f"# label {doubt.label}, predicted {doubt.predicted}")
        lines.append(f"# {exclusion_line(doubt.name)}")
    return write_list(file, ("\n".join(lines) + "\n").encode(errors="surrogateescape"))
