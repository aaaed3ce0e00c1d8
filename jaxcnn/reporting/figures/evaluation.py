"""The pictures of an evaluation, from its predictions and from probes into the network."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxcnn.data.superclasses import superclasses_of
from jaxcnn.evaluation import probes
from jaxcnn.evaluation.calibration import reliability
from jaxcnn.evaluation.metrics import LabeledPredictions, confusion_matrix, merge_classes
from jaxcnn.evaluation.trained import Trained
from jaxcnn.reporting.figures import grids
from jaxcnn.reporting.figures.calibration import plot_reliability
from jaxcnn.reporting.figures.confusion import plot_confusion
from jaxcnn.reporting.figures.coverage import plot_coverage
from jaxcnn.reporting.figures.style import plain
from jaxcnn.text import shorten

_NUM_SALIENCY = 8  # images
_TITLE_LETTERS = 31


def draw_metrics(predictions: LabeledPredictions, stem: Path) -> list[str]:
    """Draw confusion matrices, reliability diagram and coverage as `STEM_NAME.png` and `.svg`.

    Returns:
      The names of the pictures.

    Raises:
      UserError: the folder cannot be written.
    """
    drawn = [_draw_confusion(predictions, _path(stem, "confusion"))]
    superclasses = superclasses_of(predictions.class_names)
    if superclasses is not None:
        merged = merge_classes(predictions, superclasses)
        drawn.append(_draw_confusion(merged, _path(stem, "superclass_confusion")))
    bins = reliability(predictions.confidence, predictions.is_correct)
    drawn.append(plot_reliability(bins, _path(stem, "reliability")))
    confidence, is_correct = predictions.confidence, predictions.is_correct
    drawn.append(plot_coverage(confidence, is_correct, _path(stem, "coverage")))
    return [picture.stem for picture in drawn]


def _draw_confusion(predictions: LabeledPredictions, stem: Path) -> Path:
    return plot_confusion(confusion_matrix(predictions), predictions.class_names, stem)


def draw_probes(
    trained: Trained,
    images: np.ndarray,
    predictions: LabeledPredictions,
    layers: Sequence[str],
    stem: Path,
) -> list[str]:
    """Draw images with their predictions, saliency and Grad-CAM, filters and feature maps.

    Args:
      images: uint8 (n, height, width, channels), those of the predictions.
      layers: the layers whose feature maps are drawn.

    Returns:
      The names of the pictures. The picture of mistakes is left out if there are none. The filters
      are left out if the network does not begin with a convolution, and the feature maps if
      `layers` is empty.

    Raises:
      UserError: the folder cannot be written.
    """
    positions = _one_of_each_class(predictions.true)
    saliency, maps = probes.saliency_and_maps(trained, images[positions], layers)
    regions = probes.grad_cam(trained, images[positions])
    chosen = predictions.take(positions)
    drawn = [
        grids.plot_first(images, predictions, _path(stem, "first")),
        grids.plot_mistakes(images, predictions, _path(stem, "mistakes")),
        grids.plot_saliency(images[positions], saliency, chosen, _path(stem, "saliency"), regions),
    ]
    if conv := probes.first_conv(trained):
        filters = probes.filters_of(conv)
        drawn.append(grids.plot_filters(filters, conv.path, _path(stem, "filters")))
    if maps:
        name = predictions.class_names[chosen.true[0]]
        title = plain(f"true: {shorten(name, _TITLE_LETTERS)}")
        first_maps = {layer: maps[layer][0] for layer in layers}
        image = images[positions[0]]
        drawn.append(grids.plot_maps(image, first_maps, title, _path(stem, "maps")))
    return [picture.stem for picture in drawn if picture]


def _path(stem: Path, name: str) -> Path:
    return stem.with_name(f"{stem.name}_{name}")


def _one_of_each_class(true: np.ndarray) -> np.ndarray:
    """Return the positions of the first image of each class, for the first few classes."""
    return np.unique(true, return_index=True)[1][:_NUM_SALIENCY]
