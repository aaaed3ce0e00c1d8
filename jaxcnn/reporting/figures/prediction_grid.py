"""A user's pictures with their predicted classes, as a grid."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jaxcnn.errors import UserError
from jaxcnn.evaluation.predictions import UNKNOWN
from jaxcnn.files.writing import writing_to
from jaxcnn.reporting.figures.style import BLUE, GRAY, new_figure, styled
from jaxcnn.text import printable, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from jaxcnn.evaluation.predictions import TopClasses


GRID_KINDS = (".png", ".svg", ".pdf")
_MOST_CELLS, _MOST_COLUMNS, _CELL = 60, 6, (1.25, 1.75)  # width and height in inches
_LONGEST = 18  # letters in a line of a caption


def check_grid(file: str | Path | None) -> None:
    """Check the name of a grid's file, if there is one.

    Raises:
      UserError: the name has no suffix of `GRID_KINDS`, or its folder does not exist.
    """
    if file and Path(file).suffix.lower() not in GRID_KINDS:
        raise UserError(f"--grid={file}: name a file ending in {', '.join(GRID_KINDS)}")
    if file and not Path(file).parent.is_dir():
        raise UserError(f"--grid={file}: there is no folder {Path(file).parent}")


def draw_grid(predictions: Sequence["TopClasses"], file: Path) -> None:
    """Draw the first 60 pictures as the network sees them, with their most likely class.

    Raises:
      UserError: the file cannot be written.
    """
    shown = predictions[:_MOST_CELLS]
    columns = min(len(shown), _MOST_COLUMNS)
    rows = math.ceil(len(shown) / columns)
    with styled():
        width, height = max(columns * _CELL[0], 3.0), rows * _CELL[1] + 0.4
        figure = new_figure(width, height)
        all_axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes in all_axes:
            axes.set_axis_off()
        for axes, prediction in zip(all_axes, shown, strict=False):
            _draw(axes, prediction)
        figure.suptitle(_title(predictions, len(shown)), fontsize=8, color=GRAY)
        with writing_to(file):
            figure.savefig(file)


def _title(predictions: Sequence["TopClasses"], num_shown: int) -> str:
    height, width = predictions[0].image.shape[:2]
    first = f", the first {num_shown} of {len(predictions)}" if num_shown < len(predictions) else ""
    return f"as the network sees them: {width}x{height} pixels{first}"


def _draw(axes: "Axes", prediction: "TopClasses") -> None:
    """Draw a picture with its file name above; below, its class and a bar for the probability."""
    axes.imshow(prediction.image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    title = shorten(printable(prediction.path.name), _LONGEST)
    axes.set_title(title, fontsize=6, color=GRAY, pad=2, parse_math=False)
    probability = prediction.probabilities[0]
    name = UNKNOWN if prediction.is_unknown else prediction.classes[0]
    caption = f"{shorten(printable(name), _LONGEST)}\n{100 * probability:.0f} %"
    below = {"transform": axes.transAxes, "clip_on": False}
    axes.plot([0, probability], [-0.04, -0.04], color=BLUE, linewidth=2.5, **below)
    axes.text(0.5, -0.09, caption, ha="center", va="top", fontsize=7, parse_math=False, **below)
