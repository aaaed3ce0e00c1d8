"""Cross-validation: folds of the training split, and predictions of all of it."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxcnn.api import folds, population_programs, run
from jaxcnn.api.folds import train_folds
from jaxcnn.config.defaults import default_config
from jaxcnn.config.sweep import with_values
from jaxcnn.data.grouping import assign_folds
from jaxcnn.errors import Diverged, UserError
from jaxcnn.evaluation.trained import load_trained
from jaxcnn.models import model_config
from jaxcnn.reporting.label_errors import report_label_errors
from jaxcnn.training.member_programs import Form
from jaxcnn.workdir.metrics_log import read_metrics
from jaxcnn.workdir.run_files import read_identity


@pytest.mark.parametrize("has_groups", [False, True])
def test_folds_have_the_share_of_each_class(has_groups):
    random = np.random.default_rng(0)
    labels = random.choice(3, 900, p=(0.7, 0.2, 0.1))
    groups = random.integers(0, 90, 900).astype(str) if has_groups else None
    folds = assign_folds(labels, groups, 5, 0)
    shares = np.array([np.bincount(labels[folds == fold]) for fold in range(5)]) / np.bincount(
        labels
    )
    assert np.abs(shares - 0.2).max() < (0.04 if has_groups else 0.01)
    if has_groups:
        assert all(len(np.unique(folds[groups == group])) == 1 for group in np.unique(groups))
    else:
        assert np.ptp(np.bincount(folds)) <= 1


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A small network on 24 pictures in two classes."""
    monkeypatch.setattr(run, "evaluate_run", lambda *_, **__: None)
    for index in range(30):
        place = tmp_path / "pets" / ("test" if index % 5 == 4 else "train") / "ab"[index % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 8 * index).save(place / f"{index:02}.png")
    config = default_config()
    config.model = model_config("mlp", hidden=(8,))
    config.dataset.update(name=f"folder:{tmp_path / 'pets'}", data_dir=str(tmp_path / "data"))
    config.dataset.image_size = 8
    config.num_devices, config.global_batch_size, config.num_epochs = 1, 8, 1
    return config


def check_label_errors(folds, rows):
    """Three pictures are predicted as the other class, with confidence."""
    probabilities, others = {"a": ("0.9", "0.1"), "b": ("0.2", "0.8")}, {"a": "b", "b": "a"}
    for number, row in enumerate(rows):
        predicted = others[row["true"]] if number < 3 else row["true"]
        row["p_a"], row["p_b"] = probabilities[predicted]
    with open(folds / "evaluation" / "out_of_fold_predictions.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    result = report_label_errors(folds)
    assert (result["num_errors"], result["num_examples"], result["kept"]) == (3, 24, None)
    page = (folds / "label_errors.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 3
    listed = (folds / "evaluation" / "label_errors.exclude.txt").read_text()
    for row in rows[:3]:
        assert row["file"] in page and f"# {row['file']}\n" in listed
    assert rows[3]["file"] not in page
    assert report_label_errors(folds)["kept"] is None
    edited = listed.replace(f"# {rows[0]['file']}", rows[0]["file"])
    (folds / "evaluation" / "label_errors.exclude.txt").write_text(edited)
    kept = report_label_errors(folds)["kept"]
    assert kept == str(folds / "evaluation" / "label_errors.exclude.1.txt")
    assert Path(kept).read_text() == edited
    assert (folds / "evaluation" / "label_errors.exclude.txt").read_text() == listed


@pytest.mark.usefixtures("undrawn")
def test_each_picture_is_predicted_by_the_run_that_has_not_seen_it(config, tmp_path, capsys):
    result = train_folds(config, 2, tmp_path / "cv")
    assert "accuracy" in result["out_of_fold"] and result["test_accuracy"]["std"] is not None
    with open(tmp_path / "cv" / "evaluation" / "out_of_fold_predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["index"]) for row in rows] == list(range(24))
    files = {row["file"]: row["predicted"] for row in rows}
    assert len(files) == 24
    held_out = []
    for fold in range(2):
        folder = tmp_path / "cv" / "folds" / str(fold)
        assert json.loads((folder / "config.json").read_text())["fold"] == fold
        with open(folder / "pictures.csv", newline="") as file:
            uses = {row["path"]: row["used_for"] for row in csv.DictReader(file)}
        held_out += [path for path, use in uses.items() if use == "validation"]
    assert sorted(held_out) == sorted(files)
    assert "mean ± sample standard deviation over 2 folds" in capsys.readouterr().out
    check_label_errors(tmp_path / "cv", rows)
    with pytest.raises(UserError, match="holds files but no folds; name another --workdir"):
        train_folds(config, 2, tmp_path / "cv" / "folds" / "0")


@pytest.mark.usefixtures("undrawn")
def test_the_figures_out_of_fold_have_no_temperature(config, tmp_path):
    result, rows = train_folds(config, 2, tmp_path / "cv"), []
    for fold in range(2):
        folder = tmp_path / "cv" / "folds" / str(fold)
        about = {"temperature": 0.2, "step": load_trained(folder).step}
        about["run"] = read_identity(folder).id
        (folder / "calibration.json").write_text(json.dumps(about))
        assert load_trained(folder).temperature == 0.2
        rows.append(json.loads((folder / "result.json").read_text()))
    assert folds._summarize(tmp_path / "cv", 2, rows, None) == result


def figures_of(folder):
    """Loss and accuracy of each row of a run's metrics."""
    return [(row["split"], row["loss"], row["accuracy"]) for row in read_metrics(folder)]


def train_alone(config, fold, folder):
    config = config.copy_and_resolve_references()
    config.update(validation="fold", folds=3, fold=fold)
    run.train(config, folder, quiet=True)
    return figures_of(folder)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("form", [Form(1, 1), Form(1, 3), Form(1, 1, 2)])
def test_folds_train_together_as_each_alone(form, config, tmp_path, monkeypatch, capsys):
    """A batch of folds has its own examples, validation and class weights in each."""
    monkeypatch.setattr(population_programs, "choose_form", lambda *_: form)
    config.loss.class_weighting, config.num_epochs = "balanced", 2
    for index in range(3):  # the classes' shares differ from fold to fold
        image = Image.new("L", (8, 8), 250 - index)
        image.save(tmp_path / "pets" / "train" / "a" / f"more{index}.png")
    train_folds(config, 3, tmp_path / "cv")
    printed = capsys.readouterr().out
    assert "3 members, differ in fold" in printed and "epoch 2/2" in printed
    for fold in range(3):
        together = figures_of(tmp_path / "cv" / "folds" / str(fold))
        alone = train_alone(config, fold, tmp_path / f"alone{fold}")
        assert [row[0] for row in together] == [row[0] for row in alone]
        for one, other in zip(together, alone, strict=True):
            assert one[1:] == pytest.approx(other[1:], rel=1e-5)
    again = train_folds(config, 3, tmp_path / "cv")
    printed = capsys.readouterr().out
    assert "epoch" not in printed and again["folds"] == 3


@pytest.mark.usefixtures("undrawn")
def test_folds_that_one_step_cannot_train_follow_each_other(config, tmp_path, capsys):
    config.global_batch_size = 19
    train_folds(config, 5, tmp_path / "cv")
    printed = capsys.readouterr().out
    assert "the folds train one after the other: train has 19 to 20 examples" in printed
    assert "fold 5 of 5, in " in printed
    first = figures_of(tmp_path / "cv" / "folds" / "0")
    train_folds(config, 5, tmp_path / "cv")
    assert figures_of(tmp_path / "cv" / "folds" / "0") == first
    with pytest.raises(UserError, match="cannot take the change of optimizer.learning_rate"):
        train_folds(with_values(config, {"optimizer.learning_rate": 0.5}), 5, tmp_path / "cv")
    (tmp_path / "cv" / "folds" / "4" / "result.json").unlink()
    for name in ("optimizer.learning_rate", "max_minutes"):
        changed = with_values(config, {name: 0.5})
        with pytest.raises(UserError, match=f"cannot take the change of {name}"):
            train_folds(changed, 5, tmp_path / "cv")


@pytest.mark.usefixtures("undrawn")
def test_a_fold_that_diverged_is_not_trained_again(config, tmp_path, capsys):
    config.optimizer.update(name="sgd", learning_rate=1e38)
    with pytest.raises(Diverged, match="folds/0: the loss is not finite"):
        train_folds(config, 2, tmp_path / "cv")
    assert "2 members, differ in fold" in capsys.readouterr().out
    with pytest.raises(Diverged, match=r"folds/0: the loss is .* not trained again: delete "):
        train_folds(config, 2, tmp_path / "cv")
    assert "2 members" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "names", [["sweep.json", "folds"], ["search.json", "folds"], ["notes.txt"]]
)
def test_folds_take_no_folder_of_something_else(names, config, tmp_path):
    for name in names:
        (tmp_path / "cv" / name).mkdir(parents=True)
    with pytest.raises(UserError, match="holds files but no folds; name another --workdir"):
        train_folds(config, 2, tmp_path / "cv")
    assert sorted(path.name for path in (tmp_path / "cv").iterdir()) == sorted(names)


@pytest.mark.usefixtures("undrawn")
def test_folds_that_find_their_batch_size_go_on(config, tmp_path):
    config.global_batch_size, config.num_epochs = 0, 1
    first = train_folds(config, 2, tmp_path / "cv")
    assert train_folds(config, 2, tmp_path / "cv") == first
