"""The axis of curves with extreme values: it is cut so that the other values stay readable."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_TIMES_USUAL = 10  # values above so many times the lower quartile are cut
_NEVER_CUT = 10.0  # values below are never cut: the loss of guessing among 20,000 classes
_MARGIN = 0.05  # of the axis
Curve = tuple[Sequence[float], Sequence[float], str]  # x, y, color


def limit_axis(axes: "Axes", curves: Sequence[Curve]) -> None:
    """Limit the y axis to the usual values, and mark each value beyond with a triangle.

    The axis stays as it is if no value is extreme.
    """
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
