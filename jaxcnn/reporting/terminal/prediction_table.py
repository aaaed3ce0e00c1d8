"""The predicted classes of pictures as a table for the terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxcnn.evaluation.predictions import UNKNOWN
from jaxcnn.text import percent, printable

if TYPE_CHECKING:
    from jaxcnn.evaluation.predictions import TopClasses


def print_table(predictions: Sequence["TopClasses"]) -> None:
    """Print the classes of each picture with their probabilities, the most likely first."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("picture", overflow="fold")
    table.add_column("class", overflow="fold")
    table.add_column("probability", justify="right", no_wrap=True)
    for prediction in predictions:
        table.add_section()
        name = Text(printable(str(prediction.path)), "bold")
        if prediction.is_unknown:
            table.add_row(name, Text(UNKNOWN, "yellow"), "")
            name = Text()
        for class_name, probability in zip(
            prediction.classes, prediction.probabilities, strict=True
        ):
            table.add_row(name, Text(printable(class_name)), percent(probability))
            name = Text()
    console = Console(highlight=False)
    console.print(table)
    if unknown := [prediction for prediction in predictions if prediction.is_unknown]:
        console.print(
            f"unknown: {len(unknown):,} of {len(predictions):,} pictures, whose first class is "
            f"less probable than {percent(unknown[0].min_confidence)}"
        )
