"""The looks of groups in all pictures of a section: color, marker, line, name and legend."""

import dataclasses
import textwrap
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from jaxcnn.reporting.comparison.groups import RecipeGroup
from jaxcnn.reporting.figures.style import COLORS, color_of, has_own_color, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = "osD^vP*X"
_LINES = ("-", "--", "-.", ":")
_LEGEND_LINE = 0.19  # inches
_LINE_LETTERS = 24  # the longest line of a label: two fit above an axis
_NO_BREAK = "\u00a0"  # a space at which no line ends


@dataclasses.dataclass(frozen=True)
class Look:
    """The color, marker and line of a group."""

    color: str
    marker: str
    line: str


def looks(groups: Iterable[RecipeGroup]) -> dict[str, Look]:
    """Return a look for each group's label.

    A group has its network's color, or a free one if an earlier group has that. When all colors are
    taken, they come again with another marker and line.
    """
    result: dict[str, Look] = {}
    for group in sorted(groups, key=lambda g: (not has_own_color(g.run.network), g.label)):
        uses = Counter(look.color for look in result.values())
        preferred = color_of(group.run.network)
        color = min((preferred, *COLORS), key=lambda color: uses[color])
        marker = _MARKERS[(COLORS.index(color) + uses[color]) % len(_MARKERS)]
        result[group.label] = Look(color, marker, _LINES[uses[color] % len(_LINES)])
    return result


def wrapped(label: str) -> str:
    """Return a label for a picture: a long one in several lines, broken between fields."""
    fields = label.replace(" ", _NO_BREAK).replace(f",{_NO_BREAK}", ", ")
    lines = textwrap.wrap(fields, _LINE_LETTERS)
    return "\n".join(plain(line.replace(_NO_BREAK, " ")) for line in lines)


def add_legend(axes: "Axes") -> None:
    """Add a legend above the axes, where it hides nothing."""
    handles, names = axes.get_legend_handles_labels()
    if handles:
        columns = 3 if max(map(len, names)) <= 13 else 2
        lines = max(name.count("\n") + 1 for name in names)
        axes.figure.legend(handles, names, loc="outside upper center", ncols=columns)
        more_lines = lines * -(-len(names) // columns) - 1
        axes.figure.set_figheight(axes.figure.get_figheight() + _LEGEND_LINE * more_lines)
