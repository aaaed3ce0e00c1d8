"""Tables for the terminal, from plain data."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from jaxcnn.models import Summary


def _size(shape: Sequence[int]) -> str:
    return "x".join(str(n) for n in shape)


def _inputs(summary: "Summary") -> list[str]:
    """For each row what feeds it, where that is not the row above; without the row's own name."""
    above = ("images", *(row.name for row in summary.rows))
    return [
        ""
        if row.inputs == (name,)
        else ", ".join(feeder.removeprefix(f"{row.name}/") for feeder in row.inputs)
        for row, name in zip(summary.rows, above, strict=False)
    ]


def render_summary(summary: "Summary") -> Table:
    """A network's layers and totals as a table; branched networks have a column of inputs."""
    all_inputs = _inputs(summary)
    branched = any(all_inputs)
    table = Table(
        title=f"{summary.name}: {_size(summary.image_shape)} images, {summary.num_classes} classes",
        caption=(
            f"{summary.parameters:,} parameters: {summary.trainable_parameters:,} trainable, "
            f"{summary.non_trainable_parameters:,} not\n"
            f"{summary.flops:,} FLOPs an image, forward (2 a multiply-add)"
        ),
        box=box.SIMPLE_HEAD,
    )
    longest = max(len(row.name) for row in summary.rows)
    table.add_column("layer", overflow="fold", min_width=min(longest, 30))
    for name in ("kind", "output"):
        table.add_column(name, overflow="fold")
    for name in ("parameters", "FLOPs"):
        table.add_column(name, justify="right", no_wrap=True)
    if branched:
        table.add_column("inputs (else the row above)", overflow="fold")
    for row, inputs in zip(summary.rows, all_inputs, strict=True):
        kind = f"{row.kind} {row.details}".strip()
        cells = [row.name, kind, _size(row.output_shape), f"{row.parameters:,}", f"{row.flops:,}"]
        table.add_row(*cells, *([inputs] if branched else []))
    return table


def render_networks(summaries: Sequence["Summary"]) -> Table:
    """Networks, a line each, with what they were published for and what they cost."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("network", "images", "classes", "parameters", "trainable", "FLOPs"):
        table.add_column(name, justify="left" if name == "network" else "right", no_wrap=True)
    for summary in summaries:
        counts = (summary.parameters, summary.trainable_parameters, summary.flops)
        sizes = (_size(summary.image_shape), str(summary.num_classes))
        table.add_row(summary.name, *sizes, *(f"{count:,}" for count in counts))
    return table
