"""The picture of a learning-rate sweep."""

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

    from jaxcnn.training.lr_finder import Sweep


_MARGIN = 0.3  # above and below, as a share of the fall of the loss


def plot_sweep(sweep: "Sweep", stem: Path) -> Path:
    """Draw the loss over the rate as `stem.png` and `.svg`, with the suggested rate marked.

    Raises:
      UserError: the folder cannot be written.
    """
    with styled():
        figure = new_figure(COLUMN, 3.0)
        axes = figure.add_subplot()
        axes.plot(sweep.rates, sweep.losses, color=SKY, linewidth=0.6, label="each batch")
        axes.plot(sweep.rates, sweep.smoothed, color=BLUE, label="smoothed")
        if sweep.steepest is not None:
            _mark(axes, sweep.steepest, VERMILION, "-", "steepest descent")
        _mark(axes, sweep.lowest / 10, GRAY, "--", "a tenth of the rate of lowest loss")
        axes.set_xscale("log")
        axes.set_xlim(sweep.rates[0], sweep.rates[-1])
        axes.set_ylim(*_limits(sweep))
        axes.set_xlabel("learning rate")
        axes.set_ylabel("training loss")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
        return save(figure, stem)


def _limits(sweep: "Sweep") -> tuple[float, float]:
    """Return limits around the losses from the start to the lowest one; a later rise is cut."""
    fall = sweep.smoothed[: sweep.smoothed.argmin() + 1]
    margin = _MARGIN * np.ptp(fall) or 1.0
    return fall.min() - margin, fall.max() + margin


def _mark(axes: "Axes", value: float, color: str, style: str, text: str) -> None:
    axes.axvline(value, color=color, linestyle=style, linewidth=1, label=f"{rate(value)}: {text}")
