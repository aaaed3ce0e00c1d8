"""README's table is the one that its results make."""

import runpy
from pathlib import Path

from jaxcnn.reporting.writers import read_json

RESULTS = Path(__file__).parents[1] / "results"


def test_the_table_is_up_to_date():
    update = runpy.run_path(str(RESULTS / "update.py"))
    rows = {row["config"]: row for row in read_json(RESULTS / "cpu.json")["rows"]}
    readme = (RESULTS.parent / "README.md").read_text()
    assert update["BEGIN"] + update["table"](rows) + update["END"] in readme
