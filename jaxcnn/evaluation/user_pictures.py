"""A user's pictures as the network's input, and warnings of unusual ones."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcnn.data.pictures.decoding import read_picture
from jaxcnn.data.pictures.fitting import fit
from jaxcnn.data.pictures.statistics import find_unusual
from jaxcnn.errors import UserError
from jaxcnn.text import some_names

if TYPE_CHECKING:
    from jaxcnn.evaluation.trained import Trained

_NUM_TRIED = 100  # pictures that are read again, inverted


def read_pictures(
    trained: "Trained", paths: Iterable[Path], *, invert: bool = False
) -> tuple[list[Path], np.ndarray, dict[Path, UserError]]:
    """Read pictures in the same way as those of the training.

    Returns:
      The files that are pictures; their pixels, uint8 (n, height, width, channels); and the error
      for each of the other files.

    Raises:
      UserError: the network takes neither gray nor color images.
    """
    channels = trained.image_shape[-1]
    if channels not in (1, 3):
        raise UserError(
            f"the network takes images of {channels} channels, and pictures have 1 or 3; give an "
            "array from Python"
        )
    read, images, skipped = [], [], {}
    for path in paths:
        try:
            images.append(_read(trained, path, invert))
            read.append(path)  # a picture that is named twice has two rows
        except UserError as error:
            skipped[path] = error
    pixels = np.array(images, np.uint8).reshape(-1, *trained.image_shape)
    return read, pixels, skipped


def _read(trained: "Trained", path: Path, invert: bool) -> np.ndarray:
    mode = "L" if trained.image_shape[-1] == 1 else "RGB"
    picture = read_picture(path, mode, trained.conversion, invert=invert)
    return fit(picture, trained.image_shape, trained.conversion.fit)


def find_warnings(
    trained: "Trained", paths: Sequence[Path], images: np.ndarray, *, invert: bool = False
) -> list[dict[str, Any]]:
    """Find pictures of one color, and pictures far from the training pictures.

    Returns:
      For each kind a dict for JSON: `files`, the names of the pictures, and `warning`, a sentence.
    """
    unusual = find_unusual(images, trained.picture_statistics)
    return [
        {
            "files": [str(paths[index]) for index in indices],
            "warning": text + _advice(trained, [paths[index] for index in indices], invert),
        }
        for text, indices in unusual.items()
    ]


def _advice(trained: "Trained", paths: Sequence[Path], invert: bool) -> str:
    """Advise to change `--invert`, if most of the pictures are usual that way."""
    if trained.picture_statistics is None:
        return ""
    tried = np.stack([_read(trained, path, not invert) for path in paths[:_NUM_TRIED]])
    unusual = find_unusual(tried, trained.picture_statistics)
    if sum(map(len, unusual.values())) > len(tried) / 2:
        return ""
    return "; try without --invert" if invert else "; try --invert"


def warning_line(warning: dict[str, Any], num_pictures: int) -> str:
    """Return a warning of `find_warnings` as one line, with the names of a few files."""
    count = len(warning["files"])
    names = some_names(warning["files"])
    if count > 1:
        names = f"{count:,} of {num_pictures:,} pictures ({names})"
    return f"warning: {names}: {warning['warning']}"
