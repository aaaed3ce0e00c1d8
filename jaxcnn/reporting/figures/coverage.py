"""Accuracy against coverage: what is gained if uncertain images are left out as "unknown"."""

from pathlib import Path

import numpy as np

from jaxcnn.reporting.figures.style import BLUE, COLUMN, GRAY, new_figure, save, styled

_MARKED = (0.5, 0.8, 0.9, 0.95, 0.99)  # confidences that are marked on the curve
_FEWEST = 10  # images; the accuracy of fewer is not drawn
_APART = 9  # percentage points of images between two marks that are named
_TOP = 100.5  # percent, so that a mark at 100 is whole


def plot_coverage(confidence: np.ndarray, is_correct: np.ndarray, stem: Path) -> Path:
    """Draw the accuracy of the most confident images, by their share of all images.

    Args:
      confidence: float (n,), the probability of the predicted class, 0 to 1.
      is_correct: bool (n,).

    Raises:
      UserError: the folder cannot be written.
    """
    order = np.argsort(-confidence, kind="stable")
    count = np.arange(1, len(order) + 1)
    share, accuracy = 100 * count / len(order), 100 * np.cumsum(is_correct[order]) / count
    first = min(_FEWEST, len(order)) - 1
    with styled():
        figure = new_figure(COLUMN, 3.2)
        axes = figure.add_subplot()
        axes.plot(share[first:], accuracy[first:], color=BLUE)
        named = np.inf  # share of the last mark that has its name beside it
        for threshold in _MARKED:
            known = int((confidence >= threshold).sum())
            if known <= first:
                break
            place = (share[known - 1], accuracy[known - 1])
            axes.plot(*place, marker="o", markersize=4, color=BLUE)
            if named - place[0] >= _APART:
                named = place[0]
                axes.annotate(
                    f"{100 * threshold:g} %", place, xytext=(-3, -3), textcoords="offset points",
                    ha="right", va="top", fontsize=7, color=GRAY,
                )  # fmt: skip
        axes.set(
            xlim=(0, 102),
            ylim=(None, min(axes.get_ylim()[1], _TOP)),
            xlabel="images that are not unknown (%)",
            ylabel="of these, correct (%)",
        )
        axes.set_title("marked: the least probability of the predicted class", fontsize=9)
        return save(figure, stem)
