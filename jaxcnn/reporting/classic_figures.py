"""The pictures on the page of the five classic networks."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from jaxcnn.data.superclasses import SELECTED
from jaxcnn.files.writing import write_bytes, writing_to
from jaxcnn.reporting.classic import ClassicNetwork, Comparison
from jaxcnn.reporting.comparison.groups import Section
from jaxcnn.reporting.comparison.looks import add_legend, looks
from jaxcnn.reporting.comparison.plots import draw_curve
from jaxcnn.reporting.figures.style import COLUMN, GRAY, class_text, color_of, new_figure, styled
from jaxcnn.reporting.kept_runs import last_accuracy
from jaxcnn.text import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BAR = 0.36  # height of a bar; a network has two in a row of height 1
_LETTERS = 31  # of a class's name
_COLORS = 64  # of a picture, which make its file small


def draw_pictures(comparisons: Sequence[Comparison], folder: Path) -> list[Path]:
    """Draw the pictures of the page as `classic_*.png`, and return their paths.

    Raises:
      UserError: the folder cannot be written.
    """
    with styled():
        figures = {"accuracy": _bars(comparisons)}
        for comparison in comparisons:
            if comparison.ours.groups:
                figures[f"{comparison.dataset}_epochs"] = _epochs(comparison)
            if has_class_map(comparison):
                figures[f"{comparison.dataset}_classes"] = _class_maps(comparison)
        return [_save(figure, folder / f"classic_{name}.png") for name, figure in figures.items()]


def has_class_map(comparison: Comparison) -> bool:
    """Return whether there is a picture by class; for a single network the table is enough."""
    return len(comparison.ours.evaluated_groups) > 1


def _save(figure: "Figure", path: Path) -> Path:
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", metadata={"Software": None})
    Image.open(drawn).convert("RGB").quantize(_COLORS).save(small, "png", optimize=True)
    with writing_to(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, small.getvalue())
    return path


def _bars(comparisons: Sequence[Comparison]) -> "Figure":
    """Draw two bars for each network: the published accuracy, pale, and ours."""
    figure = new_figure(COLUMN, 2.2 * len(comparisons))
    for axes, comparison in zip(figure.subplots(len(comparisons)), comparisons, strict=True):
        entries = comparison.entries
        for row, entry in enumerate(entries):
            accuracy = entry.figures.accuracy
            _bar(axes, row - _BAR / 2, entry, accuracy, "published", alpha=0.35)
            _our_bar(axes, row + _BAR / 2, entry)
        axes.set_yticks(range(len(entries)), [entry.title for entry in entries])
        axes.set_ylim(len(entries) - 0.5, -0.5)
        axes.set_xlim(0, 100)
        axes.grid(False, axis="y")
        axes.set_title(comparison.title, loc="left")
    axes.set_xlabel("test accuracy (%)")
    return figure


def _our_bar(axes: "Axes", place: float, entry: ClassicNetwork) -> None:
    """Draw the bar of our runs, hatched if none has finished."""
    if entry.runs is None:
        _bar(axes, place, entry, None, "run here")
    elif entry.runs.finished:
        _bar(axes, place, entry, last_accuracy(entry.runs), "here")
    else:
        epochs = f"{entry.runs.farthest.epochs_done} of {entry.num_epochs} epochs"
        _bar(axes, place, entry, last_accuracy(entry.runs), f"here, {epochs}", hatch="////")


def _bar(
    axes: "Axes",
    place: float,
    entry: ClassicNetwork,
    accuracy: float | None,
    text: str,
    **look: object,
) -> None:
    length = 100 * (accuracy or 0)
    axes.barh(place, length, _BAR, color=color_of(entry.network), edgecolor="white", **look)
    label = f"not {text}" if accuracy is None else f"{percent(accuracy)} {text}"
    axes.text(length + 1, place, label, va="center", fontsize=7, color=GRAY)


def _epochs(comparison: Comparison) -> "Figure":
    """Draw the test accuracy by epoch, and a cross for the published one of the last epoch."""
    figure = new_figure(COLUMN, 3.0)
    axes, section = figure.add_subplot(), comparison.ours
    look_of = looks(section.groups)
    for group in section.groups:
        curve = group.curve("validation", "accuracy")
        label = group.label.removesuffix(" epochs")
        draw_curve(axes, curve, look_of[group.label], label, 100, is_share=True)
    cross = {"marker": "x", "markersize": 6, "linestyle": "none", "clip_on": False}
    for entry in comparison.entries:
        if entry.figures.accuracy:
            label = None if entry.runs else f"{entry.title}, not run"
            place = entry.figures.epochs or entry.num_epochs, 100 * entry.figures.accuracy
            axes.plot(*place, color=color_of(entry.network), label=label, **cross)
    axes.plot([], [], color=GRAY, label="published, last epoch", **cross)
    axes.set_xlabel("epoch")
    axes.set_ylabel("test accuracy (%)")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    add_legend(axes)
    return figure


def _class_maps(comparison: Comparison) -> "Figure":
    """Draw the accuracy by class; with superclasses, of these and of the selected classes."""
    section = comparison.ours
    names, superclasses = section.class_names(), section.class_names("superclasses")
    panels = [("", names, "classes")]
    if superclasses:
        selected = [name for name in names if name in SELECTED]
        panels = [
            ("superclasses", superclasses, "superclasses"),
            ("the publication's ten classes", selected, "classes"),
        ]
    num_rows = [len(rows) for _, rows, _ in panels]
    width = 5.5 if superclasses else COLUMN  # their names are long
    figure = new_figure(width, 0.6 + 0.19 * sum(num_rows) + 0.3 * len(panels))
    places = figure.subplots(len(panels), squeeze=False, height_ratios=num_rows)[:, 0]
    for axes, (title, rows, kind) in zip(places, panels, strict=True):
        _class_map(axes, section, rows, kind)
        axes.set_xlabel(title)
    places[0].xaxis.tick_top()
    labels = [group.label for group in section.evaluated_groups]
    columns = [label.replace(", ", "\n").replace(" epochs", "\nepochs") for label in labels]
    places[0].set_xticks(range(len(columns)), columns, fontsize=7)
    return figure


def _class_map(axes: "Axes", section: Section, names: Sequence[str], kind: str) -> None:
    """Draw a row for each class and a column for each network, with the accuracies as numbers."""
    groups = section.evaluated_groups
    means = [[group.class_metric(name, kind=kind) for group in groups] for name in names]
    percents = np.array([[100 * m.mean if m else np.nan for m in row] for row in means])
    axes.imshow(percents, cmap="viridis", vmin=0, vmax=100, aspect="auto")
    for (row, column), value in np.ndenumerate(percents):
        color = "black" if value > 60 else "white"
        axes.text(column, row, f"{value:.0f}", ha="center", va="center", color=color, fontsize=8)
    axes.set_yticks(range(len(names)), [class_text(name, _LETTERS) for name in names])
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
