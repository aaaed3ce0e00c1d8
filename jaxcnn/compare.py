"""Compare runs: `python -m jaxcnn.compare DIR… [--out=DIR] [--json]`.

A comparison reads the files of the runs; it computes nothing with their networks and needs no JAX.
Exit code 1: runs or files were left out and are named; 2: nothing could be compared.
"""

import sys
from pathlib import Path

from absl import flags

from jaxcnn.errors import UserError
from jaxcnn.files.paths import path_flag, user_path
from jaxcnn.process import command
from jaxcnn.text import printable, printable_json

_OUT = path_flag("out", "The folder for the comparison (default: comparison).")
_JSON = flags.DEFINE_bool("json", False, "Print JSON instead of tables.")


def main(arguments: list[str]) -> int:
    """Compare the runs in the given folders."""
    if not arguments:
        raise UserError("name the folders of the runs to compare: python -m jaxcnn.compare DIR…")
    from jaxcnn.reporting.comparison import records
    from jaxcnn.reporting.comparison.groups import without_fingerprint
    from jaxcnn.reporting.comparison.page import write_comparison
    from jaxcnn.reporting.comparison.tables import remarks, results_table
    from jaxcnn.reporting.terminal.comparison_table import print_table

    out = _OUT.value or Path("comparison")
    sections, left_out = write_comparison(list(map(user_path, arguments)), out)
    for line in left_out:
        print(f"left out: {printable(line)}", file=sys.stderr)
    if unknown := without_fingerprint(sections):
        have = "has" if len(unknown) == 1 else "have"
        print(
            f"note: {len(unknown)} of the runs {have} no fingerprint of their data, because an "
            "older version made them; their data may differ from the other runs'",
            file=sys.stderr,
        )
    if _JSON.value:
        output = records.everything(sections) | {"left_out": left_out}
        print(printable_json(output))
    else:
        for section in sections:
            print_table(section.dataset, results_table(section))
            for remark in remarks(section):
                print(printable(remark.text))
        print(f"comparison written to {out / 'index.html'}")
    return 1 if left_out else 0


if __name__ == "__main__":
    command.run(main)
