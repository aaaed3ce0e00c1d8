"""A folder of the user's images as a dataset."""

import os

import archives
import numpy as np
import pytest
from archives import contents
from PIL import Image

from jaxcnn.data.dataset import load_dataset
from jaxcnn.errors import UserError


def test_folder_without_splits(tmp_path):
    pictures = archives.write_pictures(tmp_path / "pets", {"cat": 10, "dog": 5})
    dataset = load_dataset(f"folder:{pictures}", data_dir=tmp_path / "data", split="shuffle")
    assert dataset.class_names == ("cat", "dog") and dataset.image_shape == (12, 12, 3)
    assert np.bincount(dataset.splits["train"].labels).tolist() == [8, 4]
    assert np.bincount(dataset.splits["test"].labels).tolist() == [2, 1]


def test_folder_with_splits_of_any_mode_and_size(tmp_path):
    pictures = tmp_path / "pets"
    archives.write_pictures(pictures / "train", {"cat": 4, "dog": 4}, grey=True)
    archives.write_pictures(pictures / "test", {"cat": 2}, grey=True)
    deep = np.full((12, 12), 40_000, np.uint16)
    Image.fromarray(deep).save(pictures / "train" / "dog" / "3.png")
    name, data_dir = f"folder:{pictures}", tmp_path / "data"
    dataset = load_dataset(name, data_dir=data_dir)
    assert dataset.image_shape == (12, 12, 1)
    assert dataset.splits["train"].images[7].tolist() == [[[40_000 >> 8]] * 12] * 12
    for index, mode in enumerate(("P", "RGBA", "CMYK", "1", "LA")):
        path = pictures / "train" / "cat" / f"mode{index}.tif"
        Image.new("RGB", (20 + index, 30), "red").convert(mode).save(path)
    with pytest.raises(UserError, match="mode0.tif is 20x30 but .* is 12x12: set --image_size"):
        load_dataset(name, data_dir=data_dir)
    dataset = load_dataset(name, data_dir=data_dir, image_size=10)
    assert dataset.image_shape == (10, 10, 3)
    assert dataset.splits["train"].images[4, 5, 5, 0] > 200


def test_changed_folder_is_prepared_again(tmp_path):
    pictures = archives.write_pictures(tmp_path / "pets", {"cat": 5, "dog": 5})
    name, data_dir = f"folder:{pictures}", tmp_path / "data"
    load_dataset(name, data_dir=data_dir)
    before = contents(data_dir)
    load_dataset(name, data_dir=data_dir)
    assert contents(data_dir) == before
    archives.write_pictures(pictures, {"eel": 5})
    assert load_dataset(name, data_dir=data_dir).class_names == ("cat", "dog", "eel")


def test_changed_pictures_behind_links_are_prepared_again(tmp_path):
    pictures, linked = tmp_path / "real", tmp_path / "linked"
    for split in ("train", "test"):
        archives.write_pictures(pictures / split, {"cat": 3, "dog": 3})
        (linked / split).mkdir(parents=True)
        for name in ("cat", "dog"):
            (linked / split / name).symlink_to(pictures / split / name)
    name, data_dir = f"folder:{linked}", tmp_path / "data"
    load_dataset(name, data_dir=data_dir)
    Image.new("RGB", (12, 12), "white").save(pictures / "train" / "cat" / "0.png")
    assert load_dataset(name, data_dir=data_dir).splits["train"].images[0].min() == 255


@pytest.mark.parametrize("name", ["val", "validation"])
def test_a_validation_split(tmp_path, name):
    for split in ("train", name, "test"):
        archives.write_pictures(tmp_path / "pets" / split, {"cat": 2, "dog": 3})
    dataset = load_dataset(f"folder:{tmp_path / 'pets'}", data_dir=tmp_path / "data")
    assert len(dataset.splits["validation"].labels) == 5
    other = ({"val", "validation"} - {name}).pop()
    archives.write_pictures(tmp_path / "pets" / other, {"cat": 1, "dog": 1})
    with pytest.raises(UserError, match="both val and validation"):
        load_dataset(f"folder:{tmp_path / 'pets'}", data_dir=tmp_path / "data")


def test_a_small_class_has_a_test_image_too(tmp_path):
    pictures = archives.write_pictures(tmp_path / "pets", {"cat": 10, "dog": 2, "eel": 1})
    dataset = load_dataset(f"folder:{pictures}", data_dir=tmp_path / "data", split="shuffle")
    assert np.bincount(dataset.splits["train"].labels).tolist() == [8, 1, 1]
    assert np.bincount(dataset.splits["test"].labels).tolist() == [2, 1]


def test_folders_that_cannot_be_used(tmp_path):
    def refusal(path):
        with pytest.raises(UserError) as caught:
            load_dataset(f"folder:{path}", data_dir=tmp_path / "data")
        return str(caught.value)

    assert "there is no folder" in refusal(tmp_path / "nothing")
    pictures = archives.write_pictures(tmp_path / "one", {"cat": 25})
    assert "fewer than two classes" in refusal(pictures)
    archives.write_pictures(pictures, {"dog": 5})
    bad = pictures / "dog" / "2.png"
    bad.write_bytes(bad.read_bytes()[:200])
    assert f"{bad} is not an image that can be read" in refusal(pictures)
    bad.write_text("no image")
    assert f"{bad} is not an image that can be read" in refusal(pictures)
    splits = archives.write_pictures(tmp_path / "splits" / "train", {"cat": 2, "dog": 2}).parent
    assert "needs both train and test" in refusal(splits)
    archives.write_pictures(splits / "test", {"emu": 2})
    assert "not among the classes of train" in refusal(splits)
    (pictures / "emu").mkdir()
    assert f"{pictures / 'emu'} holds no images to train on" in refusal(pictures)
    os.rename(pictures / "emu", os.fsencode(pictures) + b"/caf\xe9")
    assert "'caf\\udce9' is not in UTF-8" in refusal(pictures)
