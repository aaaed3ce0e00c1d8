"""The pictures that a run lists: their images stay the same, or are fitted to another size."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from jaxcnn.api import run
from jaxcnn.config.defaults import default_config
from jaxcnn.config.sweep import with_values
from jaxcnn.data.dataset import load_dataset
from jaxcnn.models import model_config
from jaxcnn.workdir.run_data import load_run_data

pytestmark = pytest.mark.usefixtures("undrawn")


def add_pictures(folder, count=15, seed=0, shape=(12, 20), dtype=np.uint8, most=256):
    """Adds pictures of random pixels below `most` to a class."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng([seed, *folder.name.encode()])
    for index in range(count):
        pixels = random.integers(0, most, shape).astype(dtype)
        Image.fromarray(pixels).save(folder / f"{seed}_{index}.png")


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Trains an epoch on the folder of pictures in `tmp_path / "run"`; gives the config."""
    monkeypatch.setattr(run, "evaluate_run", lambda *_, **__: None)

    def trained(**dataset):
        config = default_config()
        config.model = model_config("mlp", hidden=(4,))
        config.dataset.update(name=f"folder:{tmp_path / 'pictures'}", **dataset)
        config.dataset.data_dir = str(tmp_path / "data")
        config.num_devices, config.global_batch_size, config.num_epochs = 1, 16, 1
        run.train(config, tmp_path / "run", quiet=True)
        return config

    return trained


@pytest.mark.parametrize(
    ("form", "shape"),
    [
        ({"image_size": 8}, (8, 8, 1)),
        ({"image_width": 16}, (6, 16, 1)),
        ({"fit": "pad"}, (6, 6, 1)),
        ({"image_size": 0, "fit": "stretch"}, (12, 20, 1)),
    ],
)
def test_another_form_is_of_the_same_pictures(form, shape, trained, tmp_path):
    for name in ("a", "b"):
        add_pictures(tmp_path / "pictures" / name)
    config = trained(image_size=6)
    other = with_values(config, {f"dataset.{name}": value for name, value in form.items()})
    arguments = {"data_dir": tmp_path / "data", "image_size": (6, 6), **form}
    width = arguments.pop("image_width", 0)
    if width:
        arguments["image_size"] = (6, width)
    expected = load_dataset(config.dataset.name, **arguments)
    add_pictures(tmp_path / "pictures" / "a", seed=1)
    dataset = load_run_data(other, tmp_path / "run")
    assert dataset.image_shape == shape and dataset.fingerprint == expected.fingerprint
    assert (dataset.conversion or {}).get("fit", "crop") == form.get("fit", "crop")
    assert load_run_data(config, tmp_path / "run").image_shape == (6, 6, 1)


OTHERS = {
    "color": ({}, {"shape": (12, 20, 3)}),
    "16 bits": ({"dtype": np.uint16, "most": 2000}, {"dtype": np.uint16, "most": 65536}),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_pictures_of_some_classes_are_made_again_as_the_whole_folder_decided(
    kind, trained, tmp_path, capsys
):
    chosen, other = OTHERS[kind]
    for name, settings in {"a": chosen, "b": chosen, "c": other}.items():
        add_pictures(tmp_path / "pictures" / name, **settings)
    config = trained(image_size=6, classes=("a", "b"))
    before = json.loads((tmp_path / "run" / "dataset.json").read_text())
    (tmp_path / "pictures").rename(tmp_path / "moved")
    shutil.rmtree(tmp_path / "moved" / "c")
    capsys.readouterr()
    dataset = load_run_data(config, tmp_path / "run", data_at=tmp_path / "moved")
    assert dataset.fingerprint == before["fingerprint"]
    assert dataset.conversion == before["reading"]
    assert "found in the training pictures" not in capsys.readouterr().out
