"""The axis of curves of which some explode: the others stay readable, and what is cut is marked."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_TIMES_USUAL = 10  # so many times the lower quartile, and it is cut
_NEVER_CUT = 10.0  # no loss below is: guessing among 20,000 classes costs as much
_MARGIN = 0.05  # of the axis
Curve = tuple[Sequence[float], Sequence[float], str]  # x, y, colour


def limit_axis(axes: "Axes", curves: Sequence[Curve]) -> None:
    """Limits the y axis to the usual values, and marks each value beyond with a triangle at the
    edge; leaves the axis alone where no value is far beyond."""
    values = [y for _, ys, _ in curves for y in ys]
    if not values:
        return
    usual = sorted(map(abs, values))[len(values) // 4]
    largest = max(_NEVER_CUT, _TIMES_USUAL * usual)
    inside = [y for y in values if abs(y) <= largest]
    if len(inside) == len(values):
        return
    margin = _MARGIN * (max(inside) - min(inside)) or 1.0
    low, high = min(inside) - margin, max(inside) + margin
    axes.set_ylim(low, high)
    label = f"cut off, up to {max(values, key=abs):.3g}"
    for xs, ys, color in curves:
        for edge, marker, sign in ((high, "^", 1), (low, "v", -1)):
            cut = [x for x, y in zip(xs, ys, strict=True) if sign * y > largest]
            if cut:
                axes.plot(
                    cut, [edge] * len(cut), marker=marker, color=color, linestyle="none",
                    markersize=6, clip_on=False, label=label,
                )  # fmt: skip
                label = None
