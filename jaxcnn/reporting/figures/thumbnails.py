"""Small pictures for a page, as the content of PNG and JPEG files."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from jaxcnn.data.pictures.decoding import read_picture

_SIDE = 160  # pixels of the longer side


def thumbnail(picture: Path | np.ndarray) -> bytes:
    """Return a picture's file as a small JPEG, or an image of a network as a PNG.

    Args:
      picture: a file; or uint8 (height, width, channels), shown as the mean of its channels unless
        there are three.

    Raises:
      UserError: the file cannot be read.
    """
    content = io.BytesIO()
    if isinstance(picture, Path):
        image = read_picture(picture, "RGB")
        image.thumbnail((_SIDE, _SIDE))
        image.save(content, "JPEG", quality=85)
        return content.getvalue()
    pixels = picture if picture.shape[-1] == 3 else picture.mean(axis=-1).astype(np.uint8)
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()
