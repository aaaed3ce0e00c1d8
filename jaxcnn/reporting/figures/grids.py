"""Grids of small images: predictions, mistakes, saliency, filters, feature maps."""

from pathlib import Path

import numpy as np

from jaxcnn.evaluation.metrics import LabeledPredictions, confident_mistakes
from jaxcnn.evaluation.mistakes import MOST_MISTAKES
from jaxcnn.reporting.figures.sheet import Line, Sheet
from jaxcnn.reporting.figures.style import COLUMN, GREEN, VERMILION, class_text, styled

MOST_MAPS = 32  # of each layer
_MISTAKE_COLUMNS = 5
_MAP_COLUMNS = 8
_NAME_LETTERS = 17  # of a class name above an image
_FIRST_SIDE = 4  # a grid of 4×4, as in [homework], see docs/publications.md


def plot_first(images: np.ndarray, predictions: LabeledPredictions, stem: Path) -> Path:
    """Draw 16 images of a split with their predicted classes.

    They are the first ones. If the split is sorted by class, as folders are, they are spread over
    the whole split.

    Args:
      images: uint8 (n, height, width, channels).
    """
    shown, title = pick_images(predictions.true)
    with styled():
        sheet = Sheet(COLUMN)
        sheet.write(f"{title}, with their predicted classes", 9)
        labels = [[_prediction(predictions, i)] for i in shown]
        sheet.show(images[shown], _FIRST_SIDE, labels, cmap="gray")
        return sheet.save(stem)


def pick_images(true: np.ndarray) -> tuple[np.ndarray, str]:
    """Return the positions of 16 images of a split, and a title for them; see `plot_first`.

    Args:
      true: int (n,), the class of each image.
    """
    count = min(_FIRST_SIDE**2, len(true))
    if np.all(np.diff(true) >= 0):
        return np.linspace(0, len(true) - 1, count).astype(int), "images from the whole split"
    return np.arange(count), "the first images"


def _prediction(predictions: LabeledPredictions, i: int) -> Line:
    """Return the predicted class of an image, marked as correct or wrong."""
    sign, color = ("✓", GREEN) if predictions.is_correct[i] else ("✗", VERMILION)
    return f"{sign} {_name(predictions, predictions.predicted[i])}", color


def plot_mistakes(images: np.ndarray, predictions: LabeledPredictions, stem: Path) -> Path | None:
    """Draw the wrong predictions of highest confidence, with the true and the predicted class.

    Args:
      images: uint8 (n, height, width, channels).

    Returns:
      The path of the PNG; None if there is no mistake.
    """
    worst = confident_mistakes(predictions, MOST_MISTAKES)
    if not len(worst):
        return None
    with styled():
        sheet = Sheet(6.5)
        sheet.write("the most confident mistakes: true and predicted class", 10)
        labels = [_mistake(predictions, i) for i in worst]
        sheet.show(images[worst], _MISTAKE_COLUMNS, labels, cmap="gray")
        return sheet.save(stem)


def _mistake(predictions: LabeledPredictions, i: int) -> tuple[Line, Line]:
    """Return the true class of an image, and its predicted class with the confidence."""
    predicted = _name(predictions, predictions.predicted[i])
    wrong = f"{predicted}, {_percent(predictions.confidence[i])}"
    return (f"true: {_name(predictions, predictions.true[i])}", GREEN), (wrong, VERMILION)


def plot_saliency(
    images: np.ndarray,
    saliency: np.ndarray,
    predictions: LabeledPredictions,
    stem: Path,
    regions: np.ndarray | None = None,
) -> Path:
    """Draw images, and below each one the saliency of its pixels, and its regions by Grad-CAM.

    Args:
      images: uint8 (n, height, width, channels).
      saliency: float (n, height, width), 0 or more; each image is scaled to its own maximum.
      predictions: those for these images.
      regions: float (n, height, width), from `probes.grad_cam`; None to leave them out.
    """
    with styled():
        sheet = Sheet(6.5)
        title = "predicted class, and the pixels that count for it (brighter counts more)"
        if regions is not None:
            title = "predicted class, the pixels that count for it, and the regions (Grad-CAM)"
        sheet.write(title, 9)
        labels = [[_prediction(predictions, i)] for i in range(len(images))]
        sheet.show(images, len(images), labels, cmap="gray")
        sheet.show(saliency, len(images), cmap="inferno", vmin=0)
        if regions is not None:
            sheet.show(_highlight(images, regions), len(images))
        return sheet.save(stem)


def _highlight(images: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Return images in color (n, height, width, 3), 0 to 1, with a tint for each region's value."""
    from matplotlib import colormaps

    gray_or_color = images if images.shape[-1] == 3 else images.mean(axis=-1, keepdims=True)
    return 0.4 * gray_or_color / 255 + 0.6 * colormaps["inferno"](regions)[..., :3]


def plot_filters(kernels: np.ndarray, name: str, stem: Path) -> Path:
    """Draw all filters of a first layer: in color for three channels, else their mean in gray.

    Gray is a weight of zero, brighter is positive, darker is negative. Each filter is scaled to its
    own largest weight.

    Args:
      kernels: float (num_filters, height, width, channels).
      name: the layer's name.
    """
    largest = np.abs(kernels).max(axis=(1, 2, 3), keepdims=True)
    pictures = 0.5 + kernels / np.where(largest > 0, 2 * largest, 1)
    if kernels.shape[-1] != 3:
        pictures = pictures.mean(axis=-1)
    size = "×".join(map(str, kernels.shape[1:3]))
    with styled():
        sheet = Sheet(COLUMN)
        sheet.write(f"all {len(kernels)} filters of {name}, {size} (gray is a weight of zero)", 9)
        columns = min(16, len(kernels)) if len(kernels) > _MAP_COLUMNS else len(kernels)
        sheet.show(pictures, columns, cmap="gray", vmin=0, vmax=1)
        return sheet.save(stem)


def plot_maps(image: np.ndarray, maps: dict[str, np.ndarray], title: str, stem: Path) -> Path:
    """Draw an image and the first feature maps that layers compute from it.

    Args:
      image: uint8 (height, width, channels).
      maps: layer → float (height', width', channels'); each channel is scaled to its own range.
      title: the image's title.
    """
    with styled():
        sheet = Sheet(5.0)
        sheet.write(f"{title}\nlowest value of each map: black, highest: white", 9)
        sheet.show([image], 1, share=0.17, cmap="gray")
        for name, output in maps.items():
            sheet.write(_title_of_maps(name, output), 8)
            sheet.show(np.moveaxis(output, -1, 0)[:MOST_MAPS], _MAP_COLUMNS, cmap="gray")
        return sheet.save(stem)


def _title_of_maps(name: str, maps: np.ndarray) -> str:
    height, width, channels = maps.shape
    first = f"the first {MOST_MAPS} of {channels}" if channels > MOST_MAPS else f"all {channels}"
    return f"{name}: {first} maps, {height}×{width}"


def _name(predictions: LabeledPredictions, index: int) -> str:
    return class_text(predictions.class_names[index], _NAME_LETTERS)


def _percent(share: float) -> str:
    """Return a share such as "97 %"; "100 %" only for 1."""
    return f"{100 * share:.0f} %" if share < 0.995 else f"{min(99.9, 100 * share):.1f} %"
