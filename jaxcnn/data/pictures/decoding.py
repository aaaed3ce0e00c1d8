"""Users' pictures: found in folders, decoded from any format and mode that Pillow reads, and fitted
to what a network takes. Training on a folder and prediction see a picture in the same way.
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

from jaxcnn.data.pictures.conversion import AS_EVER, PAGES, Reading, page_for, white_above
from jaxcnn.data.pictures.formats import open_picture
from jaxcnn.errors import UserError

# Pillow refuses above twice as many. Phones take 200 million pixels.
Image.MAX_IMAGE_PIXELS = 128_000_000
_LARGE = 89_000_000  # pixels
_GREY_MODES = ("1", "L", "LA", "La", "I", "F")
# Files and folders, in lower case, that Windows, macOS and network disks leave behind.
_LEFTOVERS = ("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "icon\r")


def read_picture(
    path: Path, mode: str, reading: Reading = AS_EVER, *, invert: bool = False
) -> Image.Image:
    """The picture, upright, in mode "L" or "RGB"; of an animation the first frame.

    Args:
      path: its file.
      mode: "L" or "RGB".
      reading: what white is in files of more than 8 bits, and the page behind what is transparent.
      invert: give the negative, on the same page.

    Raises:
      UserError: it cannot be read, or has more than 256 million pixels, which may be an attack.
    """
    with _opened(path) as picture:
        ImageOps.exif_transpose(picture, in_place=True)
        if _is_deep(picture):
            picture = Image.fromarray(reading.to_bytes(np.asarray(picture)))
        if picture.mode == "LAB":  # of which Pillow makes no grey
            picture = picture.convert("RGB")
        if picture.has_transparency_data:
            picture = picture.convert("RGBA")
            page = Image.new("RGBA", picture.size, reading.background(invert=invert))
            picture = Image.alpha_composite(page, picture)
        picture = picture.convert(mode)
        return ImageOps.invert(picture) if invert else picture


def find_reading(paths: Iterable[Path]) -> dict[str, Any]:
    """The rules that the pictures of a set need, for `Reading`: only files of more than 8 bits a
    pixel and those with transparent pixels are looked at.

    Raises:
      UserError: a file cannot be read.
    """
    highest, contrast = {}, dict.fromkeys(PAGES, 0.0)
    for path in paths:
        with _opened(path) as picture:
            if _is_deep(picture):
                pixels = np.asarray(picture)
                kind = "float_white" if pixels.dtype.kind == "f" else "integer_white"
                most = np.max(pixels, initial=0, where=np.isfinite(pixels))
                highest[kind] = max(highest.get(kind, 0), most)
            elif picture.has_transparency_data:
                for page, value in PAGES.items():
                    contrast[page] += _contrast_on(picture, value)
    whites = {
        kind: white_above(most, is_float=kind == "float_white") for kind, most in highest.items()
    }
    return whites | ({"page": page_for(contrast)} if any(contrast.values()) else {})


def _is_deep(picture: Image.Image) -> bool:
    return picture.mode.startswith("I") or picture.mode == "F"


def _contrast_on(picture: Image.Image, page: int) -> float:
    """The standard deviation of the grey values of a picture on a page, 0 where it is opaque."""
    picture = picture.convert("RGBA")
    picture.thumbnail((256, 256))
    grey, alpha = np.moveaxis(np.asarray(picture.convert("LA"), np.float32), -1, 0)
    if alpha.min() == 255:
        return 0.0
    return float((page + (grey - page) * alpha / 255).std())


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
            with open_picture(path) as picture:
                if math.prod(picture.size) > _LARGE:  # a JPEG is read at half its size
                    picture.draft(None, (picture.width // 2, picture.height // 2))
                yield picture
    except UserError:
        raise
    except Exception as error:  # Pillow's plug-ins raise all sorts on a damaged file
        raise UserError(f"{path} is not an image that can be read{_reason(error)}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return ""
    if isinstance(error, Image.DecompressionBombError):
        return f": {str(error).partition(',')[0]}; make it smaller"
    return f": {getattr(error, 'strerror', None) or error}"


def may_be_picture(path: Path | os.DirEntry) -> bool:
    """Whether a file or folder in a folder of pictures counts, by its name: hidden ones don't."""
    return not path.name.startswith(".") and path.name.casefold() not in _LEFTOVERS


def find_pictures(places: Iterable[Path]) -> Iterator[Path]:
    """The places themselves, and for a folder the files in it and below, sorted.

    Hidden files and folders are passed over. Links are followed, as in training; a folder that
    links lead to again is read once.
    """
    for place in places:
        if os.path.isdir(place):
            yield from sorted(_files_in(place))
        else:
            yield place


def _files_in(place: Path) -> Iterator[Path]:
    seen = {os.path.realpath(place)}
    for folder, subfolders, names in os.walk(place, followlinks=True):
        subfolders[:] = [
            name
            for name in sorted(subfolders)
            if may_be_picture(Path(name)) and _is_new(os.path.join(folder, name), seen)
        ]
        yield from filter(may_be_picture, (Path(folder, name) for name in names))


def _is_new(folder: str, seen: set[str]) -> bool:
    real = os.path.realpath(folder)
    is_new = real not in seen
    seen.add(real)
    return is_new
