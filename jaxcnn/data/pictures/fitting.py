"""Fitting a picture of any size to the image shape of a network.

`crop` takes the largest centered part with the shape's proportions. `stretch` changes the
proportions. `pad` keeps the whole picture, and fills the borders with black, `pad:#rrggbb` with a
color, and `pad:edge` with the picture's outermost pixels. All resize bilinearly, antialiased where
the picture shrinks.
"""

from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageColor, ImageOps

_BLACK = "#000000"


class Frame(NamedTuple):
    """The place of a picture in an image, along one axis, in pixels.

    Attributes:
      start: of the part of the picture that is used, float.
      length: of this part, float.
      size: to which the part is resized, int.
      offset: of the resized part in the image, int.
    """

    start: Any
    length: Any
    size: Any
    offset: Any


def frames_of(
    method: str, picture: tuple[Any, Any], image: tuple[int, int], xp: Any = np
) -> tuple[Frame, Frame]:
    """Return the place of a picture in an image, along height and width.

    Args:
      method: see the module.
      picture: height and width of the picture, int.
      image: height and width of the image.
      xp: NumPy, or JAX's for traced sizes.
    """
    return _frame(method, picture, image, xp), _frame(method, picture[::-1], image[::-1], xp)


def _frame(method: str, picture: tuple[Any, Any], image: tuple[int, int], xp: Any) -> Frame:
    """Return the place along the first of two axes."""
    (side, other_side), (length, other_length) = picture, image
    if method == "crop":
        used = xp.minimum(side, other_side * length / other_length)
        return Frame((side - used) / 2, used, length, 0)
    size = length
    if method.startswith("pad"):
        # rounded in whole numbers, which is the same on every device
        size = xp.clip((2 * side * other_length + other_side) // (2 * other_side), 1, length)
    return Frame(0.0, side, size, (length - size) // 2)


def fit(
    picture: Image.Image, image_shape: tuple[int, int, int], method: str = "crop"
) -> np.ndarray:
    """Return a picture in an image shape: uint8 (height, width, channels).

    Args:
      picture: its mode is "L" or "RGB".
      image_shape: of the result.
      method: see the module.
    """
    height, width, channels = image_shape
    if method == "crop":
        fitted = ImageOps.fit(picture, (width, height), Image.Resampling.BILINEAR)
        return np.asarray(fitted).reshape(height, width, channels)
    rows, columns = frames_of(method, (picture.height, picture.width), (height, width))
    resized = picture.resize((int(columns.size), int(rows.size)), Image.Resampling.BILINEAR)
    pixels = np.asarray(resized).reshape(rows.size, columns.size, channels)
    if method == "pad:edge":
        below, beside = height - rows.size - rows.offset, width - columns.size - columns.offset
        borders = ((rows.offset, below), (columns.offset, beside), (0, 0))
        return np.pad(pixels, borders, mode="edge")
    image = np.empty(image_shape, np.uint8)
    image[:] = border_color(method, channels)
    image[rows.offset :, columns.offset :][: rows.size, : columns.size] = pixels
    return image


class Losses(NamedTuple):
    """The loss of each picture of a set by fitting, float (n,).

    Attributes:
      cut: the share of the picture that is cut away.
      border: the share of the image that is border.
      stretch: the factor by which one axis is stretched more than the other, at least 1.
    """

    cut: np.ndarray
    border: np.ndarray
    stretch: np.ndarray


def losses_of(
    method: str, heights: np.ndarray, widths: np.ndarray, image: tuple[int, int]
) -> Losses:
    """Return the losses of pictures of these sizes by a method.

    Args:
      method: see the module.
      heights: of the pictures, int (n,).
      widths: of the pictures, int (n,).
      image: height and width of the image.
    """
    rows, columns = frames_of(method, (heights, widths), image)
    ones = np.ones(len(heights))
    stretch = (rows.size / rows.length) / (columns.size / columns.length) * ones
    return Losses(
        cut=ones - rows.length * columns.length / (heights * widths),
        border=ones - rows.size * columns.size / (image[0] * image[1]),
        stretch=np.maximum(stretch, 1 / stretch),
    )


def border_color(method: str, channels: int) -> tuple[int, ...]:
    """Return the color of the borders of "pad" or "pad:#rrggbb", a number for each channel."""
    color = method.partition(":")[2] or _BLACK
    value = ImageColor.getcolor(color, "L" if channels == 1 else "RGB")
    return value if isinstance(value, tuple) else (value,)
