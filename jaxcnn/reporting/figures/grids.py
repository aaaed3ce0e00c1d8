"""Grids of small pictures: first images, mistakes, saliency, first-layer filters, feature maps."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jaxcnn.evaluation.metrics import Predictions, confident_mistakes
from jaxcnn.reporting.figures.style import COLUMN, GREEN, VERMILION, new_figure, plain, save, styled
from jaxcnn.text import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes


MOST_MISTAKES = 20
MOST_MAPS = 32  # of a layer
_COLUMNS = 5  # of mistakes
_MAP_COLUMNS = 8
_NAME_LETTERS = 17  # of a class above a small picture
_FIRST_SIDE = 4  # the first images, as the homework publication shows them


def plot_first(images: np.ndarray, found: Predictions, stem: Path) -> Path:
    """Draws the split's first 16 images with their predicted classes; of a split in the order of
    its classes, as folders are, 16 from all over it.

    Args:
      images: uint8 (n, height, width, channels).
    """
    with styled():
        figure = new_figure(COLUMN, COLUMN * 1.2)
        shown, which = _shown(found.true)
        figure.suptitle(f"{which}, and what they are predicted to be", fontsize=9)
        grid = figure.subplots(_FIRST_SIDE, _FIRST_SIDE).ravel()
        for axes in grid[len(shown) :]:
            axes.set_axis_off()
        for i, axes in zip(shown, grid, strict=False):
            _show(axes, images[i])
            _title_predicted(axes, found, i)
        return save(figure, stem)


def _shown(true: np.ndarray) -> tuple[np.ndarray, str]:
    """Positions of the images that stand for a split, and in words which they are."""
    count = min(_FIRST_SIDE**2, len(true))
    if np.all(np.diff(true) >= 0):
        return np.linspace(0, len(true) - 1, count).astype(int), "images from the whole split"
    return np.arange(count), "the first images"


def _title_predicted(axes: "Axes", found: Predictions, i: int) -> None:
    """The predicted class above an image, marked as right or wrong."""
    sign, color = ("✓", GREEN) if found.is_correct[i] else ("✗", VERMILION)
    said = f"{sign} {_name(found, found.predicted[i])}"
    axes.set_title(said, fontsize=7, color=color, pad=3)


def plot_mistakes(images: np.ndarray, found: Predictions, stem: Path) -> Path | None:
    """Draws the wrong predictions the network was most sure of, with both classes' names.

    Args:
      images: uint8 (n, height, width, channels).

    Returns:
      The PNG; None where there is no mistake.
    """
    worst = confident_mistakes(found, MOST_MISTAKES)
    if not len(worst):
        return None
    num_rows = -(-len(worst) // _COLUMNS)
    predicted, confidence = found.predicted, found.confidence
    with styled():
        figure = new_figure(6.5, 0.35 + 1.65 * num_rows)
        figure.suptitle("the most confident mistakes: true and predicted class", fontsize=10)
        grid = figure.subplots(num_rows, _COLUMNS, squeeze=False).ravel()
        for axes, i in zip(grid, worst, strict=False):
            _show(axes, images[i])
            said = f"{_name(found, predicted[i])}, {_percent(confidence[i])}"
            _label(axes, (f"true: {_name(found, found.true[i])}", GREEN), (said, VERMILION))
        for axes in grid[len(worst) :]:
            axes.set_axis_off()
        return save(figure, stem)


def plot_saliency(images: np.ndarray, saliency: np.ndarray, found: Predictions, stem: Path) -> Path:
    """Draws images, and under each how much each pixel counts for the predicted class.

    Args:
      images: uint8 (n, height, width, channels).
      saliency: float (n, height, width), 0 or more; each is scaled to its own largest.
      found: the predictions for these images.
    """
    with styled():
        figure = new_figure(6.5, 6.5 / len(images) * 2 + 0.5)
        title = "predicted class, and the pixels that count for it (the brighter, the more)"
        figure.suptitle(title, fontsize=9)
        grid = figure.subplots(2, len(images), squeeze=False)
        for i, (upper, lower) in enumerate(grid.T):
            _show(upper, images[i])
            _title_predicted(upper, found, i)
            lower.imshow(saliency[i], cmap="inferno", vmin=0)
            lower.set_axis_off()
        return save(figure, stem)


def plot_filters(kernels: np.ndarray, name: str, stem: Path) -> Path:
    """Draws all filters of a layer on the image, three channels as one colour picture each.

    Grey is a weight of zero; brighter and darker are positive and negative, each filter scaled
    to its own largest weight.

    Args:
      kernels: float (num_filters, height, width, 1 or 3).
      name: of the layer.
    """
    largest = np.abs(kernels).max(axis=(1, 2, 3), keepdims=True)
    pictures = 0.5 + kernels / np.where(largest > 0, 2 * largest, 1)
    size = "×".join(map(str, kernels.shape[1:3]))
    title = f"all {len(kernels)} filters of {name}, {size} (grey is a weight of zero)"
    with styled():
        columns = min(16, len(kernels)) if len(kernels) > _MAP_COLUMNS else len(kernels)
        num_rows = -(-len(kernels) // columns)
        side = COLUMN / columns
        figure = new_figure(COLUMN, 0.35 + 1.05 * side * num_rows)
        figure.suptitle(title, fontsize=9)
        _show_all(figure.subplots(num_rows, columns, squeeze=False), pictures)
        return save(figure, stem)


def plot_maps(image: np.ndarray, maps: dict[str, np.ndarray], title: str, stem: Path) -> Path:
    """Draws an image and what layers make of it: their first feature maps.

    Args:
      image: uint8 (height, width, channels).
      maps: layer → float (height', width', channels'); each channel is scaled to its own range.
      title: what the picture is of.
    """
    shown = {name: np.moveaxis(each, -1, 0)[:MOST_MAPS] for name, each in maps.items()}
    num_rows = [-(-len(each) // _MAP_COLUMNS) for each in shown.values()]
    side = 5.0 / _MAP_COLUMNS
    heights = [1.2, *(0.35 + side * n for n in num_rows)]
    with styled():
        figure = new_figure(5.0, sum(heights) + 0.2)
        parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False).ravel()
        axes = parts[0].add_subplot()
        _show(axes, image)
        axes.set_title(f"{title}\neach map from its lowest (black) to its highest", fontsize=9)
        for part, n, (name, each) in zip(parts[1:], num_rows, shown.items(), strict=True):
            part.suptitle(_title_of_maps(name, maps[name]), fontsize=8)
            _show_all(part.subplots(n, _MAP_COLUMNS, squeeze=False), each)
        return save(figure, stem)


def _title_of_maps(name: str, maps: np.ndarray) -> str:
    height, width, channels = maps.shape
    first = f"the first {MOST_MAPS} of {channels}" if channels > MOST_MAPS else f"all {channels}"
    return f"{name}: {first} maps, {height}×{width}"


def _show_all(grid: np.ndarray, pictures: Sequence[np.ndarray]) -> None:
    for axes in grid.ravel():
        axes.set_axis_off()
    for axes, picture in zip(grid.ravel(), pictures, strict=False):
        _show(axes, picture)


def _show(axes: "Axes", picture: np.ndarray) -> None:
    """A picture, grey where it has one channel. Numbers that are no bytes are scaled by imshow."""
    is_grey = picture.ndim == 2 or picture.shape[-1] == 1
    limits = {"vmin": 0, "vmax": 255} if picture.dtype == np.uint8 else {}
    if is_grey and picture.ndim == 3:  # a filter: between 0 and 1, and 0.5 is a weight of zero
        picture = picture[..., 0]
        limits = limits or {"vmin": 0, "vmax": 1}
    axes.imshow(picture, cmap="gray", **(limits if is_grey else {}))
    axes.set_axis_off()


def _label(axes: "Axes", *lines: tuple[str, str]) -> None:
    """Short lines above a picture, each in its colour, the last one nearest to it."""
    for i, (text, color) in enumerate(reversed(lines)):
        place = {"xy": (0.5, 1.0), "xycoords": "axes fraction", "xytext": (0, 2 + 9 * i)}
        axes.annotate(
            text, **place, textcoords="offset points", ha="center", va="bottom", fontsize=7,
            color=color,
        )  # fmt: skip


def _name(found: Predictions, index: int) -> str:
    return plain(shorten(found.class_names[index].replace("_", " "), _NAME_LETTERS))


def _percent(share: float) -> str:
    """Never "100 %" for what is less."""
    return f"{100 * share:.0f} %" if share < 0.995 else f"{min(99.9, 100 * share):.1f} %"
