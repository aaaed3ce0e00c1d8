"""The rules by which a set's pictures are read: found once, kept, and followed."""

import json

import archives
import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.dataset import load_dataset
from jaxcnn.data.pictures.conversion import Conversion
from jaxcnn.data.pictures.decoding import find_conversion, read_picture

DEEP = np.array([[0, 100], [150, 200]], np.uint16)  # what 8 bits would show


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize(
    ("dtype", "times", "rule"),
    [
        ("u2", 1, {"integer_white": 255}),
        ("u2", 4, {"integer_white": 1023}),
        ("u2", 16, {"integer_white": 4095}),
        ("u2", 256, {"integer_white": 65_535}),
        ("i4", 16, {"integer_white": 4095}),
        ("f4", 16, {"float_white": 4095}),
    ],
)
def test_the_brightest_picture_says_how_far_the_values_go(tmp_path, dtype, times, rule):
    bright = write(tmp_path / "bright.tif", (DEEP * times).astype(dtype))
    dark = write(tmp_path / "dark.tif", (DEEP // 50 * times).astype(dtype))
    assert find_conversion([dark, bright]) == rule
    for path, expected in ((bright, DEEP), (dark, DEEP // 50)):
        assert (np.asarray(read_picture(path, "L", Conversion(**rule))) == expected).all()


def strokes(path, color, alpha=255):
    picture = np.zeros((8, 8, 4), np.uint8)
    picture[2:6, 3:5] = (color, color, color, alpha)
    return write(path, picture)


def test_the_page_is_the_one_on_which_the_strokes_show(tmp_path):
    white, black = strokes(tmp_path / "white.png", 255), strokes(tmp_path / "black.png", 0)
    photo = strokes(tmp_path / "photo.png", 140)
    assert find_conversion([white, white]) == {"page": "black"}
    assert find_conversion([black]) == {"page": "white"}
    assert find_conversion([photo]) == {"page": "white"}  # shows on both: the usual one
    opaque = write(tmp_path / "opaque.png", np.full((8, 8, 4), 255, np.uint8))
    assert find_conversion([opaque, write(tmp_path / "grey.png", np.eye(8, dtype=np.uint8))]) == {}
    assert np.asarray(read_picture(white, "L", Conversion("black"))).max() == 255
    assert np.asarray(read_picture(white, "L", Conversion("black"))).min() == 0


@pytest.mark.parametrize(("page", "color"), [("black", 0), ("white", 255)])
def test_a_negative_is_drawn_on_the_same_page(tmp_path, page, color):
    path = strokes(tmp_path / "a.png", color)
    assert np.ptp(np.asarray(read_picture(path, "L", Conversion(page)))) == 0
    negative = np.asarray(read_picture(path, "L", Conversion(page), invert=True))
    assert negative[0, 0] == color and negative[3, 3] == 255 - color


def test_rules_that_do_not_exist():
    for wrong in ({"page": "red"}, {"integer_white": 7}, {"float_white": "1"}):
        with pytest.raises(ValueError, match="cannot be converted"):
            Conversion(**wrong)


def info_of(data_dir):
    (path,) = data_dir.rglob("dataset.json")
    return path, json.loads(path.read_text())


def test_a_folder_s_rules_are_kept_with_it(tmp_path, capsys):
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            for number in range(2):
                place = tmp_path / "pets" / split / name / f"{number}.png"
                # only the training pictures decide
                write(place, DEEP * (16 if split == "train" else 1))
    name, data_dir = f"folder:{tmp_path / 'pets'}", tmp_path / "data"
    dataset = load_dataset(name, data_dir=data_dir)
    assert dataset.conversion == {"page": "white", "integer_white": 4095}
    assert (dataset.splits["train"].images[0, ..., 0] == DEEP).all()
    assert (dataset.splits["test"].images[0, ..., 0] == DEEP // 16).all()
    assert "files of 16 or 32 bits hold values up to 4,095" in capsys.readouterr().out


def test_a_set_prepared_without_rules_stays_valid_and_has_none(tmp_path):
    pictures = archives.write_pictures(tmp_path / "pets", {"cat": 5, "dog": 5})
    name, data_dir = f"folder:{pictures}", tmp_path / "data"
    load_dataset(name, data_dir=data_dir)
    path, info = info_of(data_dir)
    del info["reading"]  # as older code left it
    path.write_text(json.dumps(info))
    before = path.stat()
    assert load_dataset(name, data_dir=data_dir).conversion is None
    assert path.stat() == before
    load_dataset("digits", data_dir=data_dir)
    assert load_dataset("digits", data_dir=data_dir, image_size=9).conversion == {"page": "black"}


def test_constant_pictures_and_other_splits_are_told(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for split, count in (("train", 20), ("test", 8)):
        for name in ("cat", "dog"):
            for number in range(count):
                pixels = rng.integers(0, 90, (8, 8), dtype=np.uint8)
                if (split, name) == ("train", "cat") and number < 4:
                    pixels[:] = 7
                pixels = 255 - pixels if split == "test" else pixels
                write(tmp_path / "pets" / split / name / f"{number:02}.png", pixels)
    load_dataset(f"folder:{tmp_path / 'pets'}", data_dir=tmp_path / "data")
    said = [line for line in capsys.readouterr().out.splitlines() if "warning" in line]
    assert len(said) == 2
    assert "warning: 4 of 40 pictures are of one color: " in said[0]
    assert said[0].endswith("cat/02.png and 1 more")
    assert "warning: 16 of 16 pictures of test are unlike the training pictures: " in said[1]


def test_pictures_without_contrast_are_told(tmp_path, capsys):
    for name in ("cat", "dog"):
        for number in range(12):
            pixels = np.random.default_rng(number).integers(0, 15, (8, 8, 3), dtype=np.uint8)
            write(tmp_path / "pets" / name / f"{number}.png", pixels)
    load_dataset(f"folder:{tmp_path / 'pets'}", data_dir=tmp_path / "data")
    assert "the training pictures hardly vary: their contrast" in capsys.readouterr().out


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_wrong_pixel_does_not_hide_the_others(tmp_path, value):
    picture = write(tmp_path / "a.tif", np.array([[0, 0.5], [1, value]], np.float32))
    pixels = np.asarray(read_picture(picture, "L", Conversion()))
    assert pixels.ravel().tolist()[:3] == [0, 127, 255]
