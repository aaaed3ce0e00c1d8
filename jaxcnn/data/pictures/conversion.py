"""Conversion of pictures to 8 bits and to the image shape, decided once by the training pictures.

The set keeps the conversion, and so does each run that trains on it: prediction converts pictures
as training did. No image library is needed here.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxcnn.config.rules import FIT

PAGES = {"white": 255, "black": 0}
_DEPTHS = (8, 10, 12, 14, 16)  # bits per pixel of cameras and files
_WHITES = tuple(2**bits - 1 for bits in _DEPTHS)
_DARK = 64  # borders below this are those of a black page


@dataclasses.dataclass(frozen=True)
class Conversion:
    """The facts that a picture file leaves open.

    Attributes:
      page: the color behind transparent pixels, "white" or "black".
      integer_white: the value of white in files of 16 or 32 bits per pixel, 255 to 65,535. None
        means 65,535, or 255 for pictures of 32 bits without higher values.
      float_white: the value of white in files of floating-point numbers, 1 or 255 to 65,535. None
        means the smallest of 1, 255 and 65,535 that the picture does not exceed.
      fit: how a picture is fitted to the image shape, see `fitting.py`.

    Raises:
      ValueError: a value is not allowed.
    """

    page: str = "white"
    integer_white: int | None = None
    float_white: int | None = None
    fit: str = "crop"

    def __post_init__(self) -> None:
        if (
            self.page not in PAGES
            or self.integer_white not in (None, *_WHITES)
            or self.float_white not in (None, 1, *_WHITES)
            or not FIT.holds(self.fit)
        ):
            raise ValueError(f"pictures cannot be converted by {dataclasses.asdict(self)}")

    def background(self, *, invert: bool) -> str:
        """Return the page, or its opposite for a picture that is inverted afterwards."""
        return "black" if (self.page == "black") != invert else "white"

    def to_bytes(self, pixels: np.ndarray) -> np.ndarray:
        """Return gray values of more than 8 bits as uint8; values above white become white."""
        set_white = self.float_white if pixels.dtype.kind == "f" else self.integer_white
        white = set_white or _white_of(pixels)
        scale = 255 if white == 1 else 256 / (white + 1)
        return np.nan_to_num(pixels * scale).clip(0, 255).astype(np.uint8)


DEFAULT_CONVERSION = Conversion()  # of sets and runs that recorded none


def _white_of(pixels: np.ndarray) -> int:
    """Return the value of white of a single picture, without knowledge of its set."""
    highest = np.max(pixels, initial=0, where=np.isfinite(pixels))
    if pixels.dtype.kind == "f" and highest <= 1:
        return 1
    return 255 if pixels.dtype.kind != "u" and highest < 256 else _WHITES[-1]


def white_above(highest: float, *, is_float: bool) -> int:
    """Return the value of white of a set with pixels up to `highest`, from the usual depths."""
    whites = (1, *_WHITES) if is_float else _WHITES
    return next((white for white in whites if highest <= white), _WHITES[-1])


def page_for(contrast: Mapping[str, float]) -> str:
    """Return "black" if the pictures have over twice the contrast on it; else "white", the usual.

    Args:
      contrast: summed standard deviations of the pictures on each page.
    """
    return "black" if contrast["black"] > 2 * contrast["white"] else "white"


def page_like(border: float) -> str:
    """Return the page for a set without transparent pictures: "black" if its borders are dark.

    Args:
      border: the usual brightness of its pictures' borders, 0 to 255.
    """
    return "black" if border < _DARK else "white"


def describe_conversion(conversion: Mapping[str, Any]) -> str:
    """Return the fields of a set's conversion in words."""
    words = {
        "page": "{} behind transparent pixels",
        "integer_white": "files of 16 or 32 bits hold values up to {:,}",
        "float_white": "files of floating-point numbers hold values up to {:,}",
    }
    return "; ".join(words[name].format(value) for name, value in conversion.items())
