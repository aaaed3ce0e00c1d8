"""Grids of small images: predictions, mistakes, saliency, filters, feature maps."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jaxcnn.evaluation.metrics import LabeledPredictions, confident_mistakes
from jaxcnn.reporting.figures.style import (
    COLUMN,
    GREEN,
    VERMILION,
    class_text,
    new_figure,
    save,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


MOST_MISTAKES = 20
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
    with styled():
        figure = new_figure(COLUMN, COLUMN * 1.2)
        shown, title = pick_images(predictions.true)
        figure.suptitle(f"{title}, with their predicted classes", fontsize=9)
        grid = figure.subplots(_FIRST_SIDE, _FIRST_SIDE).ravel()
        for axes in grid[len(shown) :]:
            axes.set_axis_off()
        for i, axes in zip(shown, grid, strict=False):
            _show(axes, images[i])
            _title_predicted(axes, predictions, i)
        return save(figure, stem)


def pick_images(true: np.ndarray) -> tuple[np.ndarray, str]:
    """Return the positions of 16 images of a split, and a title for them; see `plot_first`.

    Args:
      true: int (n,), the class of each image.
    """
    count = min(_FIRST_SIDE**2, len(true))
    if np.all(np.diff(true) >= 0):
        return np.linspace(0, len(true) - 1, count).astype(int), "images from the whole split"
    return np.arange(count), "the first images"


def _title_predicted(axes: "Axes", predictions: LabeledPredictions, i: int) -> None:
    """Write the predicted class above an image, marked as correct or wrong."""
    sign, color = ("✓", GREEN) if predictions.is_correct[i] else ("✗", VERMILION)
    text = f"{sign} {_name(predictions, predictions.predicted[i])}"
    axes.set_title(text, fontsize=7, color=color, pad=3)


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
    num_rows = -(-len(worst) // _MISTAKE_COLUMNS)
    predicted, confidence = predictions.predicted, predictions.confidence
    with styled():
        figure = new_figure(6.5, 0.35 + 1.65 * num_rows)
        figure.suptitle("the most confident mistakes: true and predicted class", fontsize=10)
        grid = figure.subplots(num_rows, _MISTAKE_COLUMNS, squeeze=False).ravel()
        for axes, i in zip(grid, worst, strict=False):
            _show(axes, images[i])
            true = f"true: {_name(predictions, predictions.true[i])}"
            wrong = f"{_name(predictions, predicted[i])}, {_percent(confidence[i])}"
            _label(axes, (true, GREEN), (wrong, VERMILION))
        for axes in grid[len(worst) :]:
            axes.set_axis_off()
        return save(figure, stem)


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
    num_rows = 2 if regions is None else 3
    with styled():
        figure = new_figure(6.5, 6.5 / len(images) * num_rows + 0.5)
        title = "predicted class, and the pixels that count for it (brighter counts more)"
        if regions is not None:
            title = "predicted class, the pixels that count for it, and the regions (Grad-CAM)"
        figure.suptitle(title, fontsize=9)
        grid = figure.subplots(num_rows, len(images), squeeze=False)
        for i, (upper, lower, *lowest) in enumerate(grid.T):
            _show(upper, images[i])
            _title_predicted(upper, predictions, i)
            lower.imshow(saliency[i], cmap="inferno", vmin=0)
            lower.set_axis_off()
            if regions is not None:
                _show(lowest[0], images[i])
                lowest[0].imshow(regions[i], cmap="inferno", alpha=0.6, vmin=0, vmax=1)
        return save(figure, stem)


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
    size = "×".join(map(str, kernels.shape[1:3]))
    title = f"all {len(kernels)} filters of {name}, {size} (gray is a weight of zero)"
    with styled():
        columns = min(16, len(kernels)) if len(kernels) > _MAP_COLUMNS else len(kernels)
        num_rows = -(-len(kernels) // columns)
        side = COLUMN / columns
        figure = new_figure(COLUMN, 0.35 + 1.05 * side * num_rows)
        figure.suptitle(title, fontsize=9)
        _show_all(figure.subplots(num_rows, columns, squeeze=False), pictures)
        return save(figure, stem)


def plot_maps(image: np.ndarray, maps: dict[str, np.ndarray], title: str, stem: Path) -> Path:
    """Draw an image and the first feature maps that layers compute from it.

    Args:
      image: uint8 (height, width, channels).
      maps: layer → float (height', width', channels'); each channel is scaled to its own range.
      title: the image's title.
    """
    shown = {name: np.moveaxis(output, -1, 0)[:MOST_MAPS] for name, output in maps.items()}
    num_rows = [-(-len(channels) // _MAP_COLUMNS) for channels in shown.values()]
    side = 5.0 / _MAP_COLUMNS
    heights = [1.2, *(0.35 + side * n for n in num_rows)]
    with styled():
        figure = new_figure(5.0, sum(heights) + 0.2)
        parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False).ravel()
        axes = parts[0].add_subplot()
        _show(axes, image)
        axes.set_title(f"{title}\nlowest value of each map: black, highest: white", fontsize=9)
        for part, n, (name, channels) in zip(parts[1:], num_rows, shown.items(), strict=True):
            part.suptitle(_title_of_maps(name, maps[name]), fontsize=8)
            _show_all(part.subplots(n, _MAP_COLUMNS, squeeze=False), channels)
        return save(figure, stem)


def _title_of_maps(name: str, maps: np.ndarray) -> str:
    height, width, channels = maps.shape
    first = f"the first {MOST_MAPS} of {channels}" if channels > MOST_MAPS else f"all {channels}"
    return f"{name}: {first} maps, {height}×{width}"


def _show_all(grid: np.ndarray, pictures: Iterable[np.ndarray]) -> None:
    for axes in grid.ravel():
        axes.set_axis_off()
    for axes, picture in zip(grid.ravel(), pictures, strict=False):
        _show(axes, picture)


def _show(axes: "Axes", picture: np.ndarray) -> None:
    """Draw an image, gray unless it has three channels; imshow scales values that are no bytes."""
    is_gray = picture.ndim == 2 or picture.shape[-1] != 3
    limits = {"vmin": 0, "vmax": 255} if picture.dtype == np.uint8 else {}
    if is_gray and picture.ndim == 3:  # a filter, between 0 and 1
        picture = picture.mean(axis=-1)
        limits = limits or {"vmin": 0, "vmax": 1}
    axes.imshow(picture, cmap="gray", **(limits if is_gray else {}))
    axes.set_axis_off()


def _label(axes: "Axes", *lines: tuple[str, str]) -> None:
    """Write short lines of (text, color) above an image, the last line nearest to it."""
    for i, (text, color) in enumerate(reversed(lines)):
        place = {"xy": (0.5, 1.0), "xycoords": "axes fraction", "xytext": (0, 2 + 9 * i)}
        axes.annotate(
            text, **place, textcoords="offset points", ha="center", va="bottom", fontsize=7,
            color=color,
        )  # fmt: skip


def _name(predictions: LabeledPredictions, index: int) -> str:
    return class_text(predictions.class_names[index], _NAME_LETTERS)


def _percent(share: float) -> str:
    """Return a share such as "97 %"; "100 %" only for 1."""
    return f"{100 * share:.0f} %" if share < 0.995 else f"{min(99.9, 100 * share):.1f} %"
