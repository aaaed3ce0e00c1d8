"""A run on a table of pictures, with groups and padded pictures that are not square."""

import csv
import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from jaxcnn.api import run
from jaxcnn.config.defaults import default_config
from jaxcnn.data.dataset import load_dataset
from jaxcnn.evaluation.trained import load_trained
from jaxcnn.evaluation.user_pictures import read_pictures
from jaxcnn.models import model_config
from jaxcnn.reporting.terminal.console import Console
from jaxcnn.workdir.run_data import notes_on_data


@pytest.fixture
def table(tmp_path):
    """Pictures of 24 groups in two classes that differ in brightness; each is 20x10 or 10x20."""
    random = np.random.default_rng(0)
    rows = []
    (tmp_path / "images").mkdir()
    for index in range(96):
        shape = (20, 10) if index % 3 else (10, 20)
        pixels = random.integers(0, 120, shape) + 120 * (index % 2)
        name = f"images/{index}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / name)
        rows.append((name, ("dark", "light")[index % 2], f"patient {index // 4}"))
    with open(tmp_path / "table.csv", "w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "group"), *rows])
    return tmp_path / "table.csv"


@pytest.fixture
def train(table, tmp_path, monkeypatch):
    """Trains on the table, and returns what was printed."""
    monkeypatch.setattr(run, "evaluate_run", lambda *_, **__: None)

    def train(num_epochs):
        config = default_config()
        config.model = model_config("mlp", hidden=(16,))
        config.dataset.update(name=f"table:{table}", data_dir=str(tmp_path / "data"))
        config.dataset.update(image_size=8, image_width=12, fit="pad", split="shuffle")
        config.num_devices, config.global_batch_size, config.num_epochs = 1, 16, num_epochs
        printed = io.StringIO()
        run.train(config, tmp_path / "run", console=Console(printed))
        return printed.getvalue()

    return train


@pytest.mark.usefixtures("undrawn")
def test_a_run_keeps_groups_and_fitting_without_its_table(train, table, tmp_path):
    train(1)
    with open(tmp_path / "run" / "pictures.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    uses = {}
    for row in rows:
        uses.setdefault(row["group"], set()).add(row["used_for"])
    assert len(uses) == 24 and all(len(use) == 1 for use in uses.values())
    assert {use for each in uses.values() for use in each} == {"train", "validation", "test"}

    about = json.loads((tmp_path / "run" / "dataset.json").read_text())
    assert about["reading"]["fit"] == "pad" and about["image_shape"] == [8, 12, 1]
    trained = load_trained(tmp_path / "run")
    test = [row["path"] for row in rows if row["split"] == "test"]
    _, pixels, _ = read_pictures(trained, [table.parent / path for path in test])
    dataset = load_dataset(
        f"table:{table}", data_dir=tmp_path / "data", image_size=(8, 12), fit="pad", split="shuffle"
    )
    assert (pixels == dataset.splits["test"].images).all()
    assert trained.predict(table.parent / test[0]).probabilities.shape == (1, 2)

    # a version of the same pixels with other files and groups, which sorts first
    shutil.copytree(table.parent / "images", table.parent / "copies")
    text = table.read_text().replace("images/", "copies/").replace("patient", "person")
    (table.parent / "a.csv").write_text(text)
    settings = {"image_size": (8, 12), "fit": "pad", "split": str(table.parent / "split.csv")}
    splits = "".join(f"{row['path']},{row['split']}\n".replace("images", "copies") for row in rows)
    (table.parent / "split.csv").write_text("path,split\n" + splits)
    load_dataset(f"table:{table.parent / 'a.csv'}", data_dir=tmp_path / "data", **settings)
    versions = sorted((tmp_path / "data" / "jaxcnn_folder").iterdir())
    for name, version in zip("ba", sorted(versions, key=_names_a_person), strict=True):
        version.rename(version.parent / f"{name}{version.name}")

    Image.new("L", (9, 9)).save(table.parent / "images" / "new.png")
    assert notes_on_data(tmp_path / "run") == []
    table.unlink()
    assert "epoch" in train(2)
    with open(tmp_path / "run" / "pictures.csv", newline="") as file:
        assert list(csv.DictReader(file)) == rows


def _names_a_person(version):
    return "person" in (version / "1.0.0" / "arrays" / "pictures.csv").read_text()
