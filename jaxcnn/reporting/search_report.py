"""The report of a search: tables of its trials, and pictures of accuracy against each field."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.config.sweep import Values
from jaxcnn.files.writing import write_text
from jaxcnn.reporting.comparison.labels import axis_name, short_value
from jaxcnn.reporting.document import (
    Block,
    Heading,
    Paragraph,
    Picture,
    Table,
    to_html,
    to_markdown,
)
from jaxcnn.reporting.figures.search import DRAWN, Rows, plot_field, plot_front, plot_history
from jaxcnn.text import integer, loss, percent

_SHOWN = 10  # trials in the first table
_PICTURES = "plots"


def write_search_report(
    workdir: Path,
    fields: Mapping[str, Values],
    rows: Rows,
    lines: Sequence[str],
    minimize: str = "",
    front: Rows = (),
) -> None:
    """Write `report.md`, `index.html` and the pictures of a search.

    Args:
      workdir: the search's folder.
      fields: the values that each field may take.
      rows: of the trials, the best one first; at least one is finished.
      lines: paragraphs about the search and its best trial.
      minimize: the name of the trials' cost; "" for none.
      front: of the trials that no other one beats, the cheapest first.

    Raises:
      UserError: the folder cannot be written.
    """
    title = "Search"
    blocks: list[Block] = [
        *map(Paragraph, lines),
        *_front(workdir, fields, rows, minimize, front),
        best_table(fields, rows, minimize),
        *_pictures(workdir, fields, rows),
        Heading("All trials"),
        _table("Trials, the best one first.", fields, rows, minimize, folded=True),
    ]
    write_text(workdir / "report.md", to_markdown(title, blocks))
    write_text(workdir / "index.html", to_html(title, blocks, workdir))


def best_table(fields: Mapping[str, Values], rows: Rows, minimize: str = "") -> Table:
    """Return the table of the best trials."""
    shown = [row for row in rows if row["state"] == "finished"][:_SHOWN]
    caption = "Best trials by validation accuracy, then by validation loss."
    return _table(caption, fields, shown, minimize)


def front_table(fields: Mapping[str, Values], front: Rows, minimize: str) -> Table:
    """Return the table of the trials that no other one beats in both accuracy and cost."""
    return _table(f"The front of accuracy and {minimize}.", fields, front, minimize)


def _front(
    workdir: Path, fields: Mapping[str, Values], rows: Rows, minimize: str, front: Rows
) -> list[Block]:
    """Return the table of the front and its picture, for the document; nothing without a front."""
    if not front:
        return []
    name = f"{_PICTURES}/front"
    finished = [row for row in rows if row["state"] == "finished" and row[minimize] is not None]
    plot_front(finished, front, minimize, workdir / name)
    picture = Picture(name, f"Validation accuracy against {minimize}")
    return [front_table(fields, front, minimize), picture]


def _table(
    caption: str,
    fields: Mapping[str, Values],
    rows: Rows,
    minimize: str,
    *,
    folded: bool = False,
) -> Table:
    lineages = ["lineage"] * any("lineage" in row for row in rows)
    costs = [minimize] * bool(minimize)
    figures = [*costs, "validation", "loss", "epochs", "state", *lineages]
    cells = [_cells(row, fields, costs) for row in rows]
    return Table(caption, ["trial", *map(axis_name, fields), *figures], cells, folded)


def _cells(row: Mapping[str, Any], fields: Mapping[str, Values], costs: Sequence[str]) -> list[str]:
    lineage = " → ".join(f"{number}" for number in row.get("lineage", ()))
    return [
        str(row["trial"]),
        # a trial lacks values while another worker asks for it
        *(short_value(row.get(name, "-")) for name in fields),
        *(_cost(row[name]) for name in costs),
        percent(row["validation_accuracy"]),
        loss(row["validation_loss"]),
        integer(row["epochs"]),
        row["state"],
        *[lineage] * ("lineage" in row),
    ]


def _cost(cost: float | None) -> str:
    """Return a cost as text: a count, or seconds with three figures."""
    return f"{cost:.3g}" if isinstance(cost, float) else integer(cost)


def _pictures(workdir: Path, fields: Mapping[str, Values], rows: Rows) -> list[Block]:
    """Draw the pictures; return them for the document."""
    folder = workdir / _PICTURES
    drawn = [row for row in rows if row["state"] in DRAWN]
    best = next(row["trial"] for row in drawn if row["state"] == "finished")
    by_number = sorted(drawn, key=lambda row: row["trial"])
    plot_history(by_number, best, folder / "history")
    pictures: list[Block] = [Picture(f"{_PICTURES}/history", "Validation accuracy by trial")]
    for name, values in fields.items():
        plot_field(by_number, best, name, values, folder / name)
        text = f"Validation accuracy against {axis_name(name)}"
        pictures.append(Picture(f"{_PICTURES}/{name}", text))
    return pictures
