"""The picture of a learning-rate range test."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jaxcnn.reporting.figures.style import (
    BLUE,
    COLUMN,
    GRAY,
    SKY,
    VERMILION,
    new_figure,
    save,
    styled,
)
from jaxcnn.text import rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from jaxcnn.training.lr_finder import RangeTest


_MARGIN = 0.3  # above and below, as a share of the fall of the loss


def plot_range_test(result: "RangeTest", stem: Path) -> Path:
    """Draw the loss over the rate as `stem.png` and `.svg`, with the suggested rate marked.

    Raises:
      UserError: the folder cannot be written.
    """
    with styled():
        figure = new_figure(COLUMN, 3.0)
        axes = figure.add_subplot()
        axes.plot(result.rates, result.losses, color=SKY, linewidth=0.6, label="each batch")
        axes.plot(result.rates, result.smoothed, color=BLUE, label="smoothed")
        if result.steepest is not None:
            _mark(axes, result.steepest, VERMILION, "-", "steepest descent")
        _mark(axes, result.lowest / 10, GRAY, "--", "a tenth of the rate of lowest loss")
        axes.set_xscale("log")
        axes.set_xlim(result.rates[0], result.rates[-1])
        axes.set_ylim(*_limits(result))
        axes.set_xlabel("learning rate")
        axes.set_ylabel("training loss")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
        return save(figure, stem)


def _limits(result: "RangeTest") -> tuple[float, float]:
    """Return limits around the losses from the start to the lowest one; a later rise is cut."""
    fall = result.smoothed[: result.smoothed.argmin() + 1]
    margin = _MARGIN * np.ptp(fall) or 1.0
    return fall.min() - margin, fall.max() + margin


def _mark(axes: "Axes", value: float, color: str, style: str, text: str) -> None:
    axes.axvline(value, color=color, linestyle=style, linewidth=1, label=f"{rate(value)}: {text}")
