"""The pictures of a comparison: accuracy, cost, curves and classes."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from jaxcnn.reporting.comparison.groups import MeanAndStd, RecipeGroup, Section
from jaxcnn.reporting.comparison.looks import Look, add_legend, looks, wrapped
from jaxcnn.reporting.figures.limits import limit_axis
from jaxcnn.reporting.figures.style import COLUMN, new_figure, plain, save, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_NUM_MARKED = 10  # markers on a long curve
CLASSES = {"classes": "class", "superclasses": "superclass"}
_COSTS = {
    "parameters": ("parameters", 1),
    "flops": ("FLOPs per image, forward", 1),
    "seconds": ("training time (minutes)", 1 / 60),
}


def plot_section(section: Section, folder: Path, prefix: str) -> dict[str, str]:
    """Draw the section's pictures as `PREFIX-NAME.png` and `.svg`.

    Returns:
      A caption for each picture's name, PREFIX-NAME.

    Raises:
      UserError: the folder cannot be written.
    """
    spread = _spread(section)
    pictures = {"accuracy": (_bars, f"Test accuracy on {section.dataset}{spread}")}
    for name, (text, _) in _COSTS.items():
        caption = f"Test accuracy against {text}, on a logarithmic axis"
        pictures[f"accuracy-{name}"] = (_cost(name), caption)
    for split, text in (("validation", "validation"), ("train", "training")):
        for name, unit, scale in (("accuracy", " (%)", 100), ("loss", "", 1)):
            draw = _curves(split, name, f"{text} {name}{unit}", scale)
            pictures[f"curves-{split}-{name}"] = draw, f"{text.capitalize()} {name} by epoch"
    for kind, text in CLASSES.items():
        caption = f"Test accuracy by {text}, the best mean first{spread}"
        pictures[kind] = _classes(kind), caption
    return {
        f"{prefix}-{name}": text
        for name, (draw, text) in pictures.items()
        if _draw(draw, section, folder / f"{prefix}-{name}")
    }


def _spread(section: Section) -> str:
    return "; whiskers: ± one standard deviation over the seeds" if section.has_seeds else ""


def _draw(draw: Callable[["Axes", Section], bool], section: Section, stem: Path) -> bool:
    """Draw one picture; return False, and write no file, if there is nothing to draw."""
    with styled():
        figure = new_figure(COLUMN, 3.0)
        if not draw(figure.add_subplot(), section):
            return False
        save(figure, stem)
    return True


def _bars(axes: "Axes", section: Section) -> bool:
    """Draw a bar for each group, the best on top; hatched if the test split was in sight."""
    groups, look_of = section.finished, looks(section.groups)
    for row, group in enumerate(groups):
        accuracy = group.result("test_accuracy")
        if accuracy is None:
            continue
        axes.barh(
            row, 100 * accuracy.mean, height=0.62, color=look_of[group.label].color,
            edgecolor="white", hatch="///" if group.run.is_test_in_sight else None,
            xerr=_whisker(accuracy), error_kw={"capsize": 3, "elinewidth": 1.2, "ecolor": "black"},
        )  # fmt: skip
        spread = "" if accuracy.std is None else f" ± {100 * accuracy.std:.2f}"
        axes.text(102, row, f"{100 * accuracy.mean:.2f}{spread}", va="center")
    _mark_published(axes, groups)
    _explain(axes, groups)
    names = [wrapped(group.label) for group in groups]
    axes.set_yticks(range(len(groups)), names)
    axes.set_ylim(len(groups) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.set_xlim(0, 100)
    axes.set_xlabel("test accuracy (%)")
    lines = max((name.count("\n") + 1 for name in names), default=1)
    axes.figure.set_figheight(1 + (0.15 + 0.15 * lines) * len(groups))
    return bool(groups)


def _mark_published(axes: "Axes", groups: list[RecipeGroup]) -> None:
    marks = [(100 * g.published, row) for row, g in enumerate(groups) if g.published is not None]
    for index, (value, row) in enumerate(marks):
        axes.plot(
            [value, value], [row - 0.4, row + 0.4], color="black", linewidth=2,
            label="published" if index == 0 else None,
        )  # fmt: skip


def _explain(axes: "Axes", groups: list[RecipeGroup]) -> None:
    """Add a legend for hatched bars and published accuracies, if there are any."""
    handles, _ = axes.get_legend_handles_labels()
    if any(group.run.is_test_in_sight for group in groups):
        from matplotlib.patches import Patch

        text = "test set served as validation"
        handles.append(Patch(facecolor="#bbbbbb", hatch="///", edgecolor="white", label=text))
    if handles:
        axes.figure.legend(handles=handles, loc="outside upper center", ncols=2)


def _whisker(value: MeanAndStd) -> list[list[float]] | None:
    """Return percentage points below and above the mean, within 0 to 100 %; None for one run."""
    if value.std is None:
        return None
    low, high = _band(value, 100, is_share=True)
    return [[100 * value.mean - low], [high - 100 * value.mean]]


def _band(value: MeanAndStd, scale: float, *, is_share: bool) -> tuple[float, float]:
    """Return mean ± one standard deviation, scaled; a share is first clipped to 0 to 1."""
    low, high = (scale * (value.mean + sign * (value.std or 0)) for sign in (-1, 1))
    return (max(low, 0), min(high, scale)) if is_share else (low, high)


def _cost(name: str) -> Callable[["Axes", Section], bool]:
    text, scale = _COSTS[name]

    def draw(axes: "Axes", section: Section) -> bool:
        look_of, costs = looks(section.groups), []
        for group in section.finished:
            cost, accuracy = group.result(name), group.result("test_accuracy")
            if cost is None or accuracy is None or cost.mean <= 0:
                continue
            look = look_of[group.label]
            costs.append(cost.mean * scale)
            axes.errorbar(
                costs[-1], 100 * accuracy.mean, yerr=_whisker(accuracy), capsize=3,
                linestyle="none", marker=look.marker, markersize=7, color=look.color,
                label=wrapped(group.label),
            )  # fmt: skip
        if len(costs) < 2:  # a single point shows no relation
            return False
        _set_log_ticks(axes, costs)
        axes.set_xlabel(text)
        axes.set_ylabel("test accuracy (%)")
        add_legend(axes)
        return True

    return draw


def _curves(split: str, name: str, unit: str, scale: float) -> Callable[["Axes", Section], bool]:
    def draw(axes: "Axes", section: Section) -> bool:
        look_of, is_share = looks(section.groups), name == "accuracy"
        curves = {group.label: group.curve(split, name) for group in section.groups}
        for group in section.groups:
            if curve := curves[group.label]:
                draw_curve(axes, curve, look_of[group.label], wrapped(group.title), scale, is_share)
        if not is_share:
            means = {n: [value.mean for value in curve.values()] for n, curve in curves.items()}
            limit_axis(axes, [(list(curves[n]), means[n], look_of[n].color) for n in curves])
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.set_ylabel(unit)
        add_legend(axes)
        return bool(axes.lines)

    return draw


def draw_curve(
    axes: "Axes",
    curve: dict[int, MeanAndStd],
    look: Look,
    label: str,
    scale: float,
    is_share: bool,
) -> None:
    """Draw the mean by epoch, and a band of one standard deviation around it."""
    epochs, means = list(curve), [scale * value.mean for value in curve.values()]
    axes.plot(
        epochs, means, color=look.color, linestyle=look.line, label=label,
        marker=look.marker, markevery=max(1, len(epochs) // _NUM_MARKED),
    )  # fmt: skip
    if any(value.std for value in curve.values()):
        bands = (_band(value, scale, is_share=is_share) for value in curve.values())
        low, high = zip(*bands, strict=True)
        axes.fill_between(epochs, low, high, color=look.color, alpha=0.2, linewidth=0)


def _classes(kind: str) -> Callable[["Axes", Section], bool]:
    def draw(axes: "Axes", section: Section) -> bool:
        """Draw a row for each class, with a marker for each group."""
        names, look_of = section.class_names(kind), looks(section.groups)
        for group in section.finished:
            metrics = {row: group.class_metric(n, kind=kind) for row, n in enumerate(names)}
            accuracies = {row: value for row, value in metrics.items() if value}
            _points(axes, accuracies, look_of[group.label], wrapped(group.label))
        are_few = len(names) <= 20
        axes.set_yticks(range(len(names)), list(map(plain, names)), fontsize=9 if are_few else 6)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlabel("test accuracy (%)")
        axes.figure.set_figheight(1.3 + len(names) * (0.25 if are_few else 0.12))
        add_legend(axes)
        return bool(names)

    return draw


def _points(axes: "Axes", accuracies: dict[int, MeanAndStd], look: Look, label: str) -> None:
    """Draw the accuracies by row."""
    if accuracies:
        none = [[0.0], [0.0]]
        whiskers = [_whisker(value) or none for value in accuracies.values()]
        axes.errorbar(
            [100 * value.mean for value in accuracies.values()], list(accuracies),
            xerr=[[whisker[side][0] for whisker in whiskers] for side in (0, 1)],
            linestyle="none", marker=look.marker, markersize=5, color=look.color, alpha=0.85,
            label=label,
        )  # fmt: skip


def _set_log_ticks(axes: "Axes", values: list[float]) -> None:
    """Set a logarithmic axis with plain numbers such as 500k, even within one power of ten."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

    low, high = min(values) / 2, max(values) * 2
    subs = (1, 2, 5) if high < 300 * low else (1,)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(LogLocator(subs=subs))
    axes.xaxis.set_minor_locator(NullLocator())
    # values below 1, such as minutes, have no prefix
    axes.xaxis.set_major_formatter(
        EngFormatter(sep="") if low >= 1 else lambda value, _: f"{value:g}"
    )
