"""A run keeps its data: pictures that are added, removed or moved, and data under another name."""

import fcntl
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxcnn.api import run
from jaxcnn.config.defaults import default_config, to_dict
from jaxcnn.config.files import load_config
from jaxcnn.data.dataset import load_dataset
from jaxcnn.data.pictures.content import is_test, read_picture_list, sha256_of
from jaxcnn.data.preparing.versions import _held, hold, is_in_use, release
from jaxcnn.errors import UserError
from jaxcnn.files.writing import write_json
from jaxcnn.models import model_config
from jaxcnn.reporting.comparison.groups import compare
from jaxcnn.reporting.comparison.runs import read_runs
from jaxcnn.reporting.evaluate_run import evaluate_run
from jaxcnn.reporting.provenance import provenance
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.workdir.run_data import NO_FINGERPRINT, notes_on_data, refuse_other_data

pytestmark = pytest.mark.usefixtures("undrawn")
CLASSES = ("dark", "light")


def add_pictures(folder, count, seed):
    """Adds `count` pictures a class; those of a class differ in brightness from the other's."""
    random = np.random.default_rng(seed)
    for label, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            pixels = random.integers(0, 120, (32, 32), np.uint8) + 120 * label
            path = folder / name / f"{seed}_{index}.png"
            Image.fromarray(pixels.astype(np.uint8)).save(path)


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Trains one epoch on a folder; gives the result and what was printed."""
    monkeypatch.setattr(run, "evaluate_run", lambda *_, **__: None)

    def train(
        workdir, pictures="pictures", num_epochs=1, data_at=None, holdout="stratified", **dataset
    ):
        config = default_config()
        config.holdout, config.model = holdout, model_config("mlp", hidden=(16,))
        name = pictures if ":" in pictures else f"folder:{tmp_path / pictures}"
        config.dataset.update(name=name, data_dir=str(tmp_path / "data"), **dataset)
        config.num_devices, config.global_batch_size = 1, 16
        config.num_epochs = num_epochs
        printed = io.StringIO()
        result = run.train(config, tmp_path / workdir, console=Console(printed), data_at=data_at)
        return result.values, printed.getvalue()

    return train


def data_of(workdir):
    return json.loads((workdir / "dataset.json").read_text())


@pytest.mark.parametrize(("width", "said"), [(6, "its images were stretched"), (8, "other data")])
def test_images_that_older_code_stretched_are_told_from_other_data(width, said, tmp_path):
    config, about = default_config(), {"name": "digits", "fingerprint": "ab"}
    config.dataset.update(name="digits", image_size=8, image_width=width)
    write_json(tmp_path / "config.json", to_dict(config))
    write_json(tmp_path / "dataset.json", about | {"pixel_mean": [77.5]})
    with pytest.raises(UserError, match=said):
        refuse_other_data(tmp_path, about | {"pixel_mean": [78.0]})
    with pytest.raises(UserError, match="other data: their pixel_mean: "):
        refuse_other_data(tmp_path, about | {"pixel_mean": [78.0], "fingerprint": "cd"})


@pytest.mark.slow
def test_pictures_that_are_added_take_no_part_in_a_run(train, tmp_path):
    pictures, workdir = tmp_path / "pictures", tmp_path / "run"
    add_pictures(pictures, 25, seed=0)
    train("run")
    before, scores = data_of(workdir), evaluate_run(workdir)
    listed = read_picture_list(workdir / "pictures.csv")
    assert len(listed) == 50 and {p.split for p in listed} == {"train", "test"}
    assert all((p.split == "test") == is_test(p.sha256) for p in listed)
    assert all(sha256_of(pictures / p.path) == p.sha256 for p in listed)

    add_pictures(pictures, 25, seed=1)
    again = evaluate_run(workdir)
    assert [again[n] for n in ("num_examples", "accuracy", "loss")] == [
        scores[n] for n in ("num_examples", "accuracy", "loss")
    ]
    assert notes_on_data(workdir) == [
        f"{pictures} has changed since the run began: 50 pictures are new and 0 are gone; the run "
        "keeps its own"
    ]
    _, printed = train("run", num_epochs=2)
    assert "50 pictures are new" in printed and data_of(workdir) == before

    train("larger")  # a new run takes all, and what was for testing still is
    larger = {p.path: p.split for p in read_picture_list(tmp_path / "larger" / "pictures.csv")}
    assert len(larger) == 100 and all(larger[p.path] == p.split for p in listed)
    assert data_of(tmp_path / "larger")["split_fingerprints"] != before["split_fingerprints"]
    runs, _ = read_runs([workdir, tmp_path / "larger"])
    sections, repeats = compare(runs)
    assert len(sections) == 2 and not repeats
    assert all("test set" in section.dataset for section in sections)


def test_pictures_that_are_gone_are_named(train, tmp_path):
    pictures = tmp_path / "pictures"
    add_pictures(pictures, 20, seed=0)
    train("run")
    (pictures / "dark" / "0_3.png").unlink()
    evaluate_run(tmp_path / "run")  # the prepared version still holds it
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(UserError, match=r"1 of the run's 40 pictures are gone .*dark/0_3.png"):
        evaluate_run(tmp_path / "run")
    with pytest.raises(UserError, match="dark/0_3.png"):
        train("run", num_epochs=2)


def test_a_run_keeps_its_relative_paths_in_full(train, tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    for seed, place in enumerate((here, there)):  # the same names, other pictures
        add_pictures(place / "pictures", 20, seed)
        (place / "out.txt").write_text(f"dark/{seed}_0.png\n")
    monkeypatch.chdir(here)
    train("run", pictures="folder:pictures", exclude="out.txt")
    saved = load_config(tmp_path / "run" / "config.json")
    assert saved.dataset.name == f"folder:{here / 'pictures'}" == data_of(tmp_path / "run")["name"]
    assert saved.dataset.exclude == str(here / "out.txt")
    _, printed = train("run", pictures="folder:pictures", exclude="out.txt", num_epochs=2)
    assert "resuming" in printed and "dataset.exclude:" not in printed
    (here / "out.txt").rename(here / "moved.txt")
    path, moved = tmp_path / "run" / "config.json", {"exclude": "moved.txt", "num_epochs": 3}
    with pytest.raises(UserError, match=f"if it was only moved, write its new path into {path}"):
        train("run", pictures="folder:pictures", **moved)
    path.write_text(path.read_text().replace("out.txt", "moved.txt"))
    assert "resuming" in train("run", pictures="folder:pictures", **moved)[1]

    monkeypatch.chdir(there)
    saved.dataset.exclude = str(here / "moved.txt")
    run.train(saved, tmp_path / "again", quiet=True)
    before, after = (read_picture_list(tmp_path / n / "pictures.csv") for n in ("run", "again"))
    assert before == after
    add_pictures(there / "pictures", 5, seed=3)
    assert notes_on_data(tmp_path / "run") == []


@pytest.mark.slow
def test_a_folder_may_be_moved_and_written_otherwise(train, tmp_path):
    pictures = tmp_path / "pictures"
    add_pictures(pictures, 20, seed=0)
    train("run")
    _, printed = train("run", pictures="pictures/../pictures/", num_epochs=2)
    assert "resuming" in printed
    scores = evaluate_run(tmp_path / "run")
    pictures.rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "dark" / "0_0.png").rename(tmp_path / "elsewhere" / "dark" / "x.png")
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(UserError, match="there is no folder"):
        evaluate_run(tmp_path / "run")
    assert evaluate_run(tmp_path / "run", data_at=tmp_path / "elsewhere") == scores
    _, printed = train("run", pictures="elsewhere", num_epochs=3)
    assert "resuming in epoch 3" in printed
    train("run", num_epochs=4, data_at=Path(f"folder:{tmp_path}/elsewhere"))
    add_pictures(tmp_path / "others", 20, seed=1)
    with pytest.raises(UserError, match="holds another run: its dataset.name"):
        train("run", pictures="others", num_epochs=5)
    with pytest.raises(UserError, match="40 of the run's 40 pictures are gone"):
        train("run", num_epochs=5, data_at=tmp_path / "others")


def make_older(workdir):
    """Takes from a run's folder what runs did not keep at first."""
    (workdir / "pictures.csv").unlink(missing_ok=True)
    config, data = json.loads((workdir / "config.json").read_text()), data_of(workdir)
    del config["holdout"], config["dataset"]["split"]
    del data["fingerprint"], data["split_fingerprints"]
    (workdir / "config.json").write_text(json.dumps(config))
    (workdir / "dataset.json").write_text(json.dumps(data))


@pytest.mark.slow
def test_an_older_run_keeps_the_older_rules(train, tmp_path):
    add_pictures(tmp_path / "pictures", 20, seed=0)
    dataset = load_dataset(
        f"folder:{tmp_path / 'pictures'}", data_dir=tmp_path / "data", split="shuffle"
    )
    train("run", split="shuffle", holdout="random")
    numbers = data_of(tmp_path / "run")["num_examples"]
    assert numbers["test"] == len(dataset.splits["test"].labels) == 8
    make_older(tmp_path / "run")
    evaluate_run(tmp_path / "run")
    assert notes_on_data(tmp_path / "run") == [NO_FINGERPRINT]
    _, printed = train("run", num_epochs=2)
    assert "resuming in epoch 2" in printed and printed.count(NO_FINGERPRINT) == 1
    assert data_of(tmp_path / "run")["num_examples"] == numbers
    _, printed = train("run", num_epochs=3)  # the same command as ever, with today's rules
    assert data_of(tmp_path / "run")["num_examples"] == numbers
    assert NO_FINGERPRINT not in printed


def test_an_older_run_on_a_folder_with_other_numbers_is_refused(train, tmp_path):
    add_pictures(tmp_path / "pictures", 20, seed=0)
    train("run", split="shuffle")
    make_older(tmp_path / "run")
    add_pictures(tmp_path / "pictures", 20, seed=1)
    with pytest.raises(UserError, match="trained on other data: their num_examples"):
        evaluate_run(tmp_path / "run")


def test_a_class_without_a_picture_to_test_on_is_named(train, tmp_path):
    add_pictures(tmp_path / "pictures", 20, seed=0)
    (tmp_path / "pictures" / "rare").mkdir()
    source, target = tmp_path / "pictures" / "light", tmp_path / "pictures" / "rare"
    for path in source.iterdir():
        if not is_test(sha256_of(path)):
            path.rename(target / path.name)
            break
    _, printed = train("run")
    assert "the test split has no example of class rare" in printed
    assert "the validation split has no example of class rare" in printed


@pytest.mark.slow
def test_copies_of_pictures_in_both_splits_and_in_two_classes_are_named(train, tmp_path):
    for split in ("train", "test"):
        add_pictures(tmp_path / "pictures" / split, 12, seed=0)
    _, printed = train("run")
    assert "of the 24 test pictures are copies of training pictures" in printed
    about = evaluate_run(tmp_path / "run")
    assert about["trained_on"] > 15
    assert (
        f"{about['trained_on']} of the 24 images are in the training split as well"
        in provenance(about)
    )
    shutil.copy(
        *(tmp_path / "pictures" / "train" / name for name in ("dark/0_1.png", "light/x.png"))
    )
    _, printed = train("again")
    assert "pictures that lie in several classes: dark/0_1.png" in printed.replace("train/", "")


def test_a_picture_that_was_replaced_at_the_same_time_and_size_is_noticed(tmp_path):
    add_pictures(tmp_path / "pictures", 15, seed=0)
    for path in (tmp_path / "pictures").rglob("*.png"):  # files of one size
        Image.open(path).save(path.with_suffix(".bmp"))
        path.unlink()
    name, data_dir = f"folder:{tmp_path / 'pictures'}", tmp_path / "data"
    before = load_dataset(name, data_dir=data_dir).fingerprint
    a, b = (tmp_path / "pictures" / part for part in ("dark/0_0.bmp", "light/0_0.bmp"))
    contents, status = (a.read_bytes(), b.read_bytes()), a.stat()
    for path, content in zip((b, a), contents, strict=True):
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert load_dataset(name, data_dir=data_dir).fingerprint != before


def test_a_version_in_use_is_not_removed(tmp_path):
    holder = (
        "import sys, time; from jaxcnn.data.dataset import load_dataset\n"
        "load_dataset(sys.argv[1], data_dir=sys.argv[2]); print('held', flush=True)\n"
        "time.sleep(60)"
    )
    name, data_dir = f"folder:{tmp_path / 'pictures'}", tmp_path / "data"
    add_pictures(tmp_path / "pictures", 12, seed=0)
    load_dataset(name, data_dir=data_dir)
    command = [sys.executable, "-c", holder, name, str(data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while "held" not in (line := process.stdout.readline()):
            assert line
        (held,) = (data_dir / "jaxcnn_folder").iterdir()
        assert is_in_use(held / "1.0.0")
        for seed in range(1, 5):  # others do not stay, but for the newest
            add_pictures(tmp_path / "pictures", 1, seed)
            load_dataset(name, data_dir=data_dir)
            for directory in list(_held):
                release(directory)
        there = list((data_dir / "jaxcnn_folder").iterdir())
        process.kill()
    assert held in there and len(there) == 4
    assert not is_in_use(held / "1.0.0")


def test_the_question_whether_data_are_in_use_takes_no_mark_away(tmp_path):
    assert hold(tmp_path)
    with open(tmp_path / ".in_use") as reader, open(tmp_path / ".in_use") as writer:
        fcntl.flock(reader, fcntl.LOCK_SH)
        assert is_in_use(tmp_path)
        fcntl.flock(reader, fcntl.LOCK_UN)
        with pytest.raises(BlockingIOError):
            fcntl.flock(writer, fcntl.LOCK_EX | fcntl.LOCK_NB)
    release(tmp_path)


@pytest.mark.slow
def test_a_run_on_some_classes_keeps_its_pictures(train, tmp_path):
    pictures, workdir = tmp_path / "pictures", tmp_path / "run"
    add_pictures(pictures, 25, seed=0)
    shutil.copytree(pictures / "dark", pictures / "another")
    chosen = {"classes": ("light", "dark")}  # not the order of the folders
    train("run", **chosen)
    before = data_of(workdir)
    assert before["class_names"] == ["light", "dark"]
    listed = {picture.class_name for picture in read_picture_list(workdir / "pictures.csv")}
    assert listed == {"light", "dark"}
    add_pictures(pictures, 25, seed=1)
    shutil.rmtree(tmp_path / "data")
    train("run", num_epochs=2, **chosen)
    after = data_of(workdir)
    assert all(after[name] == before[name] for name in before if name != "reading")
    assert evaluate_run(workdir)["num_examples"] == before["num_examples"]["test"]
