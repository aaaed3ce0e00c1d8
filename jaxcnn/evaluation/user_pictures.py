"""A user's pictures as a trained network takes them, and a warning of those it cannot know."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.data.pictures.decoding import fit, read_picture
from jaxcnn.data.pictures.statistics import find_unusual
from jaxcnn.errors import UserError
from jaxcnn.evaluation.trained import Trained
from jaxcnn.text import some_names

_TRIED = 100  # pictures that are read again, inverted


def read_pictures(
    trained: Trained, paths: Iterable[Path], *, invert: bool = False
) -> tuple[list[Path], np.ndarray, dict[Path, UserError]]:
    """The files that are pictures, these as uint8 (n, height, width, channels), read as those of
    the training, and what is wrong with the other files."""
    images, skipped = {}, {}
    for path in paths:
        try:
            images[path] = _read(trained, path, invert)
        except UserError as error:
            skipped[path] = error
    pixels = np.array([*images.values()], np.uint8).reshape(-1, *trained.image_shape)
    return list(images), pixels, skipped


def _read(trained: Trained, path: Path, invert: bool) -> np.ndarray:
    mode = "L" if trained.image_shape[-1] == 1 else "RGB"
    picture = read_picture(path, mode, trained.conversion, invert=invert)
    return fit(picture, trained.image_shape)


def find_warnings(
    trained: Trained, paths: Sequence[Path], images: np.ndarray, *, invert: bool = False
) -> list[dict[str, Any]]:
    """Which pictures are constant or far from the training pictures, for people and for JSON.

    Returns:
      `files`, the names of pictures that are unusual in the same way, and `warning`, the way.
    """
    found = find_unusual(images, trained.picture_statistics)
    return [
        {
            "files": [str(paths[index]) for index in where],
            "warning": words + _advice(trained, [paths[index] for index in where], invert),
        }
        for words, where in found.items()
    ]


def _advice(trained: Trained, paths: Sequence[Path], invert: bool) -> str:
    """To invert the pictures, or not to, where that makes most of them usual."""
    if trained.picture_statistics is None:
        return ""
    tried = np.stack([_read(trained, path, not invert) for path in paths[:_TRIED]])
    unusual = find_unusual(tried, trained.picture_statistics)
    if sum(map(len, unusual.values())) > len(tried) / 2:
        return ""
    return "; try without --invert" if invert else "; try --invert"


def in_words(warning: dict[str, Any], num_pictures: int) -> str:
    """A warning in one line, with the names of a few files."""
    count = len(warning["files"])
    which = some_names(warning["files"])
    if count > 1:
        which = f"{count:,} of {num_pictures:,} pictures ({which})"
    return f"warning: {which}: {warning['warning']}"
