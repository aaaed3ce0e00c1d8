"""A table of a comparison on the terminal."""

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from jaxcnn.reporting.document import Table
from jaxcnn.reporting.terminal.tables import wide_console
from jaxcnn.text import printable

_PAGE_ONLY = (
    "test loss",
    "test loss / batch size",
    "million FLOPs",
    "tested weights",
    "machine",
    "code",
)
_FEWEST_COLUMNS = 3


def print_grid(table: Table) -> None:
    """Print a table with all its columns, broken into lines where the terminal is narrow."""
    wide_console().print(_as_rich("", table, list(range(len(table.head))), no_wrap=False))


def print_table(title: str, table: Table) -> None:
    """Print as many of the columns as fit; the page has all of them."""
    console = wide_console()
    console.print(fit_table(title, table, console.width))


def fit_table(title: str, table: Table, width: int) -> RichTable:
    """Return the table with as many of the columns as fit."""
    unbounded = Console(width=1000)
    kept = [index for index, name in enumerate(table.head) if name not in _PAGE_ONLY]
    shown = _as_rich(title, table, kept)
    while len(kept) > _FEWEST_COLUMNS and unbounded.measure(shown).maximum > width:
        del kept[-2]
        shown = _as_rich(title, table, kept)
    return shown


def _as_rich(title: str, table: Table, kept: list[int], *, no_wrap: bool = True) -> RichTable:
    """Return the table with the columns at the `kept` positions."""
    shown = RichTable(
        title=Text(printable(title)),
        caption=Text(printable(table.caption)),
        box=None,
        title_justify="left",
    )
    for index in kept:
        justify = "right" if index else "left"
        shown.add_column(
            Text(printable(table.head[index])),
            justify=justify,
            no_wrap=no_wrap and bool(index),
            overflow="fold",
        )
    for row in table.rows:
        shown.add_row(*(Text(printable(row[index])) for index in kept))
    return shown
