"""The style of all pictures: colors that color-blind readers can tell apart, PNG and SVG.

    with styled():
        figure = new_figure(4.5, 3.0)
        axes = figure.add_subplot()
        axes.plot(epochs, accuracy, color=color_of("lenet"))
        save(figure, workdir / "plots" / "accuracy")

References:
  Okabe and Ito, Color Universal Design, 2008. https://jfly.uni-koeln.de/color/
"""

import contextlib
import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from jaxcnn.files.writing import write_bytes, writing_to
from jaxcnn.text import printable, shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure


STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.5,
    "lines.markersize": 4,
    "legend.frameon": False,
    "svg.hashsalt": "jaxcnn",  # the same figure gives the same file
    "svg.fonttype": "none",
}
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, YELLOW, BLACK = "#E69F00", "#56B4E9", "#F0E442", "#000000"
GRAY = "#555555"
# Okabe and Ito's colors, the strongest on white first; their yellow is too pale for a line.
COLORS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
COLUMN = 4.5  # inches: the width of a picture in a column of text
# Colors of networks that are often compared.
_NETWORKS = {
    "lenet": BLUE,
    "alexnet": VERMILION,
    "vgg16_bn": GREEN,
    "resnet50": PURPLE,
    "googlenet": ORANGE,
    "simpler_cnn": SKY,
    "mlp": BLACK,
    "lenet5_base": BLUE,
    "lenet5_model1": VERMILION,
    "lenet5_model2": GREEN,
    "lenet5_model3": PURPLE,
    "mnist_vanilla": BLACK,
    "mnist_small": BLUE,
    "mnist_small_bn": VERMILION,
    "mnist_bn_dropout": GREEN,
    "mnist_deep_20k": PURPLE,
    "mnist_deep_12k": ORANGE,
    "mnist_stem64_16k": SKY,
}


def color_of(name: str) -> str:
    """Return a network's color, such as "#0072B2": the same in every picture and process."""
    return _NETWORKS.get(name) or COLORS[zlib.crc32(name.encode()) % len(COLORS)]


def has_own_color(name: str) -> bool:
    """Return whether the color was chosen for the network; other colors follow from the name."""
    return name in _NETWORKS


def plain(text: str) -> str:
    """Return a user's text as matplotlib draws it unchanged: `$` would begin a formula."""
    return printable(text).replace("$", r"\$")


def class_text(name: str, letters: int) -> str:
    """Return a class's name for a picture: words, shortened to `letters` characters."""
    return plain(shorten(name.replace("_", " "), letters))


def styled() -> contextlib.AbstractContextManager:
    """Return a context manager in which pictures are drawn in the style."""
    import matplotlib

    return matplotlib.rc_context(STYLE)


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure of a size in inches, without a window; call it in `styled()`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=200, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: "Figure", stem: Path) -> Path:
    """Write `stem.png` and `stem.svg`, without a date in them, and return the PNG's path.

    Raises:
      UserError: the folder cannot be written.
    """
    png, svg = (stem.with_name(f"{stem.name}.{kind}") for kind in ("png", "svg"))
    with writing_to(stem.parent), styled():
        stem.parent.mkdir(parents=True, exist_ok=True)
        _write(figure, png, {"Software": None})
        figure.set_layout_engine("none")  # the places stay, and are not computed again
        _write(figure, svg, {"Date": None})
    return png


def _write(figure: "Figure", path: Path, metadata: dict[str, None]) -> None:
    drawn = io.BytesIO()
    figure.savefig(drawn, format=path.suffix[1:], metadata=metadata)
    write_bytes(path, drawn.getvalue())
