"""A dataset that `load_dataset` gave to `train`: the run's config loads the same data."""

import numpy as np
import pytest
from PIL import Image

from jaxcnn.config.defaults import default_config, to_dict
from jaxcnn.data.dataset import load_dataset
from jaxcnn.data.loading import load_data
from jaxcnn.files.writing import write_json
from jaxcnn.workdir.extending import adopt_recorded_names
from jaxcnn.workdir.run_config import check_config
from jaxcnn.workdir.run_data import adopt_dataset


@pytest.fixture
def pictures(tmp_path):
    """The name of a folder of 40 pictures of 12x12; a list leaves two of them out."""
    random = np.random.default_rng(0)
    for label in "ab":
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for index in range(20):
            pixels = random.integers(0, 256, (12, 12), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / label / f"{index}.png")
    (tmp_path / "out.txt").write_text("a/0.png\nb/3.png\n")
    return f"folder:{tmp_path / 'pictures'}"


@pytest.mark.parametrize(
    "settings",
    [
        {"split": "shuffle", "exclude": "out.txt", "image_size": 8},
        {"image_size": (6, 9), "fit": "pad"},
        {},
    ],
)
def test_the_config_loads_the_same_pictures(settings, pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dataset = load_dataset(pictures, data_dir=tmp_path / "data", **settings)
    config = default_config()
    adopt_dataset(config, dataset)
    check_config(config)
    again = load_data(config)
    assert again.fingerprint == dataset.fingerprint and again.pictures == dataset.pictures
    assert config.dataset.data_dir == str(tmp_path / "data")


@pytest.mark.parametrize("image_size", [0, 16, (16, 24)])
def test_the_config_loads_images_of_the_same_size(image_size, tmp_path):
    config = default_config()
    config.dataset.update(data_dir=str(tmp_path / "other"), split="shuffle", exclude="out.txt")
    dataset = load_dataset("digits", data_dir=tmp_path, image_size=image_size)
    adopt_dataset(config, dataset)
    check_config(config)
    assert (config.dataset.split, config.dataset.exclude) == ("content", "")
    assert load_data(config).fingerprint == dataset.fingerprint


def test_a_run_keeps_the_names_that_older_code_recorded(pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = {"data_dir": tmp_path / "data", "image_size": (6, 9)}
    dataset = load_dataset(pictures, exclude="out.txt", **settings)
    before, config = default_config(), default_config()
    before.dataset.name = pictures
    (tmp_path / "run").mkdir()
    write_json(tmp_path / "run" / "config.json", to_dict(before))
    names = ("split", "exclude", "image_size", "image_width")
    for given, is_same in ((dataset, True), (load_dataset(pictures, **settings), False)):
        write_json(tmp_path / "run" / "dataset.json", {"fingerprint": given.fingerprint})
        adopt_dataset(config, dataset)
        adopt_recorded_names(config, dataset, tmp_path / "run")
        same = [config.dataset[name] == before.dataset[name] for name in names]
        assert same == ([True] * 4 if is_same else [True, False, False, False])
