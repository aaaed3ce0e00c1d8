"""Cross-validation: a run for each fold of the training split, and predictions of all of it."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from jaxcnn.api.arguments import check_workdir
from jaxcnn.api.fold_training import FoldTraining
from jaxcnn.config.files import load_config
from jaxcnn.data.preparing.reporter import preparing
from jaxcnn.evaluation.evaluation_files import write_evaluation, write_predictions
from jaxcnn.evaluation.examples import load_examples
from jaxcnn.evaluation.metrics import LabeledPredictions
from jaxcnn.evaluation.predictions import Predictions
from jaxcnn.evaluation.trained import load_trained
from jaxcnn.files.writing import write_json
from jaxcnn.reporting.comparison.groups import MeanAndStd
from jaxcnn.reporting.comparison.tables import mean_text
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.text import percent

_NAME = "out_of_fold"


def train_folds(
    config: ConfigDict | str | Path,
    num_folds: int,
    workdir: str | Path,
    *,
    quiet: bool = False,
    data_at: Path | None = None,
) -> dict[str, Any]:
    """Train a run for each fold of the training split, which serves as its validation split.

    The runs train together, as a population, if one compiled step can train them; else one by one.
    The runs are in `workdir/folds/0` and so on. `workdir/evaluation/out_of_fold.json` and
    `out_of_fold_predictions.csv` are about the whole training split: each image is predicted by the
    run that was not trained on it. The same call resumes what was interrupted.

    With `config.test_with = "best"` a fold also chooses its run's epoch, so its predictions are
    slightly better than those for unseen images; "last" avoids that.

    Args:
      config: what `train` takes.
      num_folds: from 2 to 100.
      workdir: the folder of all folds.
      quiet: see `train`.
      data_at: see `train`.

    Returns:
      The content of `workdir/result.json`: mean and deviation over the folds, and the metrics of
      the predictions.

    Raises:
      UserError: see `train`.
      Diverged: see `train`.
      Stopped: see `train`.
    """
    workdir, console = check_workdir(workdir), Console(quiet=quiet)
    config = load_config(config) if isinstance(config, (str, Path)) else config
    training = FoldTraining(config, num_folds, workdir, data_at, quiet)
    with training.opened():
        with preparing(quiet=quiet):
            rows = training.train(console)
        result = _summarize(workdir, num_folds, rows, data_at)
        write_json(workdir / "result.json", result)
    for line in _lines(result):
        console.print(line)
    return result


def _summarize(
    workdir: Path, num_folds: int, rows: list[dict[str, Any]], data_at: Path | None
) -> dict[str, Any]:
    """Write the out-of-fold predictions and their metrics; return the content of `result.json`."""
    parts, examples = [], []
    for fold in range(num_folds):
        # a temperature was fitted to the labels that these figures judge
        trained = dataclasses.replace(load_trained(workdir / "folds" / str(fold)), temperature=1.0)
        examples.append(load_examples(trained, "validation", data_at))
        logits = trained.logits(examples[-1].images)
        labels = examples[-1].labels
        parts.append(LabeledPredictions.from_logits(labels, logits, trained.class_names))
    indices = np.concatenate([part.indices for part in examples])
    order = np.argsort(indices)
    whole = _join(parts).take(order)
    files = [name for part in examples for name in part.files or ()]
    table = Predictions(
        class_names=whole.class_names,
        probabilities=np.exp(whole.log_probabilities),
        indices=indices[order],
        files=tuple(files[index] for index in order) if files else None,
        true=whole.true,
        losses=whole.losses,
    )
    write_predictions(workdir, _NAME, table)
    about = {"split": "train", "dataset": examples[0].dataset, "folds": num_folds}
    metric_names = trained.config.metrics  # of the last fold; all have the same
    metrics = write_evaluation(workdir, _NAME, whole, about, metric_names=metric_names)
    names = ("test_accuracy", "best_validation_accuracy", "last_validation_accuracy")
    return {
        "folds": num_folds,
        **{name: _spread(rows, name) for name in names},
        _NAME: {name: metrics[name] for name in ("accuracy", "balanced_accuracy", "loss")},
    }


def _join(parts: list[LabeledPredictions]) -> LabeledPredictions:
    """Return the predictions of all folds, one after the other."""
    targets = [part.targets for part in parts if part.targets is not None]
    return LabeledPredictions(
        true=np.concatenate([part.true for part in parts]),
        log_probabilities=np.concatenate([part.log_probabilities for part in parts]),
        targets=np.concatenate(targets) if targets else None,
        class_names=parts[0].class_names,
    )


def _spread(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    value = MeanAndStd.of(row[name] for row in rows)
    return {"mean": value and value.mean, "std": value and value.std}


def _lines(result: dict[str, Any]) -> list[str]:
    """Return the result in words."""
    test = result["test_accuracy"]
    spread = mean_text(MeanAndStd(test["mean"], test["std"], result["folds"]), percent)
    whole = result[_NAME]
    return [
        f"test accuracy {spread} (mean ± sample standard deviation over {result['folds']} folds)",
        f"all training images, each by the run that has not seen it: accuracy "
        f"{percent(whole['accuracy'])}, balanced accuracy {percent(whole['balanced_accuracy'])}",
        f"their predictions are in evaluation/{_NAME}_predictions.csv",
    ]
