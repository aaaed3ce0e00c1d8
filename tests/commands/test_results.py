"""The kept runs, and the page of results made from them."""

import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jaxcnn.config import load_config
from jaxcnn.config.defaults import from_dict
from jaxcnn.config.publications import Figures
from jaxcnn.errors import UserError
from jaxcnn.files.reading import read_json
from jaxcnn.files.writing import write_json
from jaxcnn.reporting import publications_page
from jaxcnn.reporting.comparison import records
from jaxcnn.reporting.comparison.page import write_comparison
from jaxcnn.reporting.kept_runs import kept_groups
from jaxcnn.reporting.results_page import results_page

RESULTS = Path(__file__).parents[2] / "results"


def test_the_page_of_results_tells_each_recipe_s_runs(trained_workdir, tmp_path):
    config = read_json(trained_workdir / "config.json")
    unfinished = tmp_path / "unfinished"
    shutil.copytree(trained_workdir, unfinished)
    (unfinished / "result.json").unlink()
    write_json(unfinished / "config.json", config | {"num_epochs": 9})
    groups = kept_groups(_folder(tmp_path / "runs", trained_workdir, unfinished))
    configs = {
        "digits": from_dict(config),
        "lenet:cifar10": load_config("lenet:cifar10"),
        "mnist:small_bn": load_config("mnist:small_bn"),
        "mine": from_dict(config | {"num_epochs": 9}),
    }
    page = results_page("# Results", configs, groups)
    rows = {line.split(" | ")[0]: line for line in page.splitlines() if line.startswith("| `")}
    accuracy = read_json(trained_workdir / "result.json")["test_accuracy"]
    assert f"| {100 * accuracy:.2f}% | 1 | 2 |" in rows["| `digits`"]
    assert "| unfinished, 2 of 9 epochs: validation " in rows["| `mine`"]
    assert "% so far |  |  | - | none |" in rows["| `mine`"]
    assert "not run yet" in rows["| `lenet:cifar10`"] and "59.74%" in rows["| `lenet:cifar10`"]
    assert "| none | 99.42% (epoch unknown) |" in rows["| `mnist:small_bn`"]
    assert "other recipes" not in page
    views = {"accuracy": 0.75, "run": read_json(trained_workdir / "result.json")["run"]}
    write_json(tmp_path / "runs" / trained_workdir.name / "evaluation/test_six_views.json", views)
    assert "| 75.00% with six views |" in results_page("# Results", configs, groups)
    views |= {"checkpoint": "latest", "epoch": 1}  # the run has gone on since
    write_json(tmp_path / "runs" / trained_workdir.name / "evaluation/test_six_views.json", views)
    assert "with six views" not in results_page("# Results", configs, groups)
    page = results_page("# Results", {"lenet:cifar10": configs["lenet:cifar10"]}, groups)
    assert "## Kept runs of other recipes" in page


def test_an_unfinished_run_is_no_result_of_its_recipe(trained_workdir, tmp_path, monkeypatch):
    monkeypatch.setattr(publications_page, "FIGURES", {"mine": Figures("classic", 0.5)})
    config = read_json(trained_workdir / "config.json")
    unfinished = tmp_path / "seed1"
    shutil.copytree(trained_workdir, unfinished)
    (unfinished / "result.json").unlink()
    write_json(unfinished / "config.json", config | {"seed": 1})

    def row(*runs):
        groups = kept_groups(_folder(tmp_path / f"runs{len(runs)}", *runs))
        page = "<!-- figures: classic -->\n<!-- end -->\n"
        page = publications_page.fill_tables(page, {"mine": from_dict(config)}, groups, {})
        return next(line for line in page.splitlines() if line.startswith("| `mine`"))

    alone = row(unfinished)
    assert "| unfinished, 2 of 2 epochs: validation " in alone
    assert alone.endswith("% so far |  |  |  |")  # no difference, no verdict
    accuracy = read_json(trained_workdir / "result.json")["test_accuracy"]
    assert f"| {100 * accuracy:.2f}% (n = 1) |" in row(unfinished, trained_workdir)


def test_the_times_of_different_machines_are_a_range(trained_workdir, tmp_path):
    config = read_json(trained_workdir / "config.json")
    other = tmp_path / "seed1"
    shutil.copytree(trained_workdir, other)
    write_json(other / "config.json", config | {"seed": 1})

    def row(folder):
        groups = kept_groups(_folder(tmp_path / folder, trained_workdir, other))
        page = results_page("# Results", {"mine": from_dict(config)}, groups)
        return next(line for line in page.splitlines() if line.startswith("| `mine`"))

    assert re.search(r"\| [\d.]+ ± [\d.]+ \|", row("same"))
    write_json(
        other / "environment.json",
        read_json(other / "environment.json") | {"devices": ["another processor"]},
    )
    assert re.search(r"\| [\d.]+ to [\d.]+ \|", row("different"))


def _folder(folder, *runs):
    for run in runs:
        shutil.copytree(run, folder / run.name)
    return folder


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
    (run / "evaluation" / "test.json").rename(tmp_path / "test.json")  # while it is being tested
    with pytest.raises(UserError, match="has not finished"):
        keep(run, tmp_path / "other")
    (tmp_path / "test.json").rename(run / "evaluation" / "test.json")
    (run / "result.json").unlink()
    with pytest.raises(UserError, match="has not finished"):
        keep(run, tmp_path / "other")
    assert keep(run, tmp_path / "other", unfinished=True)
    (run / "evaluation" / "test.json").unlink()
    assert keep(run, tmp_path / "other", unfinished=True)  # in place of its earlier records
    assert not (tmp_path / "other" / "run" / "evaluation" / "test.json").exists()
    with pytest.raises(UserError, match="holds no run"):
        keep(tmp_path, kept)


def test_the_kept_runs_make_every_table(tmp_path, undrawn):
    """Without weights, and without JAX."""
    runs = sorted((RESULTS / "runs").iterdir())
    sections, left_out = write_comparison(runs, tmp_path / "out")
    assert left_out == []
    rows = records.networks(sections)
    assert sum(row["finished_runs"] + row["unfinished_runs"] for row in rows) == len(runs) >= 5
    for row in (row for row in rows if row["finished_runs"]):
        needed = ("test_accuracy", "seconds_per_epoch", "machines", "code", "validation_split")
        assert all(row[name] for name in needed), row
    assert all(path.stat().st_size < 100_000 for path in (RESULTS / "runs").rglob("*"))
    text = "".join(path.read_text() for path in (RESULTS / "runs").rglob("*.json"))
    assert "=/" not in text and '"/' not in text  # paths of a machine


@pytest.mark.slow
def test_a_queue_trains_recipes_and_says_what_they_came_from(tmp_path):
    recipe = "digits --config.num_epochs=1"
    command = [sys.executable, str(RESULTS / "queue.py"), "runs", recipe, "no_such_recipe"]
    environment = os.environ | {"TFDS_DATA_DIR": str(tmp_path / "data")}
    outputs = [
        subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        for _ in range(2)
    ]
    run = tmp_path / "runs" / "digits-num_epochs1"
    record = read_json(run / "provenance.json")
    assert record["run"] == read_json(run / "result.json")["run"]
    assert len(record["commit"]) == 40 and record["archives"] == {}
    assert f"{recipe}: exit code 0" in outputs[0].stdout
    assert recipe not in outputs[1].stdout  # it has ended
    assert all("no_such_recipe: exit code 2" in output.stdout for output in outputs)


def test_each_recipe_of_a_queue_has_a_folder():
    command = [sys.executable, str(RESULTS / "queue.py"), "runs", "digits", "digits"]
    output = subprocess.run(command, capture_output=True, text=True)
    assert output.returncode == 2 and "two recipes would train in one folder" in output.stderr
    code = "from results import queue; print(queue.run_name('mlp:base --config.a.rate=0.1'))"
    output = subprocess.run(
        [sys.executable, "-c", code], cwd=RESULTS.parent, capture_output=True, text=True
    )
    assert output.stdout == "mlp-base-rate0.1\n"


@pytest.mark.slow
def test_a_stopped_queue_saves_its_run_and_starts_no_other(tmp_path):
    recipe = "digits --config.num_epochs=100000"
    command = [sys.executable, str(RESULTS / "queue.py"), "runs", recipe, "digits"]
    queue = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
        env=os.environ | {"TFDS_DATA_DIR": str(tmp_path / "data")},
    )  # fmt: skip
    run = tmp_path / "runs" / "digits-num_epochs100000"
    while not any(path.stat().st_size for path in run.glob("metrics.jsonl")):
        assert queue.poll() is None
        time.sleep(0.1)
    os.killpg(queue.pid, signal.SIGINT)  # as Ctrl-C does
    printed, _ = queue.communicate()
    assert queue.returncode == 75 and "exit code 75" in printed and "stopped and saved" in printed
    assert list((tmp_path / "runs").iterdir()) == [run]


def test_the_folders_of_a_command_are_not_kept():
    without_folder = runpy.run_path(str(RESULTS / "keep.py"))["_without_folder"]
    for argument, kept in (
        ("--workdir=/home/me/runs/lr=0.1", "--workdir=lr=0.1"),
        ("--config.dataset.name=folder:/home/me/pictures", "--config.dataset.name=folder:pictures"),
        ("--config=lenet:cifar10", "--config=lenet:cifar10"),
        ("/usr/bin/python", "python"),
    ):
        assert without_folder(argument) == kept
