"""Networks as tables for the terminal: the layers of one, or a list of several."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table

if TYPE_CHECKING:
    import numpy as np

    from jaxcnn.models import Summary

FIRST_VALUES = 4  # of an array, in row-major order
PIPE_COLUMNS = 120


def wide_console() -> Console:
    """Return a console as wide as the terminal; in a pipe or a file it has 120 columns."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPE_COLUMNS)


def _size(shape: Sequence[int]) -> str:
    return "x".join(str(n) for n in shape)


def _inputs(summary: "Summary") -> list[str]:
    """Return the inputs of each layer as text; "" if its only input is the layer above.

    A layer's own name is cut from the start of its inputs' names.
    """
    above = ("images", *(row.name for row in summary.rows))
    return [
        ""
        if row.inputs == (name,)
        else ", ".join(feeder.removeprefix(f"{row.name}/") for feeder in row.inputs)
        for row, name in zip(summary.rows, above, strict=False)
    ]


class Fitting:
    """Shows the first of several tables that fits the console's width, or the last one."""

    def __init__(self, *choices: Table):
        self._choices = choices

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        unbounded = options.update(max_width=1000)
        for choice in self._choices:
            if Measurement.get(console, unbounded, choice).minimum <= options.max_width:
                break
        yield choice


def render_summary(summary: "Summary") -> Fitting:
    """Return a network's layers and totals as a table; a branched network has a column of inputs.

    Numbers are never cut: on a narrow terminal the inputs are left out, then the kinds.
    """
    choices = [(("kind",), 30), (("kind",), 20), ((), None)]
    if any(_inputs(summary)):
        choices.insert(0, (("kind", "inputs"), 30))
    return Fitting(*(_summary_table(summary, *choice) for choice in choices))


def _summary_table(summary: "Summary", texts: Sequence[str], widest_name: int | None) -> Table:
    """Return the table with the given columns of text ("kind", "inputs") and all numbers.

    Layer names longer than `widest_name` letters are folded.
    """
    table = Table(
        title=f"{summary.name}: {_size(summary.image_shape)} images, {summary.num_classes} classes",
        caption=(
            f"{summary.parameters:,} parameters: {summary.trainable_parameters:,} trainable, "
            f"{summary.non_trainable_parameters:,} non-trainable\n"
            f"{summary.flops:,} FLOPs per image, forward (a multiply-add counts 2)"
        ),
        box=box.SIMPLE_HEAD,
    )
    longest = max(len(row.name) for row in summary.rows)
    # a fixed width, because rich narrows the widest flexible column below its `min_width`
    table.add_column("layer", overflow="fold", width=widest_name and min(longest, widest_name))
    if "kind" in texts:
        table.add_column("kind", overflow="fold")
    for name in ("output", "parameters", "FLOPs"):
        table.add_column(name, justify="left" if name == "output" else "right", no_wrap=True)
    if "inputs" in texts:
        table.add_column("inputs, if not the row above", overflow="fold")
    for row, inputs in zip(summary.rows, _inputs(summary), strict=True):
        cells = [row.name] + [f"{row.kind} {row.details}".strip()] * ("kind" in texts)
        cells += [_size(row.output_shape), f"{row.parameters:,}", f"{row.flops:,}"]
        table.add_row(*cells, *[inputs] * ("inputs" in texts))
    return table


def render_networks(summaries: Sequence["Summary"]) -> Table:
    """Return a table of networks: image size and classes as published, and the cost."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("network", "images", "classes", "parameters", "trainable", "FLOPs"):
        if name == "network":
            table.add_column(name, overflow="fold")
        else:
            table.add_column(name, justify="right", no_wrap=True)
    for summary in summaries:
        counts = (summary.parameters, summary.trainable_parameters, summary.flops)
        sizes = (_size(summary.image_shape), str(summary.num_classes))
        table.add_row(summary.name, *sizes, *(f"{count:,}" for count in counts))
    return table


def render_tensors(tensors: Mapping[str, "np.ndarray"], title: str) -> Table:
    """Return a table of a network's arrays: name, shape, number and first values."""
    count = sum(array.size for array in tensors.values())
    caption = f"{len(tensors)} arrays, {count:,} numbers"
    table = Table(title=f"weights: {title}", caption=caption, box=box.SIMPLE_HEAD)
    table.add_column("array", overflow="fold")
    table.add_column("shape", no_wrap=True)
    table.add_column("numbers", justify="right", no_wrap=True)
    table.add_column("first values", no_wrap=True)
    for name, array in tensors.items():
        values = ", ".join(f"{value:.4g}" for value in array.ravel()[:FIRST_VALUES])
        more = ", …" if array.size > FIRST_VALUES else ""
        table.add_row(name, _size(array.shape) or "1", f"{array.size:,}", values + more)
    return table
