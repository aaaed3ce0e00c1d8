"""Scores a run: predictions, figures and pictures, from the weights of one of its checkpoints."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.config.published import publication_of
from jaxcnn.evaluation import probes
from jaxcnn.evaluation.metrics import Predictions, predictions
from jaxcnn.evaluation.trained import Trained, load_examples, load_trained
from jaxcnn.reporting import evaluation
from jaxcnn.reporting.figures import grids
from jaxcnn.reporting.figures.style import plain
from jaxcnn.reporting.protocol import is_tuned_on_test
from jaxcnn.text import shorten
from jaxcnn.workdir.run_files import read_identity, read_part_if_there
from jaxcnn.workdir.weights import tested_checkpoint

_NUM_SALIENCY = 8  # pictures


def score_run(
    workdir: Path,
    *,
    split: str = "test",
    checkpoint: str = "",
    layers: Sequence[str] = (),
    data_at: Path | None = None,
) -> dict[str, Any]:
    """Scores a run's network on a split, and writes figures and pictures to its folder.

    Args:
      split: "test", "validation" or "train".
      checkpoint: "best" or "latest"; "" for the one that the run itself tests. That one's files
        are named by the split, `test.json`, another one's also by it, `test_best.json`.
      data_at: see `load_run_data`.
      layers: whose feature maps are drawn; () for the first convolution and the last map.

    Returns:
      What the JSON holds.

    Raises:
      UserError: the folder holds no run or no such checkpoint, or it cannot be written; the
        dataset cannot be had; a layer has no maps.
    """
    trained = load_trained(workdir, checkpoint)
    layers = probes.choose_layers(trained, layers)
    examples = load_examples(trained, split, data_at)
    found = predictions(examples.labels, trained.logits(examples.images), trained.class_names)
    is_own = trained.checkpoint == tested_checkpoint(workdir)
    stem = split if is_own else f"{split}_{trained.checkpoint}"
    about = {
        "split": split,
        "checkpoint": trained.checkpoint,
        "step": trained.step,
        "epoch": trained.epoch,
        "validation": trained.config.validation,
        "tuned_on_test": is_tuned_on_test(trained.config),
        "init_from": trained.config.init_from,
        "dataset": trained.config.dataset.name,
        "trained_on": examples.trained_on,
        "publication": _publication(workdir, trained),
    }
    if identity := read_identity(workdir).id:
        about["run"] = identity
    pictures = _draw(trained, examples.images, found, layers, workdir / "plots" / stem)
    return evaluation.write_scores(workdir, stem, found, about, pictures)


def _publication(workdir: Path, trained: Trained) -> str:
    environment = read_part_if_there(workdir, "environment.json") or {}
    return publication_of(trained.config, environment)


def _draw(
    trained: Trained, images: np.ndarray, found: Predictions, layers: Sequence[str], stem: Path
) -> list[str]:
    """Draws what needs the images or the network; gives the names of the pictures."""
    some = _one_of_each_class(found.true)
    saliency, maps = probes.probe(trained, images[some], layers)

    def path(name: str) -> Path:
        return stem.with_name(f"{stem.name}_{name}")

    drawn = [
        grids.plot_first(images, found, path("first")),
        grids.plot_mistakes(images, found, path("mistakes")),
        grids.plot_saliency(images[some], saliency, found.of(some), path("saliency")),
    ]
    if conv := probes.first_conv(trained):
        drawn.append(grids.plot_filters(probes.filters_of(conv), conv.path, path("filters")))
    if maps:
        title = plain(f"true: {shorten(found.class_names[found.true[some[0]]], 31)}")
        first = {name: maps[name][0] for name in layers}
        drawn.append(grids.plot_maps(images[some[0]], first, title, path("maps")))
    return [picture.stem for picture in drawn if picture]


def _one_of_each_class(true: np.ndarray) -> np.ndarray:
    """Positions of the first image of some classes, in the order of the classes."""
    return np.unique(true, return_index=True)[1][:_NUM_SALIENCY]
