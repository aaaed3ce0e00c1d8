"""The evaluation of a run: figures and pictures from the weights of one of its checkpoints."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxcnn.config.published import publication_of
from jaxcnn.data.superclasses import SELECTED, SELECTED_BY
from jaxcnn.evaluation import probes
from jaxcnn.evaluation.evaluation_files import write_evaluation
from jaxcnn.evaluation.metrics import LabeledPredictions
from jaxcnn.evaluation.trained import Examples, Trained, load_examples, load_trained
from jaxcnn.reporting.figures.evaluation import draw_metrics, draw_probes
from jaxcnn.reporting.protocol import is_tuned_on_test
from jaxcnn.workdir.run_files import read_identity, read_part_if_there
from jaxcnn.workdir.run_parts import require_parts
from jaxcnn.workdir.weights import tested_checkpoint


def evaluate_run(
    workdir: Path,
    *,
    split: str = "test",
    checkpoint: str = "",
    layers: Sequence[str] = (),
    data_at: Path | None = None,
) -> dict[str, Any]:
    """Evaluate a run's network on a split, and write figures and pictures to the run's folder.

    The files are named after the split, such as `test.json`. The checkpoint is part of the name if
    it is not the one that the run itself tests, such as `test_best.json`.

    Args:
      split: "test", "validation" or "train".
      checkpoint: "best" or "latest"; "" for the one that the run itself tests.
      layers: the layers whose feature maps are drawn; () for the first convolution and the last
        layer with maps.
      data_at: see `load_run_data`.

    Returns:
      The content of the JSON.

    Raises:
      UserError: the folder holds no run or no such checkpoint, or it cannot be written; the
        dataset cannot be read; a layer has no maps.
    """
    trained = load_trained(workdir, checkpoint)
    require_parts(workdir, trained.config, ["dataset", "metric"])
    layers = probes.choose_layers(trained, layers)
    examples = load_examples(trained, split, data_at)
    predictions = LabeledPredictions.from_logits(
        examples.labels, trained.logits(examples.images), trained.class_names
    )
    is_own = trained.checkpoint == tested_checkpoint(workdir)
    name = split if is_own else f"{split}_{trained.checkpoint}"
    about = _about(trained, split, examples)
    stem = workdir / "plots" / name
    pictures = draw_metrics(predictions, stem)
    pictures += draw_probes(trained, examples.images, predictions, layers, stem)
    selected = SELECTED if about["publication"] == SELECTED_BY else ()
    return write_evaluation(
        workdir,
        name,
        predictions,
        about,
        metric_names=trained.config.metrics,
        selected_classes=selected,
        pictures=pictures,
    )


def _about(trained: Trained, split: str, examples: Examples) -> dict[str, Any]:
    """Return the first fields of the JSON: which weights are evaluated, on which images."""
    workdir, config = trained.workdir, trained.config
    environment = read_part_if_there(workdir, "environment.json") or {}
    about = {
        "split": split,
        "checkpoint": trained.checkpoint,
        "step": trained.step,
        "epoch": trained.epoch,
        "validation": config.validation,
        "tuned_on_test": is_tuned_on_test(config),
        "init_from": config.init_from,
        "dataset": config.dataset.name,
        "trained_on": examples.trained_on,
        "publication": publication_of(config, environment),
    }
    if identity := read_identity(workdir).id:
        about["run"] = identity
    return about
