"""Pictures of a dataset before training: its first images, its classes, an augmented batch."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jaxcnn.data.counts import class_counts, likeliest
from jaxcnn.data.dataset import Dataset
from jaxcnn.files.writing import writing_to
from jaxcnn.reporting.figures.grids import pick_images
from jaxcnn.reporting.figures.style import (
    BLUE,
    GRAY,
    ORANGE,
    SKY,
    class_text,
    new_figure,
    plain,
    styled,
)
from jaxcnn.text import integer, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from jaxcnn.training.augmented_batch import AugmentedBatch

_MOST_ROWS = 20  # a dataset of more classes gets one example of each
_EXAMPLES = 10  # of each class
_MOST_CLASSES = 100
_NAME_LETTERS = 13  # of a class name below an image
_MIXED_LETTERS = 11  # of a class name after its share of a mixed label
_TITLE_LETTERS = 61  # of the dataset's name
_WIDTH = 7.0  # inches
_COLORS = {"train": BLUE, "validation": SKY, "test": ORANGE}
_MOST_PAIRS, _PAIR_COLUMNS = 32, 8


@dataclasses.dataclass(frozen=True)
class Mosaic:
    """Images beside each other, with a white gap around each.

    Attributes:
      pixels: uint8 (height, width, channels).
      centers: the centers of the images, float (n, 2), x and y in pixels.
      bottoms: the y of the lower edge of each image, float (n,).
      texts: the text below each image; () for none.
    """

    pixels: np.ndarray
    centers: np.ndarray
    bottoms: np.ndarray
    texts: Sequence[str]


def mosaic(
    images: np.ndarray, columns: int, gap: float, gap_below: float, texts: Sequence[str] = ()
) -> Mosaic:
    """Return a mosaic of the images, row by row.

    Args:
      images: uint8 (n, height, width, channels).
      columns: images in a row.
      gap: between columns, as a share of an image's width.
      gap_below: below each row, as a share of an image's height.
      texts: see `Mosaic`.
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
    return Mosaic(pixels, left_top + half, left_top[:, 1] + height - 0.5, texts)


def draw_dataset(dataset: Dataset, file: Path) -> None:
    """Draw one image with axes, 16 images, and examples of each class with their number.

    The images are of the training split: the first 16, or 16 from all of it if it is sorted by
    class. The numbers are given for every split. A dataset of more than 20 classes shows one
    example of each class, up to 100 classes.

    Raises:
      UserError: the file cannot be written.
    """
    has_rows = dataset.num_classes <= _MOST_ROWS
    first, title = _first_tiles(dataset)
    classes = _row_tiles(dataset) if has_rows else _tiles(dataset)
    width = 4.1 if has_rows else 6.5
    top, bottom = 2.85 * _proportion(first.pixels), width * _proportion(classes.pixels)
    height = 0.55 + top + 0.45 + bottom + 0.3
    with styled():
        figure = new_figure(_WIDTH, height)
        figure.set_layout_engine("none")  # the sizes are known, and every axes has its own form

        def place(left: float, below: float, width: float, size: float) -> "Axes":
            """Return axes at a place, in inches from the upper left corner."""
            bounds = (left / _WIDTH, 1 - (below + size) / height, width / _WIDTH, size / height)
            return figure.add_axes(bounds)

        figure.text(0.5, 1 - 0.1 / height, _title(dataset), ha="center", va="top", fontsize=10)
        side = 2.3 * _proportion(dataset.splits["train"].images[0])
        _draw_one(place(0.7, 0.6, 2.3, side), dataset)
        draw_tiles(place(3.75, 0.6, 2.85, top), first, title)
        below = 0.55 + top + 0.45
        if has_rows:
            _draw_rows(place(1.3, below, 4.1, bottom), classes, dataset)
            _draw_counts(place(5.5, below, 1.4, bottom), classes, dataset)
        else:
            draw_tiles(place(0.3, below, 6.5, bottom), classes, _title_of_tiles(dataset, classes))
        with writing_to(file):
            figure.savefig(file)


def _proportion(pixels: np.ndarray) -> float:
    return pixels.shape[0] / pixels.shape[1]


def _title(dataset: Dataset) -> str:
    counts = ", ".join(
        f"{integer(len(split.labels))} {name}" for name, split in dataset.splits.items()
    )
    size = "×".join(map(str, dataset.image_shape))
    name = plain(shorten(dataset.name, _TITLE_LETTERS))
    return f"{name}: {counts} images, {size}, {dataset.num_classes} classes"


def _draw_one(axes: "Axes", dataset: Dataset) -> None:
    train = dataset.splits["train"]
    label = likeliest(train.labels[:1])[0]
    show_pixels(axes, train.images[0])
    axes.set_title(f"the first image: {_name(dataset, label)}", fontsize=9)
    axes.set(xlabel="column (pixels)", ylabel="row (pixels)")
    axes.grid(False)
    axes.spines[:].set_visible(True)


def _first_tiles(dataset: Dataset) -> tuple[Mosaic, str]:
    """Return 16 images, and a title for them."""
    train = dataset.splits["train"]
    labels = likeliest(train.labels)
    shown, title = pick_images(labels)
    names = [_name(dataset, label) for label in labels[shown]]
    return mosaic(train.images[shown], 4, 0.25, 0.3, names), title


def _row_tiles(dataset: Dataset) -> Mosaic:
    """Return a row of examples for each class, filled up with white if it has too few."""
    train = dataset.splits["train"]
    labels = likeliest(train.labels)
    blank = np.full(dataset.image_shape, 255, np.uint8)
    examples = []
    for number in range(dataset.num_classes):
        rows = np.flatnonzero(labels == number)[:_EXAMPLES]
        examples += [*train.images[rows], *[blank] * (_EXAMPLES - len(rows))]
    return mosaic(np.stack(examples), _EXAMPLES, 0.08, 0.08)


def _tiles(dataset: Dataset) -> Mosaic:
    """Return the first example of each class, up to 100, with the number of training images."""
    train = dataset.splits["train"]
    labels = likeliest(train.labels)
    counts = class_counts(train.labels, dataset.num_classes)
    shown = np.flatnonzero(counts)[:_MOST_CLASSES]
    images = np.stack([train.images[int(np.argmax(labels == number))] for number in shown])
    names = [_name(dataset, number) for number in shown]
    are_unequal = counts.min() < counts.max()
    if are_unequal:
        names = [f"{name}\n{integer(counts[n])}" for name, n in zip(names, shown, strict=True)]
    return mosaic(images, _EXAMPLES, 0.3, 0.5 if are_unequal else 0.3, names)


def _title_of_tiles(dataset: Dataset, tiles: Mosaic) -> str:
    counts = class_counts(dataset.splits["train"].labels, dataset.num_classes)
    low, high = counts.min(), counts.max()
    numbers = integer(low) if low == high else f"{integer(low)} to {integer(high)}"
    count = len(tiles.texts)
    which = "" if count == dataset.num_classes else f", {count} of {dataset.num_classes}"
    return f"one image of each class{which}; {numbers} training images in a class"


def draw_tiles(axes: "Axes", tiles: Mosaic, title: str) -> None:
    """Draw a mosaic with a text below each image."""
    show_pixels(axes, tiles.pixels)
    axes.set_axis_off()
    axes.set_title(title, fontsize=9)
    for (x, _), y, text in zip(tiles.centers, tiles.bottoms, tiles.texts, strict=True):
        axes.annotate(
            text, (x, y), (0, -1.5), textcoords="offset points", ha="center", va="top", fontsize=6.5
        )


def _draw_rows(axes: "Axes", tiles: Mosaic, dataset: Dataset) -> None:
    """Draw the rows of examples, with the names of the classes beside them."""
    show_pixels(axes, tiles.pixels)
    names = [_name(dataset, number) for number in range(dataset.num_classes)]
    axes.set_yticks(tiles.centers[::_EXAMPLES, 1], names)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set_title(f"the first {_EXAMPLES} of each class", fontsize=9)


def _draw_counts(axes: "Axes", tiles: Mosaic, dataset: Dataset) -> None:
    """Draw bars for the images of each class by split, at the height of the class's row."""
    centers = tiles.centers[::_EXAMPLES, 1]
    counts = {
        name: class_counts(split.labels, dataset.num_classes)
        for name, split in dataset.splits.items()
    }
    size = 0.8 * (centers[1] - centers[0]) / len(counts)
    for index, (name, numbers) in enumerate(counts.items()):
        places = centers + (index - (len(counts) - 1) / 2) * size
        bars = axes.barh(places, numbers, 0.85 * size, color=_COLORS.get(name, GRAY), label=name)
        texts = list(map(integer, numbers))
        axes.bar_label(bars, texts, padding=2, fontsize=6 if len(counts) < 3 else 5)
    axes.set_xlim(0, 1.35 * max(numbers.max() for numbers in counts.values()))
    axes.set_ylim(len(tiles.pixels) - 0.5, -0.5)  # as in the picture beside it
    axes.tick_params(labelleft=False, left=False, labelbottom=False, bottom=False)
    axes.grid(False)
    axes.spines["bottom"].set_visible(False)
    axes.set_title("images per class", fontsize=9)
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, 0), ncols=3, fontsize=6, handlelength=1,
        columnspacing=1, handletextpad=0.4,
    )  # fmt: skip


def draw_augmented(batch: "AugmentedBatch", class_names: Sequence[str], file: Path) -> None:
    """Draw the first 32 images of a training batch, each with its augmented version below it.

    Raises:
      UserError: the file cannot be written.
    """
    before, after = batch.before[:_MOST_PAIRS], batch.after[:_MOST_PAIRS]
    height = before.shape[1]
    gap = np.full((len(before), max(1, height // 16), *before.shape[2:]), 255, np.uint8)
    texts = [_label(target, class_names) for target in batch.targets[:_MOST_PAIRS]]
    pairs = np.concatenate([before, gap, after], axis=1)
    tiles = mosaic(pairs, _PAIR_COLUMNS, 0.15, 0.28, texts)
    title = (
        f"the first {len(before)} of the {len(batch.before)} images of the first training batch; "
        "below each, its augmented version"
    )
    with styled():
        figure = new_figure(_WIDTH, 0.3 + _WIDTH * _proportion(tiles.pixels))
        draw_tiles(figure.subplots(), tiles, title)
        with writing_to(file):
            figure.savefig(file)


def _label(target: np.ndarray, class_names: Sequence[str]) -> str:
    """Return the class of a target, or the two largest shares of a mixed one."""
    first, second = np.argsort(-target, kind="stable")[:2]
    if target[first] > 0.995:
        return class_text(class_names[first], _NAME_LETTERS)
    return "\n".join(
        f"{100 * target[number]:.0f} % {class_text(class_names[number], _MIXED_LETTERS)}"
        for number in (first, second)
    )


def show_pixels(axes: "Axes", pixels: np.ndarray) -> None:
    """Draw uint8 pixels (height, width, 1 or 3) without smoothing."""
    gray = {"cmap": "gray", "vmin": 0, "vmax": 255} if pixels.shape[-1] == 1 else {}
    axes.imshow(pixels, interpolation="nearest", **gray)


def _name(dataset: Dataset, label: int) -> str:
    return class_text(dataset.class_names[label], _NAME_LETTERS)
