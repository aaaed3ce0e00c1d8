"""A sheet of small images, which is drawn much faster than a grid of matplotlib's axes."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.reporting.figures.style import new_figure, save

Line = tuple[str, str]  # a text, and its color
_MARGIN, _GAP = 0.06, 0.09  # inches
_LINE = 1.35 / 72  # height of a line in inches, for each point of the font size
_FONT = 7.0  # points, of the lines above an image


class Sheet:
    """Images and texts below each other; call it in `styled()`.

    Args:
      width: inches. The height is that of the content.
    """

    def __init__(self, width: float):
        self._figure = new_figure(width, width)
        self._figure.set_layout_engine("none")  # all places are known
        self._axes = self._figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()
        self._axes.set_autoscale_on(False)
        self._width, self._bottom = width, _MARGIN  # inches, as everything on the sheet

    def write(self, text: str, size: float) -> None:
        """Write centered lines of a font size."""
        height = _LINE * size * (1 + text.count("\n"))
        middle = self._bottom + height / 2
        self._axes.text(self._width / 2, middle, text, ha="center", va="center", fontsize=size)
        self._bottom += height

    def show(
        self,
        images: Iterable[np.ndarray],
        columns: int,
        labels: Sequence[Sequence[Line]] = (),
        *,
        share: float = 1.0,
        **options: Any,
    ) -> None:
        """Show images of one size in rows.

        Args:
          images: each (height, width) or (height, width, channels); the mean of the channels is
            shown unless there are three.
          columns: images in a row.
          labels: the lines above each image, as many for each.
          share: the part of the sheet's width that a row takes, in the middle.
          **options: those of `Axes.imshow`.
        """
        row_width = share * (self._width - 2 * _MARGIN)
        side = (row_width - (columns - 1) * _GAP) / columns
        left = (self._width - row_width) / 2
        above = _LINE * _FONT * max(map(len, labels), default=0)
        row_bottom = self._bottom
        for index, image in enumerate(images):
            row, column = divmod(index, columns)
            height = side * image.shape[0] / image.shape[1]
            x, y = (
                left + column * (side + _GAP),
                self._bottom + row * (above + height + _GAP) + above,
            )
            row_bottom = y + height + _GAP
            extent = (x, x + side, y + height, y)
            self._axes.imshow(
                _drawable(image), extent=extent, aspect="auto", **_range(image) | options
            )
            for place, (text, color) in enumerate(reversed(labels[index] if labels else ())):
                middle = y - _LINE * _FONT * (place + 0.5)
                style = {"ha": "center", "va": "center", "fontsize": _FONT, "color": color}
                self._axes.text(x + side / 2, middle, text, **style)
        self._bottom = row_bottom

    def save(self, stem: Path) -> Path:
        """Write `stem.png` and `stem.svg`; return the PNG's path.

        Raises:
          UserError: the folder cannot be written.
        """
        self._axes.set(xlim=(0, self._width), ylim=(self._bottom, 0))
        self._figure.set_size_inches(self._width, self._bottom)
        return save(self._figure, stem)


def _drawable(image: np.ndarray) -> np.ndarray:
    return image if image.ndim == 2 or image.shape[-1] == 3 else image.mean(axis=-1)


def _range(image: np.ndarray) -> dict[str, float]:
    """Return the values of black and white: 0 and 255 for bytes, else those of `Axes.imshow`."""
    return {"vmin": 0, "vmax": 255} if image.dtype == np.uint8 else {}
