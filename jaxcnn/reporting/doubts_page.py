"""A page to look through images whose labels and predictions differ: mistakes, label errors."""

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxcnn.evaluation.examples import Examples
from jaxcnn.evaluation.mistakes import Doubt, doubts
from jaxcnn.evaluation.predictions import Predictions
from jaxcnn.files.writing import write_text
from jaxcnn.reporting.document import Heading, Paragraph, Table, Tile, Tiles, to_html
from jaxcnn.reporting.figures.thumbnails import thumbnail
from jaxcnn.text import integer, percent, printable

MOST_SHOWN = 1000  # images on a page
_LEAST_OF_PAIR = 3  # images of a pair that has a section of its own


def write_mistakes_page(
    file: Path, predictions: Predictions, positions: np.ndarray, examples: Examples
) -> None:
    """Write the page of an evaluation's wrong predictions.

    Args:
      file: of the page.
      predictions: those of the examples.
      positions: of the wrong ones, the most confident first.
      examples: the images.

    Raises:
      UserError: the file cannot be written.
    """
    data = examples.other.name if examples.other else examples.dataset
    count = f"{integer(len(positions))} of {integer(len(predictions))} predictions are wrong."
    shown = doubts(predictions, positions[:MOST_SHOWN].tolist(), examples.images, data)
    title = f"Mistakes on {data}, {examples.name} split"
    write_doubts_page(file, printable(title), [count], shown, len(positions))


def write_doubts_page(
    file: Path, title: str, intro: Sequence[str], shown: Sequence[Doubt], count: int
) -> None:
    """Write a page of images, grouped by label and predicted class, as one HTML file.

    Pairs of classes with few images share the last section.

    Args:
      file: of the page.
      title: of the page.
      intro: the first paragraphs.
      shown: the images, in the order within a group.
      count: how many there are altogether.

    Raises:
      UserError: the file cannot be written.
    """
    by_pair = sorted(shown, key=_pair)  # stable
    groups = [(pair, list(group)) for pair, group in itertools.groupby(by_pair, _pair)]
    groups.sort(key=lambda item: -len(item[1]))
    pairs = Counter({f"{label} → {other}": len(group) for (label, other), group in groups})
    if count > len(shown):
        intro = [*intro, f"The page shows the first {integer(len(shown))} of {integer(count)}."]
    blocks: list = [Paragraph(text) for text in intro]
    if groups:
        rows = [(name, integer(number)) for name, number in pairs.items()]
        blocks.append(
            Table("Images by label and prediction", ("label → predicted", "images"), rows)
        )
    small = {pair for pair, group in groups if len(group) < _LEAST_OF_PAIR}
    for pair, group in groups:
        if pair not in small or len(small) == 1:
            blocks.append(Heading(" → ".join(pair)))
            blocks.append(Tiles([_tile(doubt) for doubt in group]))
    if len(small) > 1:
        rest = [doubt for doubt in shown if _pair(doubt) in small]
        blocks.append(Heading("Other pairs" if len(small) < len(groups) else "All pairs"))
        blocks.append(Tiles([_tile(doubt) for doubt in rest]))
    write_text(file, to_html(title, blocks, file.parent))


def _pair(doubt: Doubt) -> tuple[str, str]:
    return doubt.label, doubt.predicted


def _tile(doubt: Doubt) -> Tile:
    lines = (
        doubt.name,
        f"label {doubt.label} {percent(doubt.label_probability)}",
        f"predicted {doubt.predicted} {percent(doubt.predicted_probability)}",
    )
    return Tile(thumbnail(doubt.picture), [printable(line) for line in lines])
