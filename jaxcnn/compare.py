"""Compares runs: `python -m jaxcnn.compare DIR… [--out=DIR] [--json]`.

Nothing is computed anew, and JAX is not needed: a comparison reads what the runs wrote.
Exit code 1: something was left out, which is named; 2: nothing could be compared.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from jaxcnn.errors import UserError
from jaxcnn.files.paths import path_flag, user_path
from jaxcnn.process import command
from jaxcnn.text import printable, printable_json

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from jaxcnn.reporting.document import Table

_OUT = path_flag("out", "The folder that the comparison is written to (default: comparison).")
_LEFT_TO_THE_PAGE = ("test loss", "million FLOPs", "epochs", "tested weights")
_FEWEST_COLUMNS = 3
_JSON = flags.DEFINE_bool("json", False, "Print JSON instead of tables.")


def main(arguments: list[str]) -> int:
    """Compares the runs in the folders that are named."""
    if not arguments:
        raise UserError("name the folders of the runs to compare: python -m jaxcnn.compare DIR…")
    from jaxcnn.reporting.comparison import records as records
    from jaxcnn.reporting.comparison.groups import without_fingerprint
    from jaxcnn.reporting.comparison.page import results_table, write_comparison

    out = _OUT.value or Path("comparison")
    sections, left_out = write_comparison(list(map(user_path, arguments)), out)
    for line in left_out:
        print(f"left out: {printable(line)}", file=sys.stderr)
    if unknown := without_fingerprint(sections):
        print(
            f"note: {len(unknown)} of the runs were made before runs kept a fingerprint of their "
            "data: whether they had the same data as the others cannot be told",
            file=sys.stderr,
        )
    if _JSON.value:
        found = records.everything(sections) | {"left_out": left_out}
        print(printable_json(found))
    else:
        for section in sections:
            _print(section.dataset, results_table(section))
        print(f"the comparison: {out / 'index.html'}")
    return 1 if left_out else 0


def _print(title: str, table: "Table") -> None:
    """As many columns as fit, and the last, which explains †: the others are on the page."""
    from rich.console import Console

    console = Console()
    width = console.width if console.is_terminal else 120
    kept = [index for index, name in enumerate(table.head) if name not in _LEFT_TO_THE_PAGE]
    shown = _as_rich(title, table, kept)
    while len(kept) > _FEWEST_COLUMNS and Console(width=1000).measure(shown).maximum > width:
        del kept[-2]
        shown = _as_rich(title, table, kept)
    Console(width=width).print(shown)


def _as_rich(title: str, table: "Table", kept: list[int]) -> "RichTable":
    """Some columns of the table."""
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(
        title=Text(printable(title)), caption=Text(table.caption), box=None, title_justify="left"
    )
    for index in kept:
        justify = "right" if index else "left"
        shown.add_column(
            Text(table.head[index]), justify=justify, no_wrap=bool(index), overflow="fold"
        )
    for row in table.rows:
        shown.add_row(*(Text(printable(row[index])) for index in kept))
    return shown


if __name__ == "__main__":
    command.run(main)
