"""A user's file with one part of every kind, from the command line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from outcomes import assert_one_line
from PIL import Image

MINE = Path(__file__).parents[1] / "helpers" / "mine.py"
KINDS = {"network", "dataset", "augmentation", "optimizer", "schedule", "loss", "metric"}


@pytest.fixture(scope="module")
def trained(command, tmp_path_factory):
    """A folder with mine.py, and its run in runs/mine."""
    folder = tmp_path_factory.mktemp("mine")
    shutil.copy(MINE, folder / "mine.py")
    done = command("main", "--config=mine.py", folder=folder)
    assert done["code"] == 0, done["errors"]
    return folder


@pytest.fixture
def run(trained, tmp_path):
    """A copy of that folder, to be changed."""
    shutil.copytree(trained, tmp_path / "copy")
    return tmp_path / "copy"


def read(folder, name):
    return json.loads((folder / "runs" / "mine" / name).read_text())


def rows(workdir):
    lines = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    return [(row["epoch"], row["split"], row["loss"], row["accuracy"]) for row in lines]


def test_the_run_records_the_file_of_each_part(trained):
    parts = read(trained, "environment.json")["parts"]
    assert {part["kind"] for part in parts} == KINDS
    assert {part["file"] for part in parts} == {"mine.py"}
    assert len({part["digest"] for part in parts}) == 1
    metrics = read(trained, "evaluation/test.json")["metrics"]
    assert 0 < metrics["brier"] < 1
    assert f"| brier | {metrics['brier']:.4g} |" in (trained / "runs/mine/report.md").read_text()


@pytest.mark.parametrize("name", ["evaluate", "predict", "export"])
def test_without_the_file_the_command_says_which_one_to_give(command, trained, name):
    arguments = ["a.png"] if name == "predict" else []
    done = command(name, "--workdir=runs/mine", *arguments, folder=trained)
    assert done["code"] == 2
    said = "the network 'tiny_net' of this run is not registered; give --register=mine.py"
    assert_one_line(done["errors"], said)


def test_a_run_s_config_names_all_its_parts(command, trained):
    done = command("main", "--config=runs/mine/config.json", folder=trained)
    assert done["code"] == 2
    assert_one_line(done["errors"], "of this run are not registered; give --register=mine.py")


@pytest.mark.slow
def test_a_changed_file_is_named(command, run):
    (run / "mine.py").write_text(MINE.read_text() + "\n# changed\n")
    changed = "note: mine.py has changed since runs/mine recorded it"
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(run / "a.png")
    for name, arguments in (("export", []), ("predict", ["a.png"])):
        flags = ["--workdir=runs/mine", "--register=mine.py"]
        done = command(name, *flags, *arguments, folder=run)
        assert done["code"] == 0 and changed in done["errors"]
    done = command("main", "--config=mine.py", "--config.num_epochs=3", folder=run)
    assert done["code"] == 0 and "mine.py has changed since" in done["output"]
    (change,) = read(run, "environment.json")["changes"]
    assert "loss 'own_focal': its file mine.py has changed" in change["fields"]


def test_a_changed_network_that_no_longer_fits_is_named(command, run):
    (run / "mine.py").write_text(MINE.read_text().replace("MaxPool(4)", "MaxPool(2)"))
    done = command("main", "--config=mine.py", folder=run)  # the run has ended
    assert done["code"] == 0 and "warning: mine.py has changed since" in done["output"]
    line = "the network 'tiny_net', whose file mine.py has changed since"
    done = command("export", "--workdir=runs/mine", "--register=mine.py", folder=run)
    assert done["code"] == 2 and f"does not fit {line}, or is damaged" in done["errors"]
    done = command("main", "--config=mine.py", "--config.num_epochs=3", folder=run)
    assert done["code"] == 2
    assert f"no checkpoint fits {line}, or can be read" in done["errors"]


@pytest.mark.slow
def test_the_parts_are_evaluated_with_the_file(command, run):
    before = read(run, "evaluation/test.json")
    done = command("evaluate", "--workdir=runs/mine", "--register=mine.py", folder=run)
    assert (done["code"], done["errors"]) == (0, "")
    assert "brier" in done["output"] and read(run, "evaluation/test.json") == before


def test_the_training_parts_are_not_needed_to_predict(command, run):
    text = MINE.read_text()
    for kind in ("augmentation", "optimizer", "schedule", "loss", "metric", "dataset"):
        start = text.index(f"@jaxcnn.{kind}(")
        text = text[:start] + text[text.index("\n\n\n", start) :]
    (run / "mine.py").write_text(text)
    done = command("export", "--workdir=runs/mine", "--register=mine.py", folder=run)
    assert done["code"] == 0, done["errors"]
    done = command("evaluate", "--workdir=runs/mine", "--register=mine.py", folder=run)
    assert done["code"] == 2
    assert_one_line(done["errors"], "the dataset 'bars' and the metric 'brier' of this run are not")


@pytest.mark.slow
def test_a_metric_can_be_added_to_a_finished_run(command, run):
    more = "\n\n@jaxcnn.metric('one')\ndef one(labels, probabilities):\n    return 1\n"
    (run / "mine.py").write_text(MINE.read_text() + more)
    metrics = "--config.metrics=('one', 'brier')"
    done = command("main", "--config=mine.py", metrics, folder=run)
    assert done["code"] == 0, done["errors"]
    assert list(read(run, "evaluation/test.json")["metrics"]) == ["one", "brier"]


@pytest.mark.slow
def test_it_resumes_exactly(command, trained, tmp_path):
    shutil.copy(MINE, tmp_path / "mine.py")
    for num_epochs in (1, 2):
        epochs = f"--config.num_epochs={num_epochs}"
        done = command("main", "--config=mine.py", "--workdir=run", epochs, folder=tmp_path)
        assert done["code"] == 0, done["errors"]
    whole = rows(trained / "runs" / "mine")
    again = rows(tmp_path / "run")
    assert [row for row in again if row[1] != "test"] == [row for row in whole if row[1] != "test"]


@pytest.mark.slow
def test_it_starts_another_run_and_is_compared(command, run):
    flags = ["--config=mine.py", "--config.num_epochs=1", "--config.init_from=runs/mine"]
    done = command("main", *flags, "--workdir=runs/next", folder=run)
    assert done["code"] == 0 and "100.0% of the parameters are taken over" in done["output"]
    done = command("compare", "runs/mine", "runs/next", folder=run)
    assert done["code"] == 0 and "tiny_net" in done["output"]


@pytest.mark.parametrize(
    "name", ["summary", "prepare", pytest.param("find_lr", marks=pytest.mark.slow)]
)
def test_the_other_commands_take_the_file(command, trained, tmp_path, name):
    arguments = {
        "summary": ["--network=tiny_net"],
        "prepare": ["bars"],
        "find_lr": ["--config=runs/mine/config.json", "--num_steps=20", f"--out={tmp_path}"],
    }
    done = command(name, *arguments[name], "--register=mine.py", folder=trained)
    assert (done["code"], done["errors"]) == (0, "")
