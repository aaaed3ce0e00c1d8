"""Users' pictures: found in folders, decoded from any format and mode that Pillow reads, and fitted
to what a network takes. Training on a folder and prediction see a picture in the same way.
"""

import contextlib
import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from jaxcnn.errors import UserError

_GREY_MODES = ("1", "L", "LA", "La", "I", "F")
# Files and folders, in lower case, that Windows, macOS and network disks leave behind.
_LEFTOVERS = ("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "icon\r")


def read_picture(path: Path, mode: str) -> Image.Image:
    """The picture, upright, in mode "L" or "RGB"; of an animation the first frame.

    What is transparent becomes white, the page that such pictures are drawn for.

    Raises:
      UserError: it cannot be read, or is so large that it may be an attack (Pillow's limit, 89
        million pixels).
    """
    with _opened(path) as opened:
        picture = ImageOps.exif_transpose(opened)
        if picture.mode.startswith("I") or picture.mode == "F":
            picture = Image.fromarray(_to_bytes(np.asarray(picture)))
        if picture.mode == "LAB":  # of which Pillow makes no grey
            picture = picture.convert("RGB")
        if picture.has_transparency_data:
            picture = picture.convert("RGBA")
            page = Image.new("RGBA", picture.size, "white")
            picture = Image.alpha_composite(page, picture)
        return picture.convert(mode)


def _to_bytes(pixels: np.ndarray) -> np.ndarray:
    """Grey values of more than 8 bits as uint8. Pillow would cut off what is above 255; 16 bits
    are taken for 0…65,535, floats up to 1 for 0…1, what else lies below 256 for 0…255."""
    highest = pixels.max(initial=0)
    if pixels.dtype.kind == "f":
        scale = 255 if highest <= 1 else 1 if highest < 256 else 1 / 256
    else:
        scale = 1 if pixels.dtype == np.int32 and highest < 256 else 1 / 256
    return np.nan_to_num(pixels * scale).clip(0, 255).astype(np.uint8)


def fit(picture: Image.Image, image_shape: tuple[int, int, int]) -> np.ndarray:
    """The largest centred part of the picture that has the shape's proportions, resized.

    Bilinear, antialiased where it shrinks: uint8 (height, width, channels).
    """
    height, width, channels = image_shape
    fitted = ImageOps.fit(picture, (width, height), Image.Resampling.BILINEAR)
    return np.asarray(fitted).reshape(height, width, channels)


def is_grey(path: Path) -> bool:
    """Whether the picture has no colours to lose; a palette counts as colours.

    Raises:
      UserError: it cannot be read.
    """
    with _opened(path) as picture:
        return picture.mode.split(";")[0] in _GREY_MODES


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    if os.path.exists(path) and not os.path.isfile(path):
        raise UserError(f"{path} is not a file")  # a named pipe would keep us waiting
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damage that a picture can be read in spite of
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                yield picture
    except Exception as error:  # Pillow's plug-ins raise all sorts on a damaged file
        raise UserError(f"{path} is not an image that can be read{_reason(error)}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return ""
    return f": {getattr(error, 'strerror', None) or error}"


def may_be_picture(path: Path | os.DirEntry) -> bool:
    """Whether a file or folder in a folder of pictures counts, by its name: hidden ones don't."""
    return not path.name.startswith(".") and path.name.casefold() not in _LEFTOVERS


def find_pictures(places: Iterable[Path]) -> Iterator[Path]:
    """The places themselves, and for a folder the files in it and below, sorted.

    Hidden files and folders are passed over, and so are links that lead out of the folder.
    """
    for place in places:
        if os.path.isdir(place):
            yield from sorted(_files_in(place))
        else:
            yield place


def _files_in(place: Path) -> Iterator[Path]:
    root = os.path.realpath(place)
    for folder, subfolders, names in os.walk(place):
        subfolders[:] = [name for name in subfolders if may_be_picture(Path(name))]
        for path in (Path(folder, name) for name in names):
            if may_be_picture(path) and Path(os.path.realpath(path)).is_relative_to(root):
                yield path
