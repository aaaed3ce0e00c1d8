"""How a set's pictures become 8 bits: rules that are found once, over its training pictures.

They are kept with the set and with each run that trains on it, so that prediction reads as the
training did. No image library is needed here.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

PAGES = {"white": 255, "black": 0}
_DEPTHS = (8, 10, 12, 14, 16)  # bits a pixel, of cameras and files
_WHITES = tuple(2**bits - 1 for bits in _DEPTHS)
_DARK = 64  # a border below it is that of a black page


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a picture file does not say itself.

    Attributes:
      page: the color behind transparent pixels, "white" or "black".
      integer_white: the value of white in files of 16 or 32 bits a pixel, 255 to 65,535; None
        where the set has no such file: 65,535, but 255 for 32 bits that go no higher.
      float_white: the same of files of floating-point numbers, where 1 is allowed too; None: the
        smallest of 1, 255 and 65,535 that the picture itself does not exceed.

    Raises:
      ValueError: a value that is not allowed.
    """

    page: str = "white"
    integer_white: int | None = None
    float_white: int | None = None

    def __post_init__(self) -> None:
        if (
            self.page not in PAGES
            or self.integer_white not in (None, *_WHITES)
            or self.float_white not in (None, 1, *_WHITES)
        ):
            raise ValueError(f"no way to read pictures: {dataclasses.asdict(self)}")

    def background(self, *, invert: bool) -> str:
        """The page to draw on; of a picture that is inverted after that, the other one."""
        return "black" if (self.page == "black") != invert else "white"

    def to_bytes(self, pixels: np.ndarray) -> np.ndarray:
        """Grey values of more than 8 bits as uint8; what is above white is white."""
        found = self.float_white if pixels.dtype.kind == "f" else self.integer_white
        white = found or _white_of(pixels)
        scale = 255 if white == 1 else 256 / (white + 1)
        return np.nan_to_num(pixels * scale).clip(0, 255).astype(np.uint8)


AS_EVER = Reading()  # that of sets and runs without rules


def _white_of(pixels: np.ndarray) -> int:
    """The value of white of one picture that is read for itself."""
    highest = pixels.max(initial=0)
    if pixels.dtype.kind == "f" and highest <= 1:
        return 1
    return 255 if pixels.dtype.kind != "u" and highest < 256 else _WHITES[-1]


def white_above(highest: float, *, is_float: bool) -> int:
    """The value of white for a set whose pixels go up to `highest`, by the usual depths."""
    whites = (1, *_WHITES) if is_float else _WHITES
    return next((white for white in whites if highest <= white), _WHITES[-1])


def page_for(contrast: Mapping[str, float]) -> str:
    """White, the usual page, but where the pictures show at least twice the contrast on black."""
    return "black" if contrast["black"] > 2 * contrast["white"] else "white"


def page_like(border: float) -> str:
    """The page for a set that has no transparent pictures itself: black where its pictures' usual
    border, 0 to 255, is dark, else white."""
    return "black" if border < _DARK else "white"


def describe_rules(rules: Mapping[str, Any]) -> str:
    """The rules of a set in words."""
    words = {
        "page": "{} behind transparent pixels",
        "integer_white": "files of 16 or 32 bits hold values up to {:,}",
        "float_white": "files of floating-point numbers hold values up to {:,}",
    }
    return "; ".join(words[name].format(rule) for name, rule in rules.items())
