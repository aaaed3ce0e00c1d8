"""The evaluation of a run: figures and pictures from the weights of one of its checkpoints."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxcnn.data.dataset import Dataset
from jaxcnn.data.superclasses import SELECTED, SELECTED_BY
from jaxcnn.evaluation import probes
from jaxcnn.evaluation.evaluation_files import (
    write_evaluation,
    write_logits,
    write_predictions,
)
from jaxcnn.evaluation.examples import describe_evaluation, load_examples
from jaxcnn.evaluation.labeled_set import file_name, load_labeled_set
from jaxcnn.evaluation.metrics import LabeledPredictions, confident_mistakes
from jaxcnn.evaluation.mistakes import MOST_MISTAKES, describe_mistakes
from jaxcnn.evaluation.predictions import Predictions, scores
from jaxcnn.evaluation.temperature import calibrate
from jaxcnn.evaluation.trained import load_trained
from jaxcnn.reporting.doubts_page import write_mistakes_page
from jaxcnn.reporting.figures.evaluation import draw_metrics, draw_probes
from jaxcnn.workdir.run_parts import require_parts
from jaxcnn.workdir.weights import tested_checkpoint


def evaluate_run(
    workdir: Path,
    *,
    split: str = "test",
    checkpoint: str = "",
    layers: Sequence[str] = (),
    data_at: Path | None = None,
    dataset: Dataset | None = None,
    tta: str = "none",
    refit: bool = False,
    data: str = "",
    logits: Path | None = None,
    page: Path | None = None,
) -> dict[str, Any]:
    """Evaluate a run's network on a split, and write figures and pictures to the run's folder.

    The files are named after the split, such as `test.json`. The checkpoint is part of the name if
    it is not the one that the run itself tests, such as `test_best.json`, and so is test-time
    augmentation, such as `test_flip.json`. If the config asks for a temperature and the tested
    weights have none yet, it is fitted first.

    Args:
      split: "test", "validation" or "train".
      checkpoint: "best" or "latest"; "" for the one that the run itself tests.
      layers: the layers whose feature maps are drawn; () for the first convolution and the last
        layer with maps.
      data_at: see `load_run_data`.
      dataset: the run's dataset; loaded by default.
      tta: see `Trained.evaluate`.
      refit: fit the temperature of these weights, see `calibrate`.
      data: "folder:PATH" or "table:PATH", a labeled set to evaluate in place of the run's data. The
        files are named after it, see `labeled_set.file_name`.
      logits: a file for the logits, see `write_logits`; None for none.
      page: a file for the page of all mistakes; None for none.

    Returns:
      The content of the JSON.

    Raises:
      UserError: the folder holds no run or no such checkpoint, or it cannot be written; the
        dataset cannot be read; a layer has no maps.
    """
    trained = load_trained(workdir, checkpoint)
    is_given = bool(dataset or data)
    require_parts(workdir, trained.config, ["metric"] if is_given else ["dataset", "metric"])
    layers = probes.choose_layers(trained, layers)
    is_own = trained.checkpoint == tested_checkpoint(workdir)
    is_due = trained.config.calibration == "temperature" and is_own and trained.temperature == 1
    if refit or is_due:
        trained = calibrate(trained, data_at, dataset)
    if data:
        examples = load_labeled_set(trained, data, split)
    else:
        examples = load_examples(trained, split, data_at, dataset)
    values = scores(trained, examples.images, tta)
    predictions = LabeledPredictions.from_logits(examples.labels, values, trained.class_names)
    table = Predictions.of_examples(predictions, examples)
    worst = confident_mistakes(predictions, len(table))
    if logits:
        write_logits(logits, values, table, trained.temperature)
    if page:
        write_mistakes_page(page, table, worst, examples)
    which = "" if is_own else f"_{trained.checkpoint}"
    name = file_name(examples) + which + ("" if tta == "none" else f"_{tta}")
    about = describe_evaluation(trained, examples, tta)
    stem = workdir / "plots" / name
    pictures = draw_metrics(predictions, stem)
    pictures += draw_probes(trained, examples.images, predictions, layers, stem)
    write_predictions(workdir, name, table)
    return write_evaluation(
        workdir,
        name,
        predictions,
        about,
        metric_names=trained.config.metrics,
        selected_classes=SELECTED if about["publication"] == SELECTED_BY else (),
        mistakes=describe_mistakes(table, worst[:MOST_MISTAKES]),
        pictures=pictures,
    )
