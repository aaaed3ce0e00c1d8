"""The curves of a run, as pictures in its `plots` folder."""

import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jaxcnn.reporting.figures.limits import limit_axis
from jaxcnn.reporting.figures.style import (
    BLUE,
    COLUMN,
    GREEN,
    GREY,
    SKY,
    VERMILION,
    new_figure,
    save,
    styled,
)
from jaxcnn.text import loss, rate
from jaxcnn.workdir.metrics_log import read_metrics
from jaxcnn.workdir.run_files import read_part_if_there
from jaxcnn.workdir.run_tables import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_LOOKS = {
    "train": {"color": BLUE, "linestyle": "-", "label": "training"},
    "train_evaluated": {"color": SKY, "linestyle": ":", "label": "training, re-scored"},
    "validation": {"color": VERMILION, "linestyle": "--", "label": "validation"},
}
_BY_FACTORS = ("step", "inverse_time", "inverse_time_rounded")  # schedules: straight on a log axis
_FEW_EPOCHS = 20  # up to here every epoch has a marker


def plot_curves(workdir: str | Path) -> list[Path]:
    """Draws `plots/NAME.png` and `.svg` from a run's metrics.

    NAME is accuracy, loss, learning_rate, difference_accuracy, difference_loss; the differences
    are training minus validation. The best epoch is marked, and so are the points at which a
    finished run was resumed. Values that are missing or not finite are left out, and so is
    a picture without any value.

    Returns:
      The PNG files.

    Raises:
      UserError: there are no metrics, or the pictures cannot be written.
    """
    rows = read_metrics(workdir)
    resumed = (read_part_if_there(Path(workdir), "result.json") or {}).get("resumed", [])
    folder = Path(workdir) / "plots"
    config = read_part_if_there(Path(workdir), "config.json") or {}
    by_factors = config.get("schedule", {}).get("name", "") in _BY_FACTORS
    rates = {"learning_rate": functools.partial(_learning_rate, by_factors=by_factors)}
    pictures = (_PICTURES | rates).items()
    drawn = (_draw(draw, rows, resumed, folder / name) for name, draw in pictures)
    return [path for path in drawn if path is not None]


def _draw(
    draw: Callable[["Axes", list[Row]], bool], rows: list[Row], resumed: list[float], stem: Path
) -> Path | None:
    """One picture in both formats, at the width of a column; None where it would be empty."""
    with styled():
        figure = new_figure(COLUMN, 3.0)
        axes = figure.add_subplot()
        for i, epoch in enumerate(resumed):
            label = "" if i else "resumed"
            axes.axvline(epoch, color=GREY, linestyle=(0, (1, 3)), linewidth=1, label=label)
        if not draw(axes, rows):
            return None
        _set_epochs(axes, rows)
        return save(figure, stem)


def _set_epochs(axes: "Axes", rows: list[Row]) -> None:
    """The same epochs in every picture, also where a curve breaks off."""
    epochs = [row["epoch"] for row in rows]
    margin = max(0.5, 0.03 * (max(epochs) - min(epochs)))
    axes.set_xlim(min(epochs) - margin, max(epochs) + margin)
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    axes.set_xlabel("epoch")


def series(rows: Sequence[Row], split: str, name: str) -> dict[int, float]:
    """A column of a split by epoch: finite values alone, the last one of an epoch."""
    found = {row["epoch"]: row.get(name) for row in rows if row["split"] == split}
    return {e: v for e, v in found.items() if v is not None and math.isfinite(v)}


def best_epoch(rows: Sequence[Row]) -> int | None:
    """The epoch of the highest validation accuracy; among equals of least loss, then the last.

    An epoch that `max_minutes` ended in its middle is none: the row of the test, which counts the
    finished ones, has a smaller number.
    """
    accuracy, loss = (series(rows, "validation", name) for name in ("accuracy", "loss"))
    finished = max((row["epoch"] for row in rows if row["split"] == "test"), default=math.inf)
    accuracy = {epoch: value for epoch, value in accuracy.items() if epoch <= finished}
    return max(accuracy, key=lambda e: (accuracy[e], -loss.get(e, math.inf), e), default=None)


def _plot(axes: "Axes", values: dict[int, float], **look: str) -> None:
    marker = "o" if len(values) <= _FEW_EPOCHS else ""
    axes.plot(list(values), list(values.values()), marker=marker, **look)


def _mark_best(
    axes: "Axes", rows: list[Row], values: dict[int, float], word: Callable[[float], str]
) -> None:
    """A ring around the best epoch, and its value in the legend."""
    best = best_epoch(rows)
    if best in values:
        axes.plot(
            [best], [values[best]], marker="o", markersize=8, markerfacecolor="none",
            color=GREY, linestyle="none", label=f"best, epoch {best}: {word(values[best])}",
        )  # fmt: skip


def _limit(axes: "Axes", *curves: tuple[dict[int, float], str]) -> None:
    limit_axis(axes, [(list(v), list(v.values()), color) for v, color in curves])


def _scores(
    name: str, unit: str, scale: float, word: Callable[[float], str]
) -> Callable[["Axes", list[Row]], bool]:
    def draw(axes: "Axes", rows: list[Row]) -> bool:
        curves = {split: _scaled(series(rows, split, name), scale) for split in _LOOKS}
        if not any(curves.values()):
            return False
        for split, values in curves.items():
            if values:
                _plot(axes, values, **_LOOKS[split])
        _mark_best(axes, rows, curves["validation"], word)
        if name == "loss":
            _limit(axes, *((values, _LOOKS[split]["color"]) for split, values in curves.items()))
        axes.set_ylabel(unit)
        _add_legend(axes)
        return True

    return draw


def _difference(
    name: str, unit: str, scale: float, word: Callable[[float], str]
) -> Callable[["Axes", list[Row]], bool]:
    def draw(axes: "Axes", rows: list[Row]) -> bool:
        train, validation = (series(rows, split, name) for split in ("train", "validation"))
        gaps = _scaled({e: train[e] - validation[e] for e in train if e in validation}, scale)
        axes.axhline(0, color=GREY, linewidth=0.8)
        _plot(axes, gaps, color=GREEN, label="training minus validation")
        _mark_best(axes, rows, gaps, word)
        if name == "loss":
            _limit(axes, (gaps, GREEN))
        axes.set_ylabel(unit)
        _add_legend(axes)
        return bool(gaps)

    return draw


def _learning_rate(axes: "Axes", rows: list[Row], *, by_factors: bool) -> bool:
    """On a logarithmic axis if the schedule multiplies the rate: one that falls to 0 has no place
    there."""
    values = series(rows, "train", "learning_rate")
    _plot(axes, values, color=_LOOKS["train"]["color"], label="learning rate")
    _mark_best(axes, rows, values, rate)
    if values and by_factors and 0 < 20 * min(values.values()) < max(values.values()):
        axes.set_yscale("log")
    else:
        largest = max(values.values(), default=1) or 1
        axes.set_ylim(-0.04 * largest, 1.08 * largest)  # a ring at 0 is whole
    axes.set_ylabel("learning rate")
    _add_legend(axes)
    return bool(values)


def _add_legend(axes: "Axes") -> None:
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)


def _scaled(values: dict[int, float], scale: float) -> dict[int, float]:
    return {epoch: scale * value for epoch, value in values.items()}


_PICTURES = {
    "accuracy": _scores("accuracy", "accuracy (%)", 100, "{:.2f} %".format),
    "loss": _scores("loss", "loss", 1, loss),
    "learning_rate": _learning_rate,
    "difference_accuracy": _difference(
        "accuracy", "accuracy (percentage points)", 100, "{:+.1f}".format
    ),
    "difference_loss": _difference("loss", "loss", 1, "{:+.4g}".format),
}
