"""Small pictures of a dataset's files: of each class, as they are fitted, and copies."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from jaxcnn.data.pictures.decoding import read_picture
from jaxcnn.data.pictures.fitting import fit
from jaxcnn.data.pictures.survey import PictureFile
from jaxcnn.reporting.figures.dataset_pictures import draw_tiles, mosaic
from jaxcnn.reporting.figures.style import class_text, new_figure, plain, save, styled
from jaxcnn.text import shorten

METHODS = ("crop", "stretch", "pad", "pad:edge")
_SIDE = 96  # pixels of a small picture
_WHOLE = "pad:#ffffff"  # the whole picture, on white
_WIDTH = 7.0  # inches
_COLUMNS = 10
_MOST_COPIES, _COPY_COLUMNS = 5, 9
_NAME_LETTERS, _CLASS_LETTERS = 15, 13


def draw_examples(entries: Sequence[PictureFile], stem: Path) -> None:
    """Draw pictures, ten in a row, each with its class."""
    images = np.stack([_small(entry.path, _WHOLE) for entry in entries])
    texts = [class_text(entry.class_name, _CLASS_LETTERS) for entry in entries]
    _draw(images, texts, _COLUMNS, stem)


def draw_fits(
    entries: Sequence[PictureFile], chosen: str, image_size: tuple[int, int], stem: Path
) -> None:
    """Draw whole pictures, and each as every method fits it, in a row.

    Args:
      entries: the pictures.
      chosen: the method that the dataset has, first after the whole picture.
      image_size: height and width of the fitted images.
      stem: of the file.
    """
    methods = [chosen, *(method for method in METHODS if method != chosen)]
    images, texts = [], []
    for entry in entries:
        images.append(_small(entry.path, _WHOLE))
        texts.append(_name(entry))
        for method in methods:
            images.append(_small(entry.path, method, image_size))
            texts.append(f"{method} (chosen)" if method == chosen else method)
    _draw(np.stack(images), texts, len(methods) + 1, stem)


def draw_copies(groups: Sequence[Sequence[PictureFile]], stem: Path) -> None:
    """Draw groups of copies, the first five pictures of each, with a gap between the groups."""
    white = np.full((_SIDE, _SIDE, 3), 255, np.uint8)
    width = min(_MOST_COPIES, max(map(len, groups)))
    images, texts = [], []
    for group in groups:
        shown = group[:width]
        blank = width + 1 - len(shown)
        images += [*(_small(entry.path, _WHOLE) for entry in shown), *[white] * blank]
        texts += [f"{_name(entry)}\n{entry.split}, {_class(entry)}" for entry in shown]
        texts += [""] * blank
    _draw(np.stack(images), texts, (width + 1) * max(1, _COPY_COLUMNS // (width + 1)), stem)


def _small(path: Path, method: str, image_size: tuple[int, int] | None = None) -> np.ndarray:
    """Return a small picture, uint8 (96, 96, 3), of the file or of its fitted image."""
    picture = read_picture(path, "RGB")
    if image_size is not None:
        picture = Image.fromarray(fit(picture, (*image_size, 3), method))
        width, height = (max(1, side * _SIDE // max(picture.size)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.NEAREST)
    return fit(picture, (_SIDE, _SIDE, 3), _WHOLE)


def _draw(images: np.ndarray, texts: Sequence[str], columns: int, stem: Path) -> None:
    lines = max(text.count("\n") + 1 for text in texts)
    side = _WIDTH / columns  # inches
    tiles = mosaic(images, columns, 0.12, 0.04 + 0.16 * lines / side, texts)
    height, width = tiles.pixels.shape[:2]
    with styled():
        figure = new_figure(_WIDTH, 0.1 + _WIDTH * height / width)
        draw_tiles(figure.subplots(), tiles, "")
        save(figure, stem)


def _name(entry: PictureFile) -> str:
    return plain(shorten(entry.name, _NAME_LETTERS))


def _class(entry: PictureFile) -> str:
    return class_text(entry.class_name, _CLASS_LETTERS)
