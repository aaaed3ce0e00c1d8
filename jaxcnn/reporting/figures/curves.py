"""Pictures of a run's curves: accuracy, loss and learning rate by epoch."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxcnn.reporting import phase_report
from jaxcnn.reporting.figures.limits import limit_axis
from jaxcnn.reporting.figures.style import (
    BLUE,
    COLUMN,
    GRAY,
    GREEN,
    SKY,
    VERMILION,
    new_figure,
    save,
    styled,
)
from jaxcnn.reporting.series import best_epoch, rows_of_phases, series
from jaxcnn.text import loss, rate
from jaxcnn.workdir.metrics_log import read_metrics
from jaxcnn.workdir.run_files import read_part_if_there
from jaxcnn.workdir.schemas import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_LOOKS = {
    "train": {"color": BLUE, "linestyle": "-", "label": "training"},
    "train_evaluated": {"color": SKY, "linestyle": ":", "label": "training, evaluated"},
    "validation": {"color": VERMILION, "linestyle": "--", "label": "validation"},
}
_MARKS: dict[str, dict[str, Any]] = {
    "new phase": {"color": GRAY, "linestyle": (0, (6, 3))},
    "resumed": {"color": GRAY, "linestyle": (0, (1, 3))},
}
# they scale the rate by factors
_LOG_SCHEDULES = ("step", "plateau", "exponential", "inverse_time", "inverse_time_rounded")
_FEW_EPOCHS = 20  # with so many or fewer, every epoch has a marker


def plot_curves(workdir: str | Path) -> list[Path]:
    """Draw `plots/NAME.png` and `.svg` from a run's metrics.

    NAME is accuracy, loss, learning_rate, difference_accuracy, difference_loss; the differences
    are training minus validation. A run of several phases also has the four without the rate for
    each phase, as `phase1_accuracy` and so on. The best epoch is marked, and so are the starts of
    phases and the points at which a finished run was resumed. Missing and non-finite values are
    left out, and so is a picture without any value.

    Returns:
      The paths of the PNG files.

    Raises:
      UserError: there are no metrics, or the pictures cannot be written.
    """
    folder = Path(workdir) / "plots"
    result = read_part_if_there(Path(workdir), "result.json") or {}
    config = read_part_if_there(Path(workdir), "config.json") or {}
    drawn = draw_curves(read_metrics(workdir), result, config)
    return [save(figure, folder / name) for name, figure in drawn]


def draw_curves(
    rows: list[Row], result: Mapping[str, Any], config: Mapping[str, Any]
) -> Iterator[tuple[str, "Figure"]]:
    """Yield each picture of `plot_curves` with its name, drawn but not saved.

    Args:
      rows: of the run's `metrics.jsonl`.
      result, config: the content of its `result.json` and `config.json`.
    """
    is_log = config.get("schedule", {}).get("name", "") in _LOG_SCHEDULES
    best = best_epoch(rows, config.get("best_metric", "accuracy"))
    pictures = {
        "accuracy": _scores("accuracy", "accuracy (%)", 100, "{:.2f} %".format, best),
        "loss": _scores("loss", "loss", 1, loss, best),
        "learning_rate": _learning_rate(is_log, best),
        "difference_accuracy": _difference(
            "accuracy", "accuracy (percentage points)", 100, "{:+.1f}".format, best
        ),
        "difference_loss": _difference("loss", "loss", 1, "{:+.4g}".format, best),
    }
    starts = [phase["after_epoch"] for phase in result.get("phases", ())[1:]]
    resumed = [epoch for epoch in result.get("resumed", ()) if epoch not in starts]
    parts = [("", list(pictures), rows, {"new phase": starts, "resumed": resumed})]
    parts += [
        (f"phase{number}_", list(phase_report.PICTURES), phase_rows, {})
        for number, phase_rows in enumerate(rows_of_phases(rows, result), start=1)
    ]
    for prefix, names, phase_rows, marks in parts:
        for name in names:
            figure = _draw(pictures[name], phase_rows, marks)
            if figure is not None:
                yield prefix + name, figure


def _draw(
    draw: Callable[["Axes", list[Row]], bool], rows: list[Row], marks: dict[str, list[float]]
) -> "Figure | None":
    """Return one picture; None if it would be empty.

    Args:
      draw: draws the curves.
      rows: the rows that it draws.
      marks: finished epochs at which there is a vertical line, by label.
    """
    with styled():
        figure = new_figure(COLUMN, 3.0)
        axes = figure.add_subplot()
        for label, epochs in marks.items():
            for i, epoch in enumerate(epochs):
                axes.axvline(epoch, **_MARKS[label], linewidth=1, label="" if i else label)
        if not draw(axes, rows):
            return None
        _set_epochs(axes, rows)
        return figure


def _set_epochs(axes: "Axes", rows: list[Row]) -> None:
    """Show the same epochs in every picture, also if a curve ends early."""
    epochs = [row["epoch"] for row in rows if row["split"] != "test"]
    margin = max(0.5, 0.03 * (max(epochs) - min(epochs)))
    axes.set_xlim(min(epochs) - margin, max(epochs) + margin)
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    axes.set_xlabel("epoch")


def _plot(axes: "Axes", values: dict[int, float], **look: str) -> None:
    marker = "o" if len(values) <= _FEW_EPOCHS else ""
    axes.plot(list(values), list(values.values()), marker=marker, **look)


def _mark_best(
    axes: "Axes", best: int | None, values: dict[int, float], to_text: Callable[[float], str]
) -> None:
    """Draw a ring around the best epoch, with its value in the legend."""
    if best in values:
        axes.plot(
            [best], [values[best]], marker="o", markersize=8, markerfacecolor="none",
            color=GRAY, linestyle="none", label=f"best, epoch {best}: {to_text(values[best])}",
        )  # fmt: skip


def _limit(axes: "Axes", *curves: tuple[dict[int, float], str]) -> None:
    limit_axis(axes, [(list(v), list(v.values()), color) for v, color in curves])


def _scores(
    name: str, unit: str, scale: float, to_text: Callable[[float], str], best: int | None
) -> Callable[["Axes", list[Row]], bool]:
    def draw(axes: "Axes", rows: list[Row]) -> bool:
        curves = {split: _scaled(series(rows, split, name), scale) for split in _LOOKS}
        if not any(curves.values()):
            return False
        for split, values in curves.items():
            if values:
                _plot(axes, values, **_LOOKS[split])
        _mark_best(axes, best, curves["validation"], to_text)
        if name == "loss":
            _limit(axes, *((values, _LOOKS[split]["color"]) for split, values in curves.items()))
        axes.set_ylabel(unit)
        _add_legend(axes)
        return True

    return draw


def _difference(
    name: str, unit: str, scale: float, to_text: Callable[[float], str], best: int | None
) -> Callable[["Axes", list[Row]], bool]:
    def draw(axes: "Axes", rows: list[Row]) -> bool:
        train, validation = (series(rows, split, name) for split in ("train", "validation"))
        gaps = _scaled({e: train[e] - validation[e] for e in train if e in validation}, scale)
        axes.axhline(0, color=GRAY, linewidth=0.8)
        _plot(axes, gaps, color=GREEN, label="training minus validation")
        _mark_best(axes, best, gaps, to_text)
        if name == "loss":
            _limit(axes, (gaps, GREEN))
        axes.set_ylabel(unit)
        _add_legend(axes)
        return bool(gaps)

    return draw


def _learning_rate(is_log: bool, best: int | None) -> Callable[["Axes", list[Row]], bool]:
    def draw(axes: "Axes", rows: list[Row]) -> bool:
        """Draw the rate, on a logarithmic axis if `is_log` and if it spans a factor of 20."""
        values = series(rows, "train", "learning_rate")
        _plot(axes, values, color=_LOOKS["train"]["color"], label="learning rate")
        _mark_best(axes, best, values, rate)
        if values and is_log and 0 < 20 * min(values.values()) < max(values.values()):
            axes.set_yscale("log")
        else:
            largest = max(values.values(), default=1) or 1
            axes.set_ylim(-0.04 * largest, 1.08 * largest)  # room for the ring around a rate of 0
        axes.set_ylabel("learning rate")
        _add_legend(axes)
        return bool(values)

    return draw


def _add_legend(axes: "Axes") -> None:
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)


def _scaled(values: dict[int, float], scale: float) -> dict[int, float]:
    return {epoch: scale * value for epoch, value in values.items()}
