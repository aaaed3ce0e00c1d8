"""README's table is the one that its results make."""

import runpy
from pathlib import Path

import pytest

from jaxcnn.errors import UserError
from jaxcnn.reporting.writers import read_json

RESULTS = Path(__file__).parents[1] / "results"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lenet", "lenet: there is no such config; there are alexnet"),
        ("lenet:cifar10", "is no run of lenet:cifar10: its "),
        ("digits", "is no run of digits: its num_epochs is 2, not 60"),
    ],
)
def test_a_run_of_another_recipe_is_no_result(trained_workdir, name, said):
    update = runpy.run_path(str(RESULTS / "update.py"))
    with pytest.raises(UserError, match=said):
        update["make_row"](name, [trained_workdir])


def test_the_table_is_up_to_date():
    update = runpy.run_path(str(RESULTS / "update.py"))
    rows = {row["config"]: row for row in read_json(RESULTS / "cpu.json")["rows"]}
    readme = (RESULTS.parent / "README.md").read_text()
    assert update["BEGIN"] + update["table"](rows) + update["END"] in readme
