"""A sweep on the user's pictures: its members have the same pictures, each in its own size."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from jaxcnn.api import population, run
from jaxcnn.config.defaults import default_config
from jaxcnn.data.pictures.content import read_picture_list
from jaxcnn.models import model_config

pytestmark = pytest.mark.usefixtures("undrawn")


def add_pictures(folder, count, seed):
    random = np.random.default_rng(seed)
    for label, name in enumerate(("dark", "light")):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            pixels = random.integers(0, 120, (12, 12), np.uint8) + np.uint8(120 * label)
            Image.fromarray(pixels).save(folder / name / f"{seed}_{index}.png")


def test_pictures_that_are_added_between_two_groups_take_no_part(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "evaluate_run", lambda *_, **__: None)
    add_pictures(tmp_path / "pictures", 15, seed=0)
    config, workdir = default_config(), tmp_path / "all"
    config.model = model_config("mlp", hidden=(4,))
    config.dataset.update(name=f"folder:{tmp_path / 'pictures'}", data_dir=str(tmp_path / "data"))
    config.num_devices, config.global_batch_size, config.num_epochs = 1, 16, 1
    sweep = "dataset.image_size=8,6"
    population.train_population(config, sweep, workdir, quiet=True)
    shutil.rmtree(workdir / "members" / "001")  # as if the first group alone had begun
    add_pictures(tmp_path / "pictures", 10, seed=1)
    population.train_population(config, sweep, workdir, quiet=True)
    first, second = (workdir / "members" / name for name in ("000", "001"))
    for folder, side in ((first, 8), (second, 6)):
        data = json.loads((folder / "dataset.json").read_text())
        assert data["image_shape"] == [side, side, 1]
        assert len(read_picture_list(folder / "pictures.csv")) == 30
    assert read_picture_list(first / "pictures.csv") == read_picture_list(second / "pictures.csv")
