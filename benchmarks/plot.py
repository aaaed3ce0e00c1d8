"""Draw jaxcnn's speed relative to other sides: `python benchmarks/plot.py FILE.json… --out=STEM`.

The files come from the side-by-side benchmarks. Each gets a subplot: one bar per network and other
side, a line at equal speed, and whiskers for the range over rounds.
"""

from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from jaxcnn.errors import UserError
from jaxcnn.files.reading import read_json
from jaxcnn.process import command
from jaxcnn.reporting.figures import style

_OUT = flags.DEFINE_string(
    "out", "benchmarks", "Stem of the files to write: STEM.png and STEM.svg."
)

TITLES = {
    "train_step": "Training steps",
    "evaluation": "Evaluation",
    "epoch": "Whole training epochs",
    "data_feed": "Data feed alone",
}
RATIO = "ratio_to_"


def ratios(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Return for each other side the ratio and its lowest and highest value: (rows, 3)."""
    names = [
        key.removeprefix(RATIO)
        for key in rows[0]
        if key.startswith(RATIO) and not key.endswith("_range")
    ]
    return {
        name: np.array([[row[RATIO + name], *row[f"{RATIO}{name}_range"]] for row in rows])
        for name in names
    }


def draw(axes: Any, results: dict[str, Any]) -> None:
    """Draw the bars of a benchmark's results."""
    rows, by_side = results["rows"], ratios(results["rows"])
    places, height = np.arange(len(rows)), 0.8 / len(by_side)
    for index, (name, values) in enumerate(by_side.items()):
        middle, lowest, highest = values.T
        axes.barh(
            places + (index + 0.5) * height - 0.4,
            middle,
            height,
            # the ratio of medians may lie outside the rounds' range
            xerr=np.maximum([middle - lowest, highest - middle], 0),
            color=style.COLORS[index],
            error_kw={"elinewidth": 0.8, "ecolor": style.GRAY},
            label=f"beside {name.replace('_', ' ')}",
        )
    axes.axvline(1, color=style.BLACK, linewidth=0.8)
    axes.set_yticks(places, [row["network"] for row in rows])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlim(left=0)
    axes.set_title(f"{TITLES[results['benchmark']]} ({results['device']})", fontsize=9)
    axes.set_xlabel("times as many images a second as the other")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))


def plot(files: list[dict[str, Any]], stem: Path) -> Path:
    """Draw the results of several benchmarks in one figure; return the PNG's path."""
    heights = [1.1 + 0.2 * len(x["rows"]) * len(ratios(x["rows"])) for x in files]
    with style.styled():
        figure = style.new_figure(1.8 * style.COLUMN, sum(heights))
        parts = figure.subplots(len(files), squeeze=False, height_ratios=heights)
        for axes, results in zip(parts.flat, files, strict=True):
            draw(axes, results)
        return style.save(figure, stem)


def main(arguments: list[str]) -> None:
    """Read the files and draw them."""
    if not arguments:
        raise UserError("name the JSON files that benchmarks have written")
    files = []
    for argument in arguments:
        results = read_json(argument)
        if not isinstance(results, dict) or results.get("benchmark") not in TITLES:
            raise UserError(f"{argument}: holds no results of {', '.join(TITLES)}")
        if not results.get("rows"):
            raise UserError(f"{argument}: holds no rows")
        if not ratios(results["rows"]):
            raise UserError(f"{argument}: was made with one side; there is nothing to compare")
        files.append(results)
    print(plot(files, Path(_OUT.value)))


if __name__ == "__main__":
    command.run(main)
