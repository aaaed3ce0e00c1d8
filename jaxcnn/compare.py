"""Compare runs: `python -m jaxcnn.compare DIR… [--grid=FIELD,FIELD] [--goal=X] [--out=DIR]`.

A comparison reads the files of the runs; it computes nothing with their networks and needs no JAX.
Exit code 1: runs or files were left out and are named; 2: nothing could be compared.
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
    from jaxcnn.reporting.comparison.goal import Goal
    from jaxcnn.reporting.comparison.grid import Fields
    from jaxcnn.reporting.comparison.groups import Section

_OUT = path_flag("out", "The folder for the comparison (default: comparison).")
_JSON = flags.DEFINE_bool("json", False, "Print JSON instead of tables.")
_GRID = flags.DEFINE_list(
    "grid",
    [],
    "The two config fields of the grids of accuracies, such as optimizer.learning_rate,"
    "optimizer.momentum (default: the two in which the runs differ).",
)
_GOAL = flags.DEFINE_float(
    "goal", None, "A validation accuracy, such as 0.994: show the first epoch with it.", 0, 1
)
_MAX_PARAMETERS = flags.DEFINE_integer(
    "max_parameters", None, "Show which networks have at most so many parameters.", 1
)


def main(arguments: list[str]) -> int:
    """Compare the runs in the given folders."""
    if not arguments:
        raise UserError("name the folders of the runs to compare: python -m jaxcnn.compare DIR…")
    from jaxcnn.reporting.comparison import records
    from jaxcnn.reporting.comparison.goal import Goal
    from jaxcnn.reporting.comparison.grid import fields_of_grid
    from jaxcnn.reporting.comparison.groups import without_fingerprint
    from jaxcnn.reporting.comparison.page import write_comparison

    out, goal = _OUT.value or Path("comparison"), Goal(_GOAL.value, _MAX_PARAMETERS.value)
    folders = list(map(user_path, arguments))
    sections, left_out = write_comparison(folders, out, _GRID.value, goal)
    for line in left_out:
        print(f"left out: {printable(line)}", file=sys.stderr)
    if unknown := without_fingerprint(sections):
        have = "has" if len(unknown) == 1 else "have"
        print(
            f"note: {len(unknown)} of the runs {have} no fingerprint of their data, because an "
            "older version made them; their data may differ from the other runs'",
            file=sys.stderr,
        )
    fields = fields_of_grid(_GRID.value, sections)
    if _JSON.value:
        output = records.everything(sections, fields, goal) | {"left_out": left_out}
        print(printable_json(output))
    else:
        for section in sections:
            _print(section, fields, goal)
        print(f"comparison written to {out / 'index.html'}")
    return 1 if left_out else 0


def _print(section: "Section", fields: "Fields | None", goal: "Goal") -> None:
    from jaxcnn.reporting.comparison.grid import grids_of
    from jaxcnn.reporting.comparison.pair_tables import pair_remarks, pair_table, pairs_of
    from jaxcnn.reporting.comparison.sweep_tables import goal_tables, grid_tables
    from jaxcnn.reporting.comparison.tables import remarks, results_table
    from jaxcnn.reporting.terminal.comparison_table import print_grid, print_table

    print_table(section.dataset, results_table(section))
    for remark in remarks(section):
        print(printable(remark.text))
    pairs = pairs_of(section)
    for table in pair_table(pairs):
        print_table("", table)
    for remark in pair_remarks(pairs):
        print(printable(remark.text))
    for table in goal_tables(section, goal):
        print_table("", table)
    for grid in grids_of(section, fields):
        for table in grid_tables(grid):
            print_grid(table)


if __name__ == "__main__":
    command.run(main)
