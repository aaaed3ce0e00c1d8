"""The table of docs/results.md is the one that the results make."""

import runpy
import shutil
from pathlib import Path

import pytest
from ml_collections import ConfigDict

from jaxcnn.errors import UserError
from jaxcnn.files.reading import read_json
from jaxcnn.files.writing import write_json

RESULTS = Path(__file__).parents[2] / "results"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lenet", "lenet: there is no such config; there are alexnet"),
        ("lenet:cifar10", "is no run of lenet:cifar10: its "),
        ("digits", "is no run of digits: its augment.rotation is 0.0, not 10.0"),
    ],
)
def test_a_run_of_another_recipe_is_no_result(trained_workdir, name, said):
    update = runpy.run_path(str(RESULTS / "update.py"))
    with pytest.raises(UserError, match=said):
        update["make_row"](name, [trained_workdir])


def test_a_run_counts_once(trained_workdir, tmp_path, monkeypatch):
    update = runpy.run_path(str(RESULTS / "update.py"))
    config = read_json(trained_workdir / "config.json")
    recipe = {"digits": lambda: ConfigDict(config)}
    monkeypatch.setitem(update["check_recipe"].__globals__, "config_variants", lambda _: recipe)
    assert update["make_row"]("digits", [trained_workdir])["n"] == 1
    with pytest.raises(UserError, match="its seed, 0, is that of another run"):
        update["make_row"]("digits", [trained_workdir, trained_workdir])
    changed = tmp_path / "changed"
    shutil.copytree(trained_workdir, changed)
    environment = read_json(changed / "environment.json")
    write_json(changed / "environment.json", environment | {"changes": [{"step": 1}]})
    with pytest.raises(UserError, match="its settings were changed on the way"):
        update["make_row"]("digits", [changed])
    with pytest.raises(UserError, match="digits: is not NAME=WORKDIR"):
        update["update"](["digits"])


def test_the_table_is_up_to_date():
    update = runpy.run_path(str(RESULTS / "update.py"))
    rows = {row["config"]: row for row in read_json(RESULTS / "cpu.json")["rows"]}
    page = update["PAGE"].read_text()
    assert update["BEGIN"] + update["table"](rows) + update["END"] in page
