"""The table of docs/results.md is the one that the results make."""

import runpy
import shutil
from pathlib import Path

import pytest
from ml_collections import ConfigDict

from jaxcnn.errors import UserError
from jaxcnn.files.reading import read_json
from jaxcnn.files.writing import write_json
from jaxcnn.reporting.comparison import records
from jaxcnn.reporting.comparison.page import write_comparison

RESULTS = Path(__file__).parents[2] / "results"


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


def test_a_kept_run_is_small_and_can_be_compared(trained_workdir, tmp_path, undrawn):
    keep = runpy.run_path(str(RESULTS / "keep.py"))["keep"]
    run = tmp_path / "run"
    shutil.copytree(trained_workdir, run)
    (run / "evaluation" / "predictions.npz").write_bytes(b"large")
    command = ["/home/me/main.py", "--workdir=/home/me/run", "--config.seed=0"]
    environment = read_json(run / "environment.json") | {"command": command}
    write_json(run / "environment.json", environment)
    size = keep(run, tmp_path / "kept")
    kept = tmp_path / "kept" / "run"
    files = {str(path.relative_to(kept)): path for path in kept.rglob("*") if path.is_file()}
    assert size == sum(path.stat().st_size for path in files.values()) < 100_000
    assert {"config.json", "metrics.jsonl", "result.json", "evaluation/test.json"} <= set(files)
    assert not any("predictions" in name or "checkpoints" in name for name in files)
    assert all(
        path.read_bytes() == (run / name).read_bytes()
        for name, path in files.items()
        if name != "environment.json"
    )
    command = ["main.py", "--workdir=run", "--config.seed=0"]
    assert read_json(files["environment.json"]) == environment | {"command": command}
    assert keep(run, tmp_path / "kept") == size
    _, left_out = write_comparison([kept], tmp_path / "out")
    assert left_out == []


def test_what_cannot_be_kept_is_refused(trained_workdir, tmp_path):
    keep = runpy.run_path(str(RESULTS / "keep.py"))["keep"]
    run, kept = tmp_path / "run", tmp_path / "kept"
    shutil.copytree(trained_workdir, run)
    keep(run, kept)
    write_json(run / "provenance.json", {"commit": "0"})
    with pytest.raises(UserError, match="holds other files; remove it"):
        keep(run, kept)
    (run / "evaluation" / "large.csv").write_text("x" * 100_000)
    with pytest.raises(UserError, match="more than 100,000"):
        keep(run, kept)
    (run / "evaluation" / "large.csv").unlink()
    (run / "result.json").unlink()
    with pytest.raises(UserError, match="has not finished"):
        keep(run, tmp_path / "other")
    assert keep(run, tmp_path / "other", unfinished=True)
    with pytest.raises(UserError, match="holds no run"):
        keep(tmp_path, kept)


def test_the_kept_runs_make_every_table(tmp_path, undrawn):
    """Without weights, and without JAX."""
    runs = sorted((RESULTS / "runs").iterdir())
    sections, left_out = write_comparison(runs, tmp_path / "out")
    assert left_out == []
    rows = records.networks(sections)
    assert sum(row["finished_runs"] for row in rows) == len(runs) >= 5
    for row in rows:
        needed = ("test_accuracy", "seconds_per_epoch", "machines", "code", "validation_split")
        assert all(row[name] for name in needed), row
    assert all(path.stat().st_size < 100_000 for path in (RESULTS / "runs").rglob("*"))
    text = "".join(path.read_text() for path in (RESULTS / "runs").rglob("*.json"))
    assert "=/" not in text and '"/' not in text  # paths of a machine
