"""Pictures of a dataset before training: its first images, its classes, an augmented batch."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jaxcnn.data.counts import class_counts, likeliest
from jaxcnn.data.dataset import Dataset
from jaxcnn.files.writing import writing_to
from jaxcnn.reporting.figures.style import BLUE, GRAY, ORANGE, SKY, new_figure, plain, styled
from jaxcnn.text import integer, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from jaxcnn.training.augmented_batch import AugmentedBatch

_FIRST = 16  # images, as in [homework], see docs/publications.md
_MOST_ROWS = 20  # a dataset of more classes gets one example of each
_EXAMPLES = 10  # of each class
_MOST_CLASSES = 100
_NAME_LETTERS = 13  # of a class name below an image
_WIDTH = 7.0  # inches
_COLORS = {"train": BLUE, "validation": SKY, "test": ORANGE}
_MOST_PAIRS, _PAIR_COLUMNS = 32, 8


@dataclasses.dataclass(frozen=True)
class Mosaic:
    """Images beside each other, with a white gap around each.

    Attributes:
      pixels: uint8 (height, width, channels).
      centers: of the images, float (n, 2), x and y in pixels.
      bottoms: the y of the lower edge of each image, float (n,).
      side: (height, width) of an image.
    """

    pixels: np.ndarray
    centers: np.ndarray
    bottoms: np.ndarray
    side: tuple[int, int]


def mosaic(images: np.ndarray, columns: int, gap: float, gap_below: float) -> Mosaic:
    """Return images row by row, in so many columns.

    Args:
      images: uint8 (n, height, width, channels).
      columns: images in a row.
      gap: between columns, as a share of an image's width.
      gap_below: below each row, as a share of an image's height.
    """
    height, width, channels = images.shape[1:]
    step_x, step_y = width + max(1, round(gap * width)), height + max(1, round(gap_below * height))
    rows = -(-len(images) // columns)
    pixels = np.full((rows * step_y, columns * step_x, channels), 255, np.uint8)
    corners = [(i % columns * step_x, i // columns * step_y) for i in range(len(images))]
    for image, (x, y) in zip(images, corners, strict=True):
        pixels[y : y + height, x : x + width] = image
    left_top = np.array(corners, float)
    half = np.array([width, height]) / 2 - 0.5
    return Mosaic(pixels, left_top + half, left_top[:, 1] + height - 0.5, (height, width))


def draw_dataset(dataset: Dataset, file: Path) -> None:
    """Draw one image with axes, the first 16, and examples of each class with their number.

    All are of the training split; the numbers are of each split. A dataset of more than 20 classes
    is shown with one example of each class, up to 100.

    Raises:
      UserError: the file cannot be written.
    """
    has_rows = dataset.num_classes <= _MOST_ROWS
    num_rows = min(dataset.num_classes, _MOST_CLASSES)
    height, width = dataset.image_shape[:2]
    below = (
        0.9 + 0.44 * num_rows * height / width
        if has_rows
        else 0.5 + (0.52 * height / width + 0.28) * -(-num_rows // _EXAMPLES)
    )
    with styled():
        figure = new_figure(_WIDTH, 3.1 + below)
        figure.suptitle(_title(dataset), fontsize=10)
        top, bottom = figure.subfigures(2, 1, height_ratios=[2.8, below])
        left, right = top.subplots(1, 2, width_ratios=[1, 1.35])
        _draw_one(left, dataset)
        _draw_first(right, dataset)
        axes = bottom.subplots()
        if has_rows:
            _draw_rows(axes, dataset)
        else:
            _draw_one_each(axes, dataset)
        with writing_to(file):
            figure.savefig(file)


def _title(dataset: Dataset) -> str:
    counts = ", ".join(
        f"{integer(len(split.labels))} {name}" for name, split in dataset.splits.items()
    )
    size = "×".join(map(str, dataset.image_shape))
    name = shorten(plain(dataset.name), 61)
    return f"{name}: {counts} images, {size}, {dataset.num_classes} classes"


def _draw_one(axes: "Axes", dataset: Dataset) -> None:
    train = dataset.splits["train"]
    label = likeliest(train.labels[:1])[0]
    show_pixels(axes, train.images[0])
    axes.set_title(f"the first image: {_name(dataset, label)}", fontsize=9)
    axes.set(xlabel="column (pixels)", ylabel="row (pixels)")
    axes.grid(False)
    axes.spines[:].set_visible(True)


def _draw_first(axes: "Axes", dataset: Dataset) -> None:
    train = dataset.splits["train"]
    images, labels = np.asarray(train.images[:_FIRST]), likeliest(train.labels[:_FIRST])
    tiles = mosaic(images, 4, 0.25, 0.3)
    _draw_tiles(axes, tiles, [_name(dataset, label) for label in labels])
    axes.set_title(f"the first {len(images)}", fontsize=9)


def _draw_tiles(axes: "Axes", tiles: Mosaic, names: Sequence[str]) -> None:
    """Draw a mosaic with a text below each image."""
    show_pixels(axes, tiles.pixels)
    axes.set_axis_off()
    for (x, _), y, name in zip(tiles.centers, tiles.bottoms, names, strict=True):
        axes.annotate(
            name, (x, y), (0, -1.5), textcoords="offset points", ha="center", va="top", fontsize=6.5
        )


def _draw_rows(axes: "Axes", dataset: Dataset) -> None:
    """Draw a row of examples for each class, and bars for the number of its images."""
    train = dataset.splits["train"]
    labels = likeliest(train.labels)
    blank = np.full(dataset.image_shape, 255, np.uint8)
    examples = []
    for number in range(dataset.num_classes):
        rows = np.flatnonzero(labels == number)[:_EXAMPLES]
        examples += [*train.images[rows], *[blank] * (_EXAMPLES - len(rows))]
    tiles = mosaic(np.stack(examples), _EXAMPLES, 0.08, 0.08)
    show_pixels(axes, tiles.pixels)
    centers = tiles.centers[::_EXAMPLES, 1]
    axes.set_yticks(centers, [_name(dataset, n, 23) for n in range(dataset.num_classes)])
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set_title(f"the first {_EXAMPLES} of each class, and the images per class", fontsize=9)
    _draw_counts(axes.inset_axes((1.03, 0, 0.45, 1), sharey=axes), dataset, centers)


def _draw_counts(axes: "Axes", dataset: Dataset, centers: np.ndarray) -> None:
    """Draw bars for the images of each class by split, at the height of the class's row."""
    counts = {
        name: class_counts(split.labels, dataset.num_classes)
        for name, split in dataset.splits.items()
    }
    step = centers[1] - centers[0]
    size = 0.8 * step / len(counts)
    for index, (name, numbers) in enumerate(counts.items()):
        places = centers + (index - (len(counts) - 1) / 2) * size
        bars = axes.barh(places, numbers, 0.85 * size, color=_COLORS.get(name, GRAY), label=name)
        texts = list(map(integer, numbers))
        axes.bar_label(bars, texts, padding=2, fontsize=6 if len(counts) < 3 else 5)
    axes.set_xlim(0, 1.25 * max(numbers.max() for numbers in counts.values()))
    axes.tick_params(labelleft=False, left=False, labelbottom=False, bottom=False)
    axes.grid(False)
    axes.spines["bottom"].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=3, fontsize=7)


def _draw_one_each(axes: "Axes", dataset: Dataset) -> None:
    """Draw the first example of each class, with its name and number of training images."""
    train = dataset.splits["train"]
    labels = likeliest(train.labels)
    counts = class_counts(train.labels, dataset.num_classes)
    shown = [n for n in range(dataset.num_classes) if counts[n]][:_MOST_CLASSES]
    images = np.stack([train.images[int(np.argmax(labels == number))] for number in shown])
    names = [_name(dataset, n, 11) for n in shown]
    if counts.min() == counts.max():
        numbers = f"{integer(counts[0])} training images each"
    else:
        names = [f"{name} {counts[n]:,}" for name, n in zip(names, shown, strict=True)]
        numbers = f"{integer(counts.min())} to {integer(counts.max())} training images each"
    _draw_tiles(axes, mosaic(images, _EXAMPLES, 0.3, 0.4), names)
    which = (
        "the classes" if len(shown) == dataset.num_classes else f"the first {len(shown)} classes"
    )
    axes.set_title(f"{which}, {numbers}", fontsize=9)


def draw_augmented(batch: "AugmentedBatch", class_names: Sequence[str], file: Path) -> None:
    """Draw the first 32 images of a training batch, each with its augmented version below it.

    Raises:
      UserError: the file cannot be written.
    """
    before, after = batch.before[:_MOST_PAIRS], batch.after[:_MOST_PAIRS]
    height, width = before.shape[1:3]
    gap = np.full((len(before), max(1, height // 16), *before.shape[2:]), 255, np.uint8)
    tiles = mosaic(np.concatenate([before, gap, after], axis=1), _PAIR_COLUMNS, 0.15, 0.18)
    texts = [_label(target, class_names) for target in batch.targets[:_MOST_PAIRS]]
    rows = -(-len(before) // _PAIR_COLUMNS)
    with styled():
        figure = new_figure(_WIDTH, 0.6 + 0.84 * rows * (2.4 * height / width))
        axes = figure.subplots()
        _draw_tiles(axes, tiles, texts)
        axes.set_title(
            f"the first {len(before)} of the {len(batch.before)} images of the first training "
            "batch; below each, its augmented version",
            fontsize=9,
        )
        with writing_to(file):
            figure.savefig(file)


def _label(target: np.ndarray, class_names: Sequence[str]) -> str:
    """Return the class of a target, or the two largest shares of a mixed one."""
    first, second = np.argsort(-target, kind="stable")[:2]
    if target[first] > 0.995:
        return plain(shorten(class_names[first].replace("_", " "), _NAME_LETTERS))
    return "\n".join(
        f"{100 * target[number]:.0f} % {plain(shorten(class_names[number], 9))}"
        for number in (first, second)
    )


def show_pixels(axes: "Axes", pixels: np.ndarray) -> None:
    """Draw uint8 pixels (height, width, 1 or 3) without smoothing."""
    gray = {"cmap": "gray", "vmin": 0, "vmax": 255} if pixels.shape[-1] == 1 else {}
    axes.imshow(pixels, interpolation="nearest", **gray)


def _name(dataset: Dataset, label: int, letters: int = _NAME_LETTERS) -> str:
    return plain(shorten(dataset.class_names[label].replace("_", " "), letters))
