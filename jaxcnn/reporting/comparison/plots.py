"""The pictures of a comparison: accuracy, cost, curves and classes of a dataset's networks."""

import dataclasses
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from jaxcnn.reporting.comparison.groups import Estimate, Group, Section
from jaxcnn.reporting.figures.limits import limit_axis
from jaxcnn.reporting.figures.style import (
    COLORS,
    COLUMN,
    color_of,
    has_own_color,
    new_figure,
    plain,
    save,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_MARKERS = "osD^vP*X"
_LINES = ("-", "--", "-.", ":")
_LEGEND_LINE = 0.19  # inches
_LINE_LETTERS = 28  # of a label; a longer one crowds an axis
_NO_BREAK = "\u00a0"  # a space at which no line ends
_NUM_MARKED = 10  # epochs of a long curve
CLASSES = {"classes": "class", "superclasses": "superclass"}
_COSTS = {
    "parameters": ("parameters", 1),
    "flops": ("FLOPs an image, forward", 1),
    "seconds": ("training time (minutes)", 1 / 60),
}


@dataclasses.dataclass(frozen=True)
class Look:
    """How a group is drawn, in all pictures of its section."""

    color: str
    marker: str
    line: str


def looks(groups: Iterable[Group]) -> dict[str, Look]:
    """A look for each group's label: its network's colour, or one that is free where an earlier
    group has that; when all are taken they come again with another marker and line."""
    found: dict[str, Look] = {}
    for group in sorted(groups, key=lambda g: (not has_own_color(g.run.network), g.label)):
        uses = Counter(look.color for look in found.values())
        own = color_of(group.run.network)
        color = min((own, *COLORS), key=lambda color: uses[color])
        marker = _MARKERS[(COLORS.index(color) + uses[color]) % len(_MARKERS)]
        found[group.label] = Look(color, marker, _LINES[uses[color] % len(_LINES)])
    return found


def plot_section(section: Section, folder: Path, prefix: str) -> dict[str, str]:
    """Draws `PREFIX-NAME.png` and `.svg` for whatever the section has figures of.

    Returns:
      The pictures' names, PREFIX-NAME, and what each shows.

    Raises:
      UserError: the folder cannot be written.
    """
    spread = _spread(section)
    pictures = {"accuracy": (_bars, f"Test accuracy on {section.dataset}{spread}")}
    for name, (text, _) in _COSTS.items():
        pictures[f"accuracy-{name}"] = (_cost(name), f"Test accuracy against {text}, logarithmic")
    for split, text in (("validation", "validation"), ("train", "training")):
        for name, unit, scale in (("accuracy", " (%)", 100), ("loss", "", 1)):
            draw = _curves(split, name, f"{text} {name}{unit}", scale)
            pictures[f"curves-{split}-{name}"] = draw, f"{text.capitalize()} {name} by epoch"
    for kind, text in CLASSES.items():
        what = f"Test accuracy by {text}, the one with the best mean first{spread}"
        pictures[kind] = _classes(kind), what
    return {
        f"{prefix}-{name}": text
        for name, (draw, text) in pictures.items()
        if _draw(draw, section, folder / f"{prefix}-{name}")
    }


def _spread(section: Section) -> str:
    several = any(len(group.finished) > 1 for group in section.groups)
    return "; whiskers: ± one standard deviation over seeds" if several else ""


def _draw(draw: Callable[["Axes", Section], bool], section: Section, stem: Path) -> bool:
    """One picture; False, and no file, where there is nothing to draw."""
    with styled():
        figure = new_figure(COLUMN, 3.0)
        if not draw(figure.add_subplot(), section):
            return False
        save(figure, stem)
    return True


def _bars(axes: "Axes", section: Section) -> bool:
    """A bar a group, the best on top; hatched where the test split was in sight."""
    groups, of = section.finished, looks(section.groups)
    for row, group in enumerate(groups):
        score = group.result("test_accuracy")
        axes.barh(
            row, 100 * score.mean, height=0.62, color=of[group.label].color, edgecolor="white",
            hatch="///" if group.run.is_test_in_sight else None,
            xerr=_whisker(score), error_kw={"capsize": 3, "elinewidth": 1.2, "ecolor": "black"},
        )  # fmt: skip
        spread = "" if score.std is None else f" ± {100 * score.std:.2f}"
        axes.text(102, row, f"{100 * score.mean:.2f}{spread}", va="center")
    _mark_published(axes, groups)
    _explain(axes, groups)
    axes.set_yticks(range(len(groups)), [_name(group.label) for group in groups])
    axes.set_ylim(len(groups) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.set_xlim(0, 100)
    axes.set_xlabel("test accuracy (%)")
    lines = max((_name(group.label).count("\n") + 1 for group in groups), default=1)
    axes.figure.set_figheight(1 + (0.15 + 0.15 * lines) * len(groups))
    return bool(groups)


def _mark_published(axes: "Axes", groups: list[Group]) -> None:
    marks = [(100 * g.published, row) for row, g in enumerate(groups) if g.published is not None]
    for index, (value, row) in enumerate(marks):
        axes.plot(
            [value, value], [row - 0.4, row + 0.4], color="black", linewidth=2,
            label="published" if index == 0 else None,
        )  # fmt: skip


def _explain(axes: "Axes", groups: list[Group]) -> None:
    """The legend: what a hatched bar and a black mark mean, where there are any."""
    handles, _ = axes.get_legend_handles_labels()
    if any(group.run.is_test_in_sight for group in groups):
        from matplotlib.patches import Patch

        text = "test set served as validation"
        handles.append(Patch(facecolor="#bbbbbb", hatch="///", edgecolor="white", label=text))
    if handles:
        axes.figure.legend(handles=handles, loc="outside upper center", ncols=2)


def _whisker(score: Estimate) -> list[list[float]] | None:
    """Percentage points below and above the mean, within 0 to 100 %; None for one run."""
    if score.std is None:
        return None
    low, high = _band(score, 100, is_share=True)
    return [[100 * score.mean - low], [high - 100 * score.mean]]


def _band(score: Estimate, scale: float, *, is_share: bool) -> tuple[float, float]:
    """One standard deviation about the mean; of a share no more than 0 to 100 %."""
    low, high = (scale * (score.mean + sign * (score.std or 0)) for sign in (-1, 1))
    return (max(low, 0), min(high, scale)) if is_share else (low, high)


def _cost(name: str) -> Callable[["Axes", Section], bool]:
    text, scale = _COSTS[name]

    def draw(axes: "Axes", section: Section) -> bool:
        of, costs = looks(section.groups), []
        for group in section.finished:
            cost, score = group.result(name), group.result("test_accuracy")
            if cost is None or cost.mean <= 0:
                continue
            look = of[group.label]
            costs.append(cost.mean * scale)
            axes.errorbar(
                costs[-1], 100 * score.mean, yerr=_whisker(score), capsize=3, linestyle="none",
                marker=look.marker, markersize=7, color=look.color, label=_name(group.label),
            )  # fmt: skip
        if len(costs) < 2:  # a point alone shows no relation
            return False
        _set_log_ticks(axes, costs)
        axes.set_xlabel(text)
        axes.set_ylabel("test accuracy (%)")
        _legend(axes)
        return True

    return draw


def _curves(split: str, name: str, unit: str, scale: float) -> Callable[["Axes", Section], bool]:
    def draw(axes: "Axes", section: Section) -> bool:
        of, is_share = looks(section.groups), name == "accuracy"
        curves = {group.label: group.curve(split, name) for group in section.groups}
        for group in section.groups:
            if curve := curves[group.label]:
                _curve(axes, curve, of[group.label], _name(group.title), scale, is_share)
        if not is_share:
            means = {label: [each.mean for each in curves[label].values()] for label in curves}
            limit_axis(axes, [(list(curves[n]), means[n], of[n].color) for n in curves])
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.set_ylabel(unit)
        _legend(axes)
        return bool(axes.lines)

    return draw


def _curve(
    axes: "Axes",
    curve: dict[int, Estimate],
    look: Look,
    label: str,
    scale: float,
    is_share: bool,
) -> None:
    """The mean by epoch, and a band of one standard deviation about it."""
    epochs, means = list(curve), [scale * each.mean for each in curve.values()]
    axes.plot(
        epochs, means, color=look.color, linestyle=look.line, label=label,
        marker=look.marker, markevery=max(1, len(epochs) // _NUM_MARKED),
    )  # fmt: skip
    if any(each.std for each in curve.values()):
        bands = (_band(each, scale, is_share=is_share) for each in curve.values())
        low, high = zip(*bands, strict=True)
        axes.fill_between(epochs, low, high, color=look.color, alpha=0.2, linewidth=0)


def _classes(kind: str) -> Callable[["Axes", Section], bool]:
    def draw(axes: "Axes", section: Section) -> bool:
        """A row a class, a marker a group."""
        names, of = section.class_names(kind), looks(section.groups)
        for group in section.finished:
            scores = {row: group.class_score(n, kind=kind) for row, n in enumerate(names)}
            found = {row: score for row, score in scores.items() if score}
            _points(axes, found, of[group.label], _name(group.label))
        are_few = len(names) <= 20
        axes.set_yticks(range(len(names)), list(map(plain, names)), fontsize=9 if are_few else 6)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlabel("test accuracy (%)")
        axes.figure.set_figheight(1.3 + len(names) * (0.25 if are_few else 0.12))
        _legend(axes)
        return bool(names)

    return draw


def _points(axes: "Axes", scores: dict[int, Estimate], look: Look, label: str) -> None:
    if scores:
        none = [[0.0], [0.0]]
        whiskers = [_whisker(score) or none for score in scores.values()]
        axes.errorbar(
            [100 * score.mean for score in scores.values()], list(scores),
            xerr=[[each[side][0] for each in whiskers] for side in (0, 1)],
            linestyle="none", marker=look.marker, markersize=5, color=look.color, alpha=0.85,
            label=label,
        )  # fmt: skip


def _set_log_ticks(axes: "Axes", values: list[float]) -> None:
    """A logarithmic axis with plain figures such as 500k, also where it spans no power of ten."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

    low, high = min(values) / 2, max(values) * 2
    subs = (1, 2, 5) if high < 300 * low else (1,)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(LogLocator(subs=subs))
    axes.xaxis.set_minor_locator(NullLocator())
    # below 1, as minutes may be, no prefix
    axes.xaxis.set_major_formatter(
        EngFormatter(sep="") if low >= 1 else lambda value, _: f"{value:g}"
    )


def _name(label: str) -> str:
    """A label as a picture shows it: a long one in several lines, broken between fields."""
    fields = label.replace(" ", _NO_BREAK).replace(f",{_NO_BREAK}", ", ")
    return plain("\n".join(textwrap.wrap(fields, _LINE_LETTERS)).replace(_NO_BREAK, " "))


def _legend(axes: "Axes") -> None:
    """Above the picture, where it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        columns = 3 if max(map(len, labels)) <= 13 else 2
        lines = max(label.count("\n") + 1 for label in labels)
        axes.figure.legend(handles, labels, loc="outside upper center", ncols=columns)
        more_lines = lines * -(-len(labels) // columns) - 1
        axes.figure.set_figheight(axes.figure.get_figheight() + _LEGEND_LINE * more_lines)
