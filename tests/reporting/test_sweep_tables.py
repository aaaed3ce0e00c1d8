"""Grids of a sweep, goals, and the figures that stand in every row."""

import csv
import io

import pytest

from jaxcnn.errors import UserError
from jaxcnn.files.reading import read_json
from jaxcnn.files.writing import write_json
from jaxcnn.reporting.comparison import records
from jaxcnn.reporting.comparison.goal import Goal
from jaxcnn.reporting.comparison.grid import fields_of_grid, grids_of
from jaxcnn.reporting.comparison.groups import compare
from jaxcnn.reporting.comparison.heat_map import plot_grid
from jaxcnn.reporting.comparison.page import write_comparison
from jaxcnn.reporting.comparison.runs import read_runs
from jaxcnn.reporting.comparison.sweep_tables import goal_tables, grid_tables
from jaxcnn.reporting.comparison.tables import runs_table

RATE_AND_MOMENTUM = ("optimizer.learning_rate", "optimizer.momentum")
SGD = {"by": "SGD", "accuracy": 0.5, "differs": "", "recipe": ""}


@pytest.fixture
def sweep(write_run):
    """Writes runs of a rate and a momentum each; other fields of the config by dotted name."""

    def sweep(*cells, seeds=(0,), **fields):
        folders = []
        for rate, momentum, accuracy in cells:
            for seed in seeds:
                name = f"{rate}-{momentum}-{seed}-{len(fields)}"
                folder = write_run(
                    name, learning_rate=rate, seed=seed, accuracy=accuracy and accuracy + seed / 50
                )
                config = read_json(folder / "config.json")
                config["optimizer"]["momentum"] = momentum
                write_json(folder / "config.json", config | fields)
                folders.append(folder)
        return folders

    return sweep


def section_of(folders):
    (section,) = compare(read_runs(folders)[0])[0]
    return section


def test_two_fields_that_differ_are_a_grid(sweep):
    cells = [(0.1, 0, 0.5), (0.01, 0, 0.4), (0.01, 0.9, 0.6), (0.1, 0.9, None)]
    (grid,) = grids_of(section_of(sweep(*cells, seeds=(0, 1))))
    assert grid.fields == RATE_AND_MOMENTUM and grid.others == []
    (table,) = grid_tables(grid)
    assert table.head == ["learning rate \\ momentum", "0", "0.9"]
    assert table.rows == [
        ["0.01", "41.00% ± 1.41%", "61.00% ± 1.41%"],
        ["0.1", "51.00% ± 1.41%", "not finished"],
    ]
    assert table.caption.endswith("over n seeds, n = 2.")


def test_one_field_three_fields_or_no_common_row_are_no_grid(sweep):
    assert grids_of(section_of(sweep((0.1, 0, 0.5), (0.01, 0, 0.4)))) == []
    assert grids_of(section_of(sweep((0.2, 0, 0.5), (0.02, 0.9, 0.4)))) == []
    cells = sweep((0.3, 0, 0.5), (0.03, 0, 0.5), (0.3, 0.9, 0.4))
    assert len(grids_of(section_of(cells))) == 1
    longer = sweep((0.3, 0, 0.5), num_epochs=9)
    assert grids_of(section_of(cells + longer)) == []


def test_named_fields_make_a_grid_for_each_combination_of_the_others(sweep):
    cells = [(0.1, 0, 0.5), (0.1, 0.9, 0.4)]
    section = section_of(sweep(*cells) + sweep(*cells, num_epochs=9))
    grids = grids_of(section, RATE_AND_MOMENTUM)
    assert sorted(grid.title for grid in grids) == ["lenet, epochs 4", "lenet, epochs 9"]
    mixed = sweep((0.2, 0, 0.5)) + sweep((0.2, 0.5, 0.5), num_epochs=9)
    (grid,) = grids_of(section_of(mixed), RATE_AND_MOMENTUM)
    assert grid.title == "lenet" and grid.others == ["num_epochs"]
    assert "the recipes also differ in num_epochs" in grid_tables(grid)[0].caption


def test_fields_that_make_no_grid_are_refused_in_one_line(sweep):
    section = section_of(sweep((0.1, 0, 0.5), (0.01, 0, 0.4)))
    for fields, text in (
        (["optimizer.learning_rate"], "name two fields"),
        (["optimizer.lr", "optimizer.momentum"], "did you mean optimizer.learning_rate"),
        (["seed", "optimizer.momentum"], "seed is no field of the recipes"),
        (["optimizer.b1", "optimizer.momentum"], "do not differ in optimizer.b1 or optimizer.mom"),
    ):
        with pytest.raises(UserError, match=text):
            fields_of_grid(fields, [section])
    assert fields_of_grid([], [section]) is None
    assert fields_of_grid(RATE_AND_MOMENTUM, [section]) == RATE_AND_MOMENTUM


def test_networks_with_other_options_do_not_share_a_cell(sweep):
    cells = [(0.1, 0, 0.5), (0.01, 0, 0.4)]
    wide = sweep(*cells, model={"name": "mlp", "hidden": [64]})
    other = sweep(*cells, model={"name": "mlp", "hidden": [32]}, num_epochs=4)
    lenet = sweep(*cells, model={"name": "lenet"}, num_epochs=4, name="third")
    fields = ("model.name", "optimizer.learning_rate")
    with pytest.raises(UserError, match="differ in the options of their network"):
        grids_of(section_of(wide + other + lenet), fields)
    (grid,) = grids_of(section_of(wide + lenet), fields)
    assert len(grid.cells) == 4 and grid.rows == ["lenet", "mlp"]


def test_the_losses_of_sgd_are_also_divided_by_the_batch_size(sweep):
    cells = [(0.1, 0, 0.5), (0.01, 0, 0.4), (0.01, 0.9, None), (0.1, 0.9, 0.4)]
    section = section_of(sweep(*cells, global_batch_size=64, published=SGD))
    (grid,) = grids_of(section)
    assert grid_tables(grid)[1].rows[0] == ["0.01", "1.2500, 0.0195", "not finished"]
    assert records.networks([section])[0]["test_loss_by_batch_size"] == 1.25 / 64
    others = section_of(sweep(*cells, global_batch_size=64, published=SGD | {"by": "mnist"}))
    assert len(grid_tables(grids_of(others)[0])) == 1


def test_a_grid_is_in_the_files_and_goes_with_the_next_comparison(sweep, tmp_path, undrawn):
    out = tmp_path / "out"
    folders = sweep((0.1, 0, 0.5), (0.01, 0, 0.4), (0.01, 0.9, 0.6))
    write_comparison(folders, out, RATE_AND_MOMENTUM, Goal(0.2, 60_000))
    rows = list(csv.DictReader(io.StringIO((out / "grids.csv").read_text())))
    assert [(row["row"], row["column"]) for row in rows] == [
        ("0.01", "0"), ("0.01", "0.9"), ("0.1", "0")
    ]  # fmt: skip
    assert (out / "cifar10-grid1.png").exists() and (out / "goals.csv").exists()
    text = (out / "comparison.md").read_text()
    assert "not run" in text and "![Test accuracy by learning rate and momentum]" in text
    write_comparison(folders[:1], out)
    assert not (out / "grids.csv").exists() and not (out / "goals.csv").exists()


def test_a_grid_of_equal_or_missing_accuracies_is_drawn(sweep, tmp_path):
    for accuracy in (0.5, None):
        cells = [(0.1, 0, accuracy), (0.01, 0, accuracy), (0.01, 0.9, accuracy)]
        (grid,) = grids_of(section_of(sweep(*cells, num_epochs=5 + bool(accuracy))))
        assert plot_grid(grid, tmp_path / "grid").stat().st_size > 5000


def test_a_goal_is_reached_by_runs_and_recipes(write_run):
    # validation accuracies of 0.1, 0.2, 0.3, each plus seed / 100
    folders = [write_run(f"s{seed}", seed=seed) for seed in (0, 1, 2)]
    section = section_of([*folders, write_run("b", network="mlp", accuracy=None)])
    (table,) = goal_tables(section, Goal(0.31, 60_000))
    assert table.head[-1] == "within the limit"
    assert table.rows == [
        ["lenet", "3.0 ± 0.0", "2 of 3", "31.00%", "61,706", "no"],
        ["mlp, unfinished, 3 of 4 epochs", "never", "0 of 1", "30.00%", "-", "unknown"],
    ]
    goals = records.goals([section], Goal(0.22))
    assert (goals[0]["first_epoch"], goals[0]["runs_that_reach_it"]) == (pytest.approx(8 / 3), 3)
    assert [row["goal_epoch"] for row in records.runs([section], Goal(0.22))] == [3, 3, 2, 3]
    assert goal_tables(section, Goal()) == [] and records.goals([section], Goal()) == []
    (table,) = goal_tables(section, Goal(max_parameters=61_706))
    assert table.rows[0] == ["lenet", "61,706", "yes"]


def test_every_row_names_its_machine_its_code_and_its_time_per_epoch(write_run):
    folders = [write_run(f"s{seed}", seed=seed) for seed in (0, 1)]
    for folder in folders:
        lines = (folder / "metrics.jsonl").read_text().replace('"train",', '"train", "seconds": 2,')
        (folder / "metrics.jsonl").write_text(lines)
    environment = read_json(folders[0] / "environment.json")
    code = {"version": "0.2.0", "commit": "0123456789", "modified": True}
    write_json(folders[0] / "environment.json", environment | {"code": code})
    older = {"versions": {"jaxcnn": "0.1.0"}}
    write_json(folders[1] / "environment.json", environment | older)
    write_json(folders[1] / "provenance.json", {"commit": "abcdefabcdef", "archives": {}})
    section = section_of(folders)
    (row,) = records.networks([section])
    assert (row["seconds_per_epoch"], row["machines"]) == (2, "2 × cpu cpu")
    assert row["code"] == "0.1.0 abcdefa; 0.2.0 0123456, modified"
    assert [run["version"] for run in records.runs([section])] == ["0.2.0", "0.1.0"]
    codes = [row[-1] for row in runs_table(section).rows]
    assert codes == ["0.2.0 0123456, modified", "0.1.0 abcdefa"]


def test_the_time_of_an_epoch_is_of_all_its_images(write_run):
    folder = write_run("resumed")
    file, dataset = folder / "metrics.jsonl", folder / "dataset.json"
    about = read_json(dataset) if dataset.exists() else {}
    write_json(dataset, about | {"num_examples": {"train": 50_000}})
    # the epochs were resumed, after 40,000 of their images
    part = '"train", "seconds": 1.5, "images_per_second": 5000,'
    file.write_text(file.read_text().replace('"train",', part))
    (run,) = records.runs([section_of([folder])])
    assert run["seconds_per_epoch"] == 10


def test_an_older_run_without_a_field_is_of_the_recipe_with_its_default(write_run):
    folders = [write_run("a", seed=0), write_run("b", seed=1)]
    config = read_json(folders[1] / "config.json")
    config["dataset"]["classes"], config["steps_per_epoch"] = [], 0
    write_json(folders[1] / "config.json", config)
    (group,) = section_of(folders).groups
    assert len(group.finished) == 2


def test_runs_on_some_classes_are_apart(write_run):
    folder = write_run("a")
    config = read_json(folder / "config.json")
    config["dataset"]["classes"] = ["cat,dog"]
    write_json(folder / "config.json", config)
    sections, _ = compare(read_runs([folder, write_run("b")])[0])
    assert [section.dataset for section in sections] == ["cifar10, 2 classes", "cifar10"]
