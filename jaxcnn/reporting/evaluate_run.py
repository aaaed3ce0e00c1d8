"""The evaluation of a run: figures and pictures from the weights of one of its checkpoints."""

from collections.abc import Mapping, Sequence
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
from jaxcnn.evaluation.examples import Examples, describe_evaluation, load_examples
from jaxcnn.evaluation.labeled_set import file_name, load_labeled_set
from jaxcnn.evaluation.metrics import LabeledPredictions, confident_mistakes
from jaxcnn.evaluation.mistakes import MOST_MISTAKES, describe_mistakes
from jaxcnn.evaluation.predictions import Predictions, scores
from jaxcnn.evaluation.temperature import calibrate
from jaxcnn.evaluation.trained import Trained, load_trained
from jaxcnn.reporting.doubts_page import write_mistakes_page
from jaxcnn.reporting.figures.evaluation import draw_metrics, draw_probes
from jaxcnn.workdir.run_files import read_calibration
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

    The files are named after the split, such as `test.json`. A checkpoint that the run itself does
    not test is part of the name (`test_best.json`), and so is test-time augmentation
    (`test_flip.json`). `file_name` gives the name for other pictures. If the config asks for a
    temperature and the tested weights have none yet, it is fitted first.

    Args:
      split: "test", "validation" or "train".
      checkpoint: "best" or "latest"; "" for the one that the run itself tests.
      layers: the layers to draw feature maps of; () for the first convolution and the last maps.
      data_at: see `load_run_data`.
      dataset: the run's dataset; loaded by default.
      tta: see `Trained.evaluate`.
      refit: fit the temperature of these weights, see `calibrate`.
      data: "folder:PATH" or "table:PATH", labeled pictures to evaluate in place of the run's data.
      logits: a file for the logits, see `write_logits`.
      page: a file for the page of all mistakes.

    Returns:
      The content of the JSON.

    Raises:
      UserError: the folder holds no run or no such checkpoint, or it cannot be written; the
        dataset cannot be read; a layer has no maps.
    """
    trained = load_trained(workdir, checkpoint)
    require_parts(workdir, trained.config, ["metric"] if dataset or data else ["dataset", "metric"])
    layers = probes.choose_layers(trained, layers)
    is_own = trained.checkpoint == tested_checkpoint(workdir)
    if refit or (is_own and _lacks_temperature(trained)):
        trained = calibrate(trained, data_at, dataset)
    examples = _examples(trained, split, data, data_at, dataset)
    which = "" if is_own else f"_{trained.checkpoint}"
    name = file_name(examples) + which + ("" if tta == "none" else f"_{tta}")
    values = scores(trained, examples.images, tta)
    predictions = LabeledPredictions.from_logits(examples.labels, values, trained.class_names)
    table = Predictions.of_examples(predictions, examples)
    if logits:
        write_logits(logits, values, table, trained.temperature)
    if page:
        write_mistakes_page(page, table, confident_mistakes(predictions, len(table)), examples)
    about = describe_evaluation(trained, examples, tta)
    return _write(trained, examples, predictions, table, about, name, layers)


def _lacks_temperature(trained: Trained) -> bool:
    """Return whether the config asks for a temperature, and these weights have none yet."""
    asks = trained.config.calibration == "temperature"
    return asks and not read_calibration(trained.workdir, trained.checkpoint, trained.step)


def _examples(
    trained: Trained, split: str, data: str, data_at: Path | None, dataset: Dataset | None
) -> Examples:
    if data:
        return load_labeled_set(trained, data, split)
    return load_examples(trained, split, data_at, dataset)


def _write(
    trained: Trained,
    examples: Examples,
    predictions: LabeledPredictions,
    table: Predictions,
    about: Mapping[str, Any],
    name: str,
    layers: Sequence[str],
) -> dict[str, Any]:
    """Write the pictures, the table and the metrics of an evaluation; return the metrics."""
    workdir = trained.workdir
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
        mistakes=describe_mistakes(table, confident_mistakes(predictions, MOST_MISTAKES)),
        pictures=pictures,
    )
