"""The pictures of a sweep: the curves of all members, and the accuracy against each field."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxcnn.config.sweep import is_number
from jaxcnn.reporting.comparison.labels import axis_name, short_value
from jaxcnn.reporting.comparison.looks import add_legend, wrapped
from jaxcnn.reporting.figures.limits import Curve, limit_axis
from jaxcnn.reporting.figures.style import (
    BLUE,
    COLORS,
    COLUMN,
    GRAY,
    new_figure,
    plain,
    save,
    styled,
)
from jaxcnn.reporting.series import series
from jaxcnn.reporting.sweep.outcome import Outcome, SweptRecipe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMED = 4  # recipes with a color and a name; the others are gray
_LOG_RANGE = 20  # values that span more have a logarithmic axis
_MOST_TICKS = 8


def plot_outcome(outcome: Outcome, folder: Path) -> dict[str, str]:
    """Draw the pictures as `NAME.png` and `.svg`.

    Returns:
      A caption for each picture's name.

    Raises:
      UserError: the folder cannot be written.
    """
    pictures: dict[str, tuple[Callable[[Axes], None], str]] = {
        f"curves_{name}": (
            _curves(outcome, name, unit, scale),
            f"Validation {name} of all members by epoch; the best recipes in color",
        )
        for name, unit, scale in (("accuracy", " (%)", 100), ("loss", "", 1))
    }
    for name, values in outcome.fields.items():
        if len(values) > 1:
            caption = (
                f"Validation accuracy against {axis_name(name)}: a dot for each member. The blue "
                "dots are the best recipe of each value. The 95 % intervals of these recipes' "
                "means may reach beyond the picture"
            )
            pictures[f"against_{name.replace('.', '_')}"] = _against(outcome, name), caption
    for name, (draw, _) in pictures.items():
        with styled():
            figure = new_figure(COLUMN, 3.0)
            draw(figure.add_subplot())
            save(figure, folder / name)
    return {name: caption for name, (_, caption) in pictures.items()}


def _curves(outcome: Outcome, name: str, unit: str, scale: float) -> Callable[["Axes"], None]:
    def draw(axes: "Axes") -> None:
        named = (recipe.label for recipe in outcome.recipes[:_NAMED])
        colors, curves = dict(zip(named, COLORS, strict=False)), []
        for rank, recipe in enumerate(outcome.recipes):
            look = {"color": colors.get(recipe.label, GRAY), "zorder": 2 + 1 / (1 + rank)}
            look |= {"linewidth": 1.4} if rank < _NAMED else {"linewidth": 0.8, "alpha": 0.5}
            label = wrapped(recipe.label) if rank < _NAMED else None
            curves += _plot_recipe(axes, recipe, name, scale, label, look)
        if name == "loss":
            limit_axis(axes, curves)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.set_ylabel(f"validation {name}{unit}")
        add_legend(axes)

    return draw


def _plot_recipe(
    axes: "Axes",
    recipe: SweptRecipe,
    name: str,
    scale: float,
    label: str | None,
    look: Mapping[str, Any],
) -> list[Curve]:
    """Draw a line for each member of a recipe, the first one with the recipe's label."""
    curves = []
    for run in recipe.group.runs:
        values = series(run.rows, "validation", name)
        epochs, scaled = list(values), [scale * value for value in values.values()]
        marker = "o" if len(epochs) == 1 else ""
        axes.plot(epochs, scaled, label=label, marker=marker, **look)
        curves.append((epochs, scaled, look["color"]))
        label = None
    return curves


def _against(outcome: Outcome, name: str) -> Callable[["Axes"], None]:
    is_scale = all(is_number(value) for value in outcome.fields[name])
    positions = {v: v if is_scale else i for i, v in enumerate(outcome.fields[name])}

    def draw(axes: "Axes") -> None:
        points = [
            (positions[recipe.values[name]], 100 * accuracy)
            for recipe in outcome.recipes
            for accuracy in recipe.group.accuracies(outcome.metric)
        ]
        axes.plot(*zip(*points, strict=True), "o", color=GRAY, alpha=0.6, zorder=3, label="members")
        by_value = _best_by_value(outcome.recipes, name)
        best = {positions[v]: by_value[v] for v in sorted(by_value, key=positions.__getitem__)}
        values = [100 * recipe.validation.mean for recipe in best.values() if recipe.validation]
        axes.plot(
            list(best),
            values,
            "-o" if is_scale else "o",
            color=BLUE,
            markersize=6,
            label="best recipes",
        )
        for value, recipe in best.items():
            if interval := recipe.validation_interval:
                axes.plot([value, value], [100 * end for end in interval], color=BLUE, linewidth=1)
        _set_accuracies(axes, [accuracy for _, accuracy in points])
        if is_scale:
            _set_values(axes, sorted(outcome.fields[name]))
        else:
            axes.set_xticks(list(positions.values()), [plain(short_value(v)) for v in positions])
            axes.margins(x=0.1)
        axes.set_xlabel(plain(axis_name(name)))
        axes.set_ylabel("validation accuracy (%)")
        add_legend(axes)

    return draw


def _best_by_value(recipes: Iterable[SweptRecipe], name: str) -> dict[Any, SweptRecipe]:
    """Return, by the value of a field, the first recipe with this value and an accuracy."""
    best: dict[Any, SweptRecipe] = {}
    for recipe in recipes:
        if recipe.validation:
            best.setdefault(recipe.values[name], recipe)
    return best


def _set_accuracies(axes: "Axes", accuracies: Sequence[float]) -> None:
    """Limit the y axis to the members; the interval of a few seeds may be much longer."""
    low, high = min(accuracies), max(accuracies)
    margin = max(0.1 * (high - low), 0.5)
    axes.set_ylim(max(low - margin, -1), min(high + margin, 101))


def _set_values(axes: "Axes", values: Sequence[float]) -> None:
    """Set the axis of a field: logarithmic if the values span much, with ticks at few values."""
    is_log = values[0] > 0 and values[-1] > _LOG_RANGE * values[0]
    if is_log:
        axes.set_xscale("log")
    gaps = [b / a if is_log else b - a for a, b in itertools.pairwise(values)]
    span = values[-1] / values[0] if is_log else values[-1] - values[0]
    if len(values) <= _MOST_TICKS and min(gaps) >= (span**0.1 if is_log else 0.1 * span):
        from matplotlib.ticker import NullLocator

        axes.set_xticks(values, list(map(short_value, values)))
        axes.xaxis.set_minor_locator(NullLocator())
