"""Users' pictures: found in folders, decoded, and converted to 8 bits.

Any format and mode that Pillow reads will do. Training on a folder and prediction use the same
functions, so they see the same pixels.
"""

import contextlib
import math
import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from jaxcnn.data.pictures.conversion import (
    DEFAULT_CONVERSION,
    PAGES,
    Conversion,
    page_for,
    white_above,
)
from jaxcnn.data.pictures.formats import open_picture
from jaxcnn.errors import UserError

_MOST_PIXELS = 256_000_000  # phones take 200 million
_LARGE = 89_000_000  # pixels
_GRAY_MODES = ("1", "L", "LA", "La", "I", "F")
# files and folders, in lower case, that Windows, macOS and network disks leave behind
_LEFTOVERS = ("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "icon\r")
# suffixes of files that describe pictures, or that a camera's program writes
_TEXT_SUFFIXES = (
    *(".txt", ".xml", ".json", ".jsonl", ".csv", ".tsv", ".yaml", ".yml", ".md", ".html", ".htm"),
    *(".log", ".ini", ".db", ".pdf", ".url", ".xmp", ".aae"),
)


def read_picture(
    path: Path, mode: str, conversion: Conversion = DEFAULT_CONVERSION, *, invert: bool = False
) -> Image.Image:
    """Return a picture, upright; of an animation the first frame.

    Args:
      path: its file.
      mode: "L" or "RGB".
      conversion: the value of white in files of more than 8 bits, and the page behind transparent
        pixels.
      invert: return the negative, on the same page.

    Raises:
      UserError: it cannot be read, or has more than 256 million pixels, which may be an attack.
    """
    with opened(path) as picture:
        return to_mode(picture, mode, conversion, invert=invert)


def to_mode(
    picture: Image.Image,
    mode: str,
    conversion: Conversion = DEFAULT_CONVERSION,
    *,
    invert: bool = False,
) -> Image.Image:
    """Return an opened picture, upright, in a mode; see `read_picture`."""
    ImageOps.exif_transpose(picture, in_place=True)
    if _is_deep(picture):
        picture = Image.fromarray(conversion.to_bytes(np.asarray(picture)))
    if picture.mode == "LAB":  # Pillow does not convert it to gray
        picture = picture.convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        page = Image.new("RGBA", picture.size, conversion.background(invert=invert))
        picture = Image.alpha_composite(page, picture)
    picture = picture.convert(mode)
    return ImageOps.invert(picture) if invert else picture


def find_conversion(paths: Iterable[Path]) -> dict[str, Any]:
    """Return the fields of `Conversion` that the pictures of a set decide.

    Only files of more than 8 bits per pixel, and pictures with transparent pixels, decide any.

    Raises:
      UserError: a file cannot be read.
    """
    highest, contrast = {}, dict.fromkeys(PAGES, 0.0)
    for path in paths:
        with opened(path) as picture:
            if _is_deep(picture):
                pixels = np.asarray(picture)
                field = "float_white" if pixels.dtype.kind == "f" else "integer_white"
                most = np.max(pixels, initial=0, where=np.isfinite(pixels))
                highest[field] = max(highest.get(field, 0), most)
            elif picture.has_transparency_data:
                for page, value in PAGES.items():
                    contrast[page] += _contrast_on(picture, value)
    whites = {
        field: white_above(most, is_float=field == "float_white") for field, most in highest.items()
    }
    return whites | ({"page": page_for(contrast)} if any(contrast.values()) else {})


def _is_deep(picture: Image.Image) -> bool:
    """Return whether a picture has more than 8 bits per pixel."""
    return picture.mode.startswith("I") or picture.mode == "F"


def _contrast_on(picture: Image.Image, page: int) -> float:
    """Return the standard deviation of a picture's gray values on a page; 0 if it is opaque."""
    picture = picture.convert("RGBA")
    picture.thumbnail((256, 256))
    gray, alpha = np.moveaxis(np.asarray(picture.convert("LA"), np.float32), -1, 0)
    if alpha.min() == 255:
        return 0.0
    return float((page + (gray - page) * alpha / 255).std())


def is_gray(mode: str) -> bool:
    """Return whether one of Pillow's modes is gray; a palette counts as colored."""
    return mode.split(";")[0] in _GRAY_MODES


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture; any error of the block is one line that names the file."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise UserError(f"{path} is not a file")  # opening a named pipe would wait for its writer
    try:
        with pixel_limit(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about damage that leaves the picture readable
            with open_picture(path) as picture:
                if math.prod(picture.size) > _LARGE:  # a JPEG is then read at half its size
                    picture.draft(None, (picture.width // 2, picture.height // 2))
                yield picture
    except UserError:
        raise
    except Exception as error:  # Pillow's plug-ins raise any exception on a damaged file
        raise UserError(f"{path} is not an image that can be read{_reason(error)}") from error


@contextlib.contextmanager
def pixel_limit() -> Iterator[None]:
    """Let Pillow read up to `_MOST_PIXELS` pixels; it refuses above twice `MAX_IMAGE_PIXELS`.

    The limit is Pillow's global variable. It has its old value again after the block. A program
    that reads pictures in several threads enters the block once around all of them.
    """
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = _MOST_PIXELS // 2
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return ""
    if isinstance(error, Image.DecompressionBombError):
        return f": {str(error).partition(',')[0]}; make it smaller"
    return f": {getattr(error, 'strerror', None) or error}"


def may_be_picture(path: Path | os.DirEntry) -> bool:
    """Return whether the name of a file or folder is neither hidden nor a system's leftover."""
    return not path.name.startswith(".") and path.name.casefold() not in _LEFTOVERS


def is_text(name: str) -> bool:
    """Return whether a file's name is that of a text about pictures, such as labels.csv."""
    return name.casefold().endswith(_TEXT_SUFFIXES)


def find_pictures(places: Iterable[Path]) -> Iterator[Path]:
    """Yield each place, or for a folder the files in it and below it, sorted.

    Hidden files and folders, and texts such as labels.csv, are skipped. Links are followed, as in
    training; a folder that several links lead to is read once.
    """
    for place in places:
        if os.path.isdir(place):
            yield from sorted(_files_in(place))
        else:
            yield place


def _files_in(place: Path) -> Iterator[Path]:
    visited = {os.path.realpath(place)}
    for folder, subfolders, names in os.walk(place, followlinks=True):
        subfolders[:] = [
            name
            for name in sorted(subfolders)
            if may_be_picture(Path(name)) and _is_new(os.path.join(folder, name), visited)
        ]
        files = (Path(folder, name) for name in names if not is_text(name))
        yield from filter(may_be_picture, files)


def _is_new(folder: str, visited: set[str]) -> bool:
    real = os.path.realpath(folder)
    is_new = real not in visited
    visited.add(real)
    return is_new
